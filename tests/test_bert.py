from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag import bert
from rag.bert import graph, readable
from rag.embedding import _built_in
from rag.exported import Runner

TEXTS = ["What did Bernstein say about the $5M?", "", "price " * 600, "Größe — 価格", " x \n y "]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(_built_in(), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where sentence-transformers saves the model, in the layout of the version that is installed."""
    return tmp_path_factory.mktemp("saved") / "model"


@pytest.fixture(scope="module")
def reference(saved: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """What sentence-transformers itself makes of the texts, each alone."""
    code = (
        "import json, sys; from sentence_transformers import SentenceTransformer as S;"
        "texts = json.load(sys.stdin); model = S(sys.argv[1], device='cpu', local_files_only=True);"
        "rows = [model.encode(text, normalize_embeddings=True).tolist() for text in texts]; print(json.dumps(rows));"
        "model.save(sys.argv[2])"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(_built_in()), str(saved)]
    done = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout.splitlines()[0]), np.float32)


def test_the_exact_graph_s_vectors_are_those_of_sentence_transformers(reference: np.ndarray) -> None:
    rows = Runner(_built_in(), graph(_built_in(), exact=True)).embed(TEXTS)
    assert rows == pytest.approx(reference, abs=2e-6)


def test_the_small_graph_s_vectors_point_where_those_of_sentence_transformers_do(reference: np.ndarray) -> None:
    rows = Runner(_built_in(), graph(_built_in(), exact=False)).embed(TEXTS)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (rows * reference).sum(axis=1).min() > 0.97


@pytest.mark.usefixtures("reference")
def test_a_model_that_sentence_transformers_has_saved_is_the_same_graph(saved: Path) -> None:
    assert readable(saved)
    assert graph(saved, exact=False) == graph(_built_in(), exact=False)


def test_no_weight_of_the_small_graph_can_overflow_sixteen_bits() -> None:
    assert 255 * bert._LARGEST_WEIGHT * 2 < 2**15
    rounded, _ = bert._rounded(np.array([[1.1, -2.0, 0.1], [0.0, 0.0, 0.0]], np.float32), bert._LARGEST_WEIGHT)
    assert rounded.tolist() == [[35, -63, 3], [0, 0, 0]]


def test_the_same_weights_give_the_same_graph() -> None:
    assert graph(_built_in(), exact=False) == graph(_built_in(), exact=False)


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
