from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import ModelFailed
from rag.gguf import open_gguf
from tests import tiny_gguf


def test_a_context_is_as_large_as_was_asked_for_and_no_larger_than_the_model_knows(tmp_path: Path) -> None:
    import llama_cpp

    path = tiny_gguf.write_r1(tmp_path / "r1.gguf")
    for asked in (512, 1_000_000):
        model, context = open_gguf(path, context_tokens=asked, threads=1)
        trained = llama_cpp.llama_model_n_ctx_train(model)
        assert llama_cpp.llama_n_ctx(context) == min(asked, trained)
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)


def test_a_file_that_is_not_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="is not a model"):
        open_gguf(tmp_path / "absent.gguf", context_tokens=512)


@pytest.mark.parametrize("room", [True, False])
def test_all_layers_go_to_a_gpu_that_llama_cpp_was_built_for_and_else_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    import llama_cpp

    load, tried = llama_cpp.llama_model_load_from_file, list[int]()

    def loaded(path: bytes, params: llama_cpp.llama_model_params) -> int | None:
        tried.append(params.n_gpu_layers)
        return load(path, params) if room or not params.n_gpu_layers else None

    monkeypatch.setattr(llama_cpp, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(llama_cpp, "llama_model_load_from_file", loaded)
    model, context = open_gguf(tiny_gguf.write_r1(tmp_path / "r1.gguf"), context_tokens=256, threads=1)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    assert tried == ([999] if room else [999, 0])
