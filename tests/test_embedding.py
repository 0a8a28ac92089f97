from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rag.embedding import SentenceTransformerEmbedder, _built_in
from rag.errors import ModelUnavailable


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own: the user's is left alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where the cache is on a Mac


@pytest.fixture(scope="module")
def minilm() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder()


def test_rows_are_unit_vectors_in_the_order_of_the_texts(minilm: SentenceTransformerEmbedder) -> None:
    texts = ["Training cost five million dollars.", "x", "The cat sat on the mat. " * 20]
    rows = minilm.embed(texts)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert np.array_equal(rows[0], minilm.embed(texts[:1])[0])


def test_neither_questions_nor_passages_need_torch() -> None:
    code = (
        "import sys; from rag.embedding import SentenceTransformerEmbedder as E; E().embed(['why?', 'because']);"
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_texts_that_mean_the_same_are_nearer_than_others(minilm: SentenceTransformerEmbedder) -> None:
    cost, price, cat = minilm.embed(["Training was cheap.", "The model cost little to train.", "The cat slept."])
    assert cost @ price > cost @ cat + 0.2


def test_the_fingerprint_names_the_weights(minilm: SentenceTransformerEmbedder) -> None:
    assert minilm.fingerprint.startswith("53aa51172d142c89")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder of somebody's own: the built-in model's, without its 90 MB of weights."""
    folder = tmp_path / "model"
    shutil.copytree(_built_in(), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_model_that_cannot_be_exported_is_run_by_sentence_transformers(
    copy: Path, minilm: SentenceTransformerEmbedder
) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors").symlink_to(_built_in() / "model.safetensors")
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 256, "do_lower_case": true}')
    texts = ["Training cost five million dollars.", "x"]
    own = SentenceTransformerEmbedder(str(copy))
    assert "int8" not in own.fingerprint
    assert (own.embed(texts) * minilm.embed(texts)).sum(axis=1).min() > 0.97


def test_other_weights_have_another_fingerprint(copy: Path, minilm: SentenceTransformerEmbedder) -> None:
    assert SentenceTransformerEmbedder(str(copy)).fingerprint != minilm.fingerprint


def test_another_use_of_the_same_weights_has_another_fingerprint(copy: Path) -> None:
    before = SentenceTransformerEmbedder(str(copy)).fingerprint
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 16, "do_lower_case": false}')
    assert SentenceTransformerEmbedder(str(copy)).fingerprint != before


def test_weights_that_do_not_load_are_said_with_a_remedy(copy: Path) -> None:
    with pytest.raises(ModelUnavailable, match="does not load"):
        SentenceTransformerEmbedder(str(copy)).embed(["x"])


def test_a_kept_form_that_does_not_run_is_said_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = SentenceTransformerEmbedder()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelUnavailable, match="does not run") as told:
        embedder.embed(["x"])
    assert "onnxruntime" in told.value.remedy


def test_a_model_that_brings_code_is_refused(copy: Path) -> None:
    (copy / "evil.py").write_text("raise SystemExit")
    with pytest.raises(ModelUnavailable, match=r"evil\.py"):
        SentenceTransformerEmbedder(str(copy))


def test_a_model_that_names_foreign_modules_is_refused(copy: Path) -> None:
    (copy / "modules.json").write_text(json.dumps([{"type": "evil.Module", "path": "", "idx": 0, "name": "0"}]))
    with pytest.raises(ModelUnavailable, match=r"evil\.Module"):
        SentenceTransformerEmbedder(str(copy))


def test_a_model_without_safetensors_is_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        SentenceTransformerEmbedder(str(copy))


def test_a_broken_list_of_modules_is_refused(copy: Path) -> None:
    (copy / "modules.json").write_text("{")
    with pytest.raises(ModelUnavailable, match=r"modules\.json"):
        SentenceTransformerEmbedder(str(copy))


def test_a_name_that_is_not_to_be_had_is_said_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="no-such/model") as caught:
        SentenceTransformerEmbedder("no-such/model")
    assert caught.value.remedy
