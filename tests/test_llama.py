from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import ModelFailed, PromptTooLong
from rag.llama import LlamaModel, Vocabulary, physical_cores
from rag.llm import Piece
from rag.prompts import Segment, inert, render
from rag.records import Turn, Usage
from tests import tiny_gguf

R1_VOCABULARY = Path(__file__).parents[2] / "shared" / "reference" / "r1-distill-qwen-vocab.gguf"
HELLO = (Turn("user", "Hello"),)
MARKERS = (
    *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"),
    *("<|EOT|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|fim_prefix|>", "<|fim_pad|>", "<|repo_name|>"),
    *("<|vision_start|>", "<tool_call>", "</tool_call>", "<s>", "</s>", "[INST]", "<start_of_turn>"),
)

Open = Callable[..., LlamaModel]


@pytest.fixture
def open_r1(tmp_path: Path) -> Iterator[Open]:
    """Open an R1 that says what ``after`` wants; closed at the end."""
    with contextlib.ExitStack() as opened:

        def open_model(after: Mapping[tiny_gguf.Token, tiny_gguf.Token] | None = None, **wanted: int) -> LlamaModel:
            path = tiny_gguf.write_r1(tmp_path / "r1.gguf", after)
            model = LlamaModel(path, name="tiny", **{"context_tokens": 2048, "threads": 1, **wanted})
            opened.callback(model.close)
            return model

        yield open_model


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


def say(model: LlamaModel, *, think: int = 0, answer: int = 8, text: str = "Hello") -> list[Piece]:
    return list(model.stream([Turn("user", text)], thinking_tokens=think, answer_tokens=answer))


def text_of(pieces: list[Piece], *, thought: bool = False) -> str:
    return "".join(piece.text for piece in pieces if piece.thought == thought)


def usage_of(pieces: list[Piece]) -> Usage:
    assert pieces[-1].usage is not None
    return pieces[-1].usage


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


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404</html>", b"GGUF" + b"\0" * 60])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFailed, match=r"broken\.gguf"):
        LlamaModel(path, name="broken", context_tokens=512)


def test_the_template_of_the_file_is_not_used(open_r1: Open) -> None:
    assert text_of(say(open_r1())) == "!\"#$%&'("


def test_the_budget_closes_the_thought(open_r1: Open) -> None:
    pieces = say(open_r1(), think=5, answer=3)
    assert (text_of(pieces, thought=True), text_of(pieces)) == ('!"#$%', '!"#')


def test_a_thought_that_ends_itself_goes_on_to_the_answer(open_r1: Open) -> None:
    pieces = say(open_r1({b"#": "</think>"}), think=50, answer=50)
    assert (text_of(pieces, thought=True), text_of(pieces)) == ('!"#', '!"#')


def test_a_thought_that_ends_the_whole_text_is_closed_for_the_answer(open_r1: Open) -> None:
    pieces = say(open_r1({b"#": "<｜end▁of▁sentence｜>"}), think=50, answer=50)
    assert text_of(pieces) == '!"#'


def test_without_a_budget_there_is_no_thought(open_r1: Open) -> None:
    assert not any(piece.thought for piece in say(open_r1()))


@pytest.mark.parametrize("stop", ["<｜end▁of▁sentence｜>", "<｜User｜>", "<|EOT|>", "<think>"])
def test_the_answer_ends_at_any_marker(open_r1: Open, stop: str) -> None:
    assert text_of(say(open_r1({b"#": stop}), answer=50)) == '!"#'


def test_a_model_that_does_not_think_ignores_the_budget(tmp_path: Path) -> None:
    path = tiny_gguf.write_chatml(tmp_path / "c.gguf")
    with contextlib.closing(LlamaModel(path, name="c", context_tokens=512, threads=1)) as model:
        pieces = say(model, think=100, answer=4)
    assert (model.thinks, text_of(pieces, thought=True), text_of(pieces)) == (False, "", '!"#$')


def test_a_loop_ends_the_answer(open_r1: Open) -> None:
    pieces = say(open_r1({b"#": b"!"}), answer=500)
    # The third time that the same 12 tokens have been said, in a loop of 3.
    assert usage_of(pieces).answer_tokens == 18


def test_a_character_is_never_cut(open_r1: Open) -> None:
    euro = {b"\n": b"\xe2", b"\xe2": b"\x82", b"\x82": b"\xac", b"\xac": "<｜end▁of▁sentence｜>"}
    assert [piece.text for piece in say(open_r1(euro)) if piece.text] == ["€"]


def test_half_a_character_at_the_end_of_the_budget_is_dropped(open_r1: Open) -> None:
    assert text_of(say(open_r1({b"\n": b"a", b"a": b"\xe2", b"\xe2": b"\x82"}), answer=3)) == "a"


def test_usage_counts_what_was_read_and_written(open_r1: Open) -> None:
    usage = usage_of(say(open_r1(), think=5, answer=3, text="Hello"))
    # BOS, user, 5 letters, assistant, <think> and a line break.
    assert (usage.prompt_tokens, usage.thinking_tokens, usage.answer_tokens) == (10, 5, 3)
    assert usage.seconds.keys() == {"first_token", "prose"}
    assert min(usage.seconds.values()) > 0


def test_a_prompt_that_begins_alike_is_read_from_where_it_parts(open_r1: Open) -> None:
    model = open_r1()
    say(model, text="Hello you")
    assert usage_of(say(model, text="Hello me")).cached_tokens == 2 + len("Hello ")


def test_asking_again_gives_the_same_text(open_r1: Open) -> None:
    model = open_r1()
    assert text_of(say(model)) == text_of(say(model))


def test_a_prompt_without_room_for_the_answer_does_not_fit(open_r1: Open) -> None:
    model = open_r1(context_tokens=512)
    turns = [Turn("user", "x" * 400)]
    assert model.fits(turns, thinking_tokens=0, answer_tokens=90)
    assert not model.fits(turns, thinking_tokens=90, answer_tokens=90)


def test_a_prompt_that_does_not_fit_is_refused(open_r1: Open) -> None:
    with pytest.raises(PromptTooLong, match="512"):
        say(open_r1(context_tokens=512), text="x" * 600)


def test_an_answer_up_to_the_last_token_of_the_context_works(open_r1: Open) -> None:
    model = open_r1({b"~": b"a", b"z": b"A", b"Z": b"0", b"9": b"!"}, context_tokens=512)
    turns = [Turn("user", "x" * 488)]
    assert model.fits(turns, thinking_tokens=0, answer_tokens=15)
    assert usage_of(list(model.stream(turns, thinking_tokens=0, answer_tokens=15))).answer_tokens == 15


def test_a_long_prompt_gives_signs_of_life_before_the_first_token(open_r1: Open) -> None:
    pieces = say(open_r1(), text="x" * 300)
    assert [bool(piece.text) for piece in pieces[:4]] == [False, False, False, True]


def test_closing_stops_within_a_token(open_r1: Open) -> None:
    model = open_r1()
    stream = model.stream(HELLO, thinking_tokens=0, answer_tokens=500)
    while not next(stream).text:
        pass
    stream.close()
    assert list(stream) == []


def test_a_stopped_model_answers_the_next_question(open_r1: Open) -> None:
    model = open_r1()
    stream = model.stream([Turn("user", "y" * 300)], thinking_tokens=0, answer_tokens=8)
    next(stream)
    stream.close()
    assert text_of(say(model)) == "!\"#$%&'("


def test_a_second_thread_waits_for_the_first_stream(open_r1: Open) -> None:
    model = open_r1()
    first = model.stream(HELLO, thinking_tokens=0, answer_tokens=500)
    next(first)
    answers: list[str] = []
    second = threading.Thread(target=lambda: answers.append(text_of(say(model))))
    second.start()
    second.join(0.2)
    waiting = list(answers)
    first.close()
    second.join(10)
    assert (waiting, answers) == ([], ["!\"#$%&'("])


def test_closing_a_stream_that_waits_leaves_the_running_one_alone(open_r1: Open) -> None:
    model = open_r1()
    first = model.stream(HELLO, thinking_tokens=0, answer_tokens=8)
    head = next(first)
    second = model.stream(HELLO, thinking_tokens=0, answer_tokens=8)
    pieces: list[Piece] = []
    waiter = threading.Thread(target=lambda: pieces.extend(second))
    waiter.start()
    waiter.join(0.1)
    second.close()
    rest = text_of([head, *first])
    waiter.join(10)
    assert (rest, pieces) == ("!\"#$%&'(", [])


def test_closing_the_model_stops_its_stream(open_r1: Open) -> None:
    model = open_r1()
    stream = model.stream(HELLO, thinking_tokens=0, answer_tokens=500)
    next(stream)
    model.close()
    assert list(stream) == []


def test_a_closed_model_says_so(open_r1: Open) -> None:
    model = open_r1()
    model.close()
    with pytest.raises(ModelFailed, match="closed"):
        say(model)


def test_hyper_threads_are_not_counted(tmp_path: Path) -> None:
    for cpu in range(2):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text("0\n")
        (folder / "core_id").write_text("7\n")
    assert physical_cores(tmp_path) == 1


def test_without_a_topology_there_is_at_least_one_core(tmp_path: Path) -> None:
    assert physical_cores(tmp_path) >= 1


def test_a_real_model_writes_the_same_answer_twice(smol: Path) -> None:
    answers = []
    for _ in range(2):
        with contextlib.closing(LlamaModel(smol, name="smol", context_tokens=1024)) as model:
            answers.append(text_of(say(model, answer=16, text="Name three colours.")))
    assert answers[0]
    assert answers[0] == answers[1]


def test_closing_from_another_thread_stops_a_real_model_while_it_reads(smol: Path) -> None:
    with contextlib.closing(LlamaModel(smol, name="smol", context_tokens=8192)) as model:
        stream = model.stream([Turn("user", "word " * 7000)], thinking_tokens=0, answer_tokens=8)
        pieces: list[Piece] = []
        reader = threading.Thread(target=lambda: pieces.extend(stream))
        reader.start()
        time.sleep(0.5)
        asked = time.perf_counter()
        stream.close()
        reader.join(10)
        assert time.perf_counter() - asked < 3
    assert not any(piece.text for piece in pieces)
