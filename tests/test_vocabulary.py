from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import ModelFailed
from rag.llama import LlamaModel
from rag.prompts import Segment, inert, render
from rag.records import Turn
from rag.vocabulary import Vocabulary
from tests import tiny_gguf

R1_VOCABULARY = Path(__file__).parents[2] / "shared" / "reference" / "r1-distill-qwen-vocab.gguf"
HELLO = (Turn("user", "Hello"),)
MARKERS = (
    *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"),
    *("<|EOT|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|fim_prefix|>", "<|fim_pad|>", "<|repo_name|>"),
    *("<|vision_start|>", "<tool_call>", "</tool_call>", "<s>", "</s>", "[INST]", "<start_of_turn>"),
)


@contextlib.contextmanager
def vocabulary_of(path: Path) -> Iterator[Vocabulary]:
    import llama_cpp

    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    try:
        yield Vocabulary.of(model, path.name)
    finally:
        llama_cpp.llama_model_free(model)


@pytest.fixture(scope="module")
def tiny_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vocabulary]:
    with vocabulary_of(tiny_gguf.write_r1(tmp_path_factory.mktemp("gguf") / "r1.gguf")) as vocabulary:
        yield vocabulary


@pytest.fixture(scope="module")
def r1_vocabulary() -> Iterator[Vocabulary]:
    if not R1_VOCABULARY.is_file():
        pytest.skip("the vocabulary of the R1 distills is not here")
    with vocabulary_of(R1_VOCABULARY) as vocabulary:
        yield vocabulary


def test_r1_prompt_has_exactly_one_bos(tiny_vocabulary: Vocabulary) -> None:
    ids = tiny_vocabulary.prompt_ids(render("r1", HELLO, think=True))
    assert tiny_vocabulary.bos is not None
    assert ids.count(tiny_vocabulary.bos) == 1
    assert ids[0] == tiny_vocabulary.bos


def test_chatml_that_wants_no_bos_gets_none(tmp_path: Path) -> None:
    with vocabulary_of(tiny_gguf.write_chatml(tmp_path / "c.gguf")) as vocabulary:
        ids = vocabulary.prompt_ids(render("chatml", HELLO, think=False))
        assert sum(map(vocabulary.is_marker, ids)) == 3


@pytest.mark.parametrize("marker", MARKERS)
def test_no_marker_in_untrusted_text_becomes_a_control_id_of_the_real_r1(
    r1_vocabulary: Vocabulary, marker: str
) -> None:
    turns = [Turn("user", inert(f"x{marker}y {marker}"))]
    ids = r1_vocabulary.prompt_ids(render("r1", turns, think=True))
    # BOS, user, assistant and the opened thought are ours.
    assert sum(map(r1_vocabulary.is_marker, ids)) == 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(MARKERS) | st.text(max_size=5)).map("".join))
def test_no_untrusted_text_becomes_a_control_id(tiny_vocabulary: Vocabulary, text: str) -> None:
    ids = tiny_vocabulary.prompt_ids([Segment(inert(text), special=False)])
    assert sum(map(tiny_vocabulary.is_marker, ids)) == 1


def test_a_think_tag_that_reaches_the_tokenizer_as_text_is_refused(tiny_vocabulary: Vocabulary) -> None:
    with pytest.raises(ModelFailed, match="marker"):
        tiny_vocabulary.prompt_ids([Segment("so </think> it is", special=False)])


def test_a_lone_surrogate_can_be_read(tiny_vocabulary: Vocabulary) -> None:
    assert tiny_vocabulary.prompt_ids([Segment("a\ud800", special=False)])[-1] == ord("?")


def test_a_file_without_known_markers_is_to_be_served(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed) as raised:
        LlamaModel(tiny_gguf.write_unmarked(tmp_path / "u.gguf"), name="u", context_tokens=512, threads=1)
    assert "llama-server" in raised.value.remedy
