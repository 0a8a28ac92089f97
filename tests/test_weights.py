from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.errors import ModelUnavailable
from rag.weights import locate, refuse_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").touch()
    return tmp_path


def test_a_folder_is_itself(folder: Path) -> None:
    assert locate(str(folder), setting="embedding_model") == folder


def test_modules_of_the_library_itself_are_trusted(folder: Path) -> None:
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Transformer"}]))
    refuse_code(folder, "mine")
    (folder / "evil.py").touch()
    with pytest.raises(ModelUnavailable):
        refuse_code(folder, "mine")


def test_weights_in_another_form_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors"):
        refuse_code(tmp_path, "mine")


def test_code_anywhere_below_is_refused(folder: Path) -> None:
    (folder / "custom").mkdir()
    (folder / "custom" / "evil.py").touch()
    with pytest.raises(ModelUnavailable, match=r"evil\.py"):
        refuse_code(folder, "mine")


@pytest.mark.parametrize("modules", ["{", "[1]", '[{"path": "x"}]'])
def test_a_list_of_modules_that_is_none_is_refused(folder: Path, modules: str) -> None:
    (folder / "modules.json").write_text(modules)
    with pytest.raises(ModelUnavailable, match=r"modules\.json"):
        refuse_code(folder, "mine")


def test_a_foreign_module_is_refused(folder: Path) -> None:
    (folder / "modules.json").write_text(json.dumps([{"type": "evil.Module"}]))
    with pytest.raises(ModelUnavailable, match=r"evil\.Module"):
        refuse_code(folder, "mine")


def test_a_name_that_is_not_to_be_had_says_which_setting_named_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable) as raised:
        locate("no-such/model", setting="rerank_model")
    assert "rerank_model" in raised.value.remedy
