from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag.bert import Bert, readable
from rag.embedding import SentenceTransformerEmbedder, _built_in

TEXTS = ["What did Bernstein say about the $5M?", "", "price " * 600, "Größe — 価格", " x \n y "]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(_built_in(), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def test_its_vectors_are_those_of_sentence_transformers() -> None:
    bert = Bert(_built_in())
    rows = np.vstack([bert.embed(text) for text in TEXTS])
    assert rows.dtype == np.float32
    assert rows == pytest.approx(SentenceTransformerEmbedder().embed(TEXTS), abs=2e-6)


def test_the_built_in_model_is_readable(copy: Path) -> None:
    assert readable(copy)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("1_Pooling/config.json", "pooling_mode_cls_token", True),
        ("config.json", "hidden_act", "relu"),
        ("config.json", "model_type", "mpnet"),
        ("sentence_bert_config.json", "do_lower_case", True),
        ("config_sentence_transformers.json", "prompts", {"query": "query: "}),
    ],
)
def test_a_model_of_another_kind_is_not_readable(copy: Path, name: str, key: str, value: object) -> None:
    path = copy / name
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert not readable(copy)


def test_a_model_with_a_further_module_is_not_readable(copy: Path) -> None:
    path = copy / "modules.json"
    dense = {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    path.write_text(json.dumps([*json.loads(path.read_text()), dense]))
    assert not readable(copy)


def test_a_question_is_embedded_without_torch() -> None:
    code = (
        "import sys; from rag.embedding import SentenceTransformerEmbedder as E; E().embed(['why?']);"
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
