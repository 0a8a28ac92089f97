from __future__ import annotations

import re

from rag.modelfiles import CATALOGUE, DEFAULT, STAND_IN


def test_catalogue_is_complete() -> None:
    assert list(CATALOGUE) == [DEFAULT, "r1-7b", "r1-8b", "r1-14b", STAND_IN, "smol-135m"]
    for name, model in CATALOGUE.items():
        assert model.name == name
        assert model.licence
        assert model.reads
        assert model.size > 0
        assert re.fullmatch("[0-9a-f]{64}", model.sha256)
        assert re.fullmatch(r"[\w.-]+\.gguf", model.file)
        assert model.repo or model.wheels


def test_only_the_test_model_does_not_answer() -> None:
    assert [name for name, model in CATALOGUE.items() if not model.generation.prose] == ["smol-135m"]


def test_only_deepseek_s_distills_are_asked_as_deepseek_advises() -> None:
    warm = {name for name, model in CATALOGUE.items() if model.generation.temperature == 0.6}
    assert warm == {name for name in CATALOGUE if name.startswith("r1-")}


def test_no_model_is_asked_with_more_than_half_of_the_default_context() -> None:
    for model in CATALOGUE.values():
        assert model.generation.thinking_tokens + model.generation.answer_tokens <= 2048
