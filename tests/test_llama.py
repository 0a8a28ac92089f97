from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from rag.errors import ModelFailed, PromptTooLong
from rag.llama import LlamaModel
from rag.llm import Piece, Stream
from rag.records import Turn, Usage
from tests import tiny_gguf

HELLO = (Turn("user", "Hello"),)
Open = Callable[..., LlamaModel]


@pytest.fixture
def open_r1(tmp_path: Path) -> Iterator[Open]:
    """Open an R1 that says what ``after`` wants; closed at the end."""
    with contextlib.ExitStack() as opened:

        def open_model(
            after: Mapping[tiny_gguf.Token, tiny_gguf.Token] | None = None, context_tokens: int = 2048
        ) -> LlamaModel:
            path = tiny_gguf.write_r1(tmp_path / "r1.gguf", after)
            model = LlamaModel(path, name="tiny", context_tokens=context_tokens, threads=1)
            opened.callback(model.close)
            return model

        yield open_model


def say(model: LlamaModel, *, think: int = 0, answer: int = 8, text: str = "Hello") -> list[Piece]:
    return list(model.stream([Turn("user", text)], thinking_tokens=think, answer_tokens=answer))


def text_of(pieces: list[Piece], *, thought: bool = False) -> str:
    return "".join(piece.text for piece in pieces if piece.thought == thought)


def usage_of(pieces: list[Piece]) -> Usage:
    assert pieces[-1].usage is not None
    return pieces[-1].usage


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


def test_a_chatml_model_with_think_tags_is_given_an_empty_thought(tmp_path: Path) -> None:
    read = []
    for write in (tiny_gguf.write_chatml, tiny_gguf.write_qwen3):
        with contextlib.closing(LlamaModel(write(tmp_path / "c.gguf"), name="c", context_tokens=512)) as model:
            read.append(usage_of(say(model)).prompt_tokens)
    # Two tags, each with two line breaks after it.
    assert read[1] - read[0] == 6


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
    say(model, text="x" * 300 + "you" * 50)
    # Of the 302 tokens that are alike, two whole slices: in other batches the same tokens round otherwise.
    assert usage_of(say(model, text="x" * 300 + "me")).cached_tokens == 256


def test_a_recurrent_model_which_cannot_go_back_reads_anew(tmp_path: Path) -> None:
    path = tiny_gguf.write_recurrent(tmp_path / "m.gguf")
    questions = ["x" * 150 + letter * 20 for letter in "ab"]
    with contextlib.ExitStack() as opened:
        alone, used = (LlamaModel(path, name="m", context_tokens=1024, threads=1) for _ in range(2))
        opened.callback(alone.close)
        opened.callback(used.close)
        say(used, text=questions[0])
        assert text_of(say(used, text=questions[1])) == text_of(say(alone, text=questions[1]))


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


def test_a_stream_that_nobody_goes_on_with_does_not_block_the_next(open_r1: Open) -> None:
    model = open_r1()
    left = model.stream(HELLO, thinking_tokens=0, answer_tokens=500)
    next(left)
    answers: list[str] = []
    threading.Thread(target=lambda: answers.append(text_of(say(model))), daemon=True).start()
    deadline = time.monotonic() + 5
    while not answers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answers == ["!\"#$%&'("]


def test_a_stream_that_gave_way_goes_on_where_it_was(open_r1: Open) -> None:
    model = open_r1()
    left = model.stream([Turn("user", "y" * 300)], thinking_tokens=0, answer_tokens=8)
    pieces = [next(left) for _ in range(6)]
    say(model, text="z" * 200)
    pieces += left
    assert (text_of(pieces), usage_of(pieces).answer_tokens) == ("!\"#$%&'(", 8)


def test_a_stream_that_is_closed_while_it_waits_ends(open_r1: Open) -> None:
    model = open_r1()
    first = model.stream(HELLO, thinking_tokens=0, answer_tokens=8)
    next(first)
    second = model.stream(HELLO, thinking_tokens=0, answer_tokens=8)
    waiter = threading.Thread(target=lambda: list(second))
    waiter.start()
    waiter.join(0.1)
    second.close()
    waiter.join(0.5)  # less than it takes to get the floor from the first
    assert not waiter.is_alive()


def test_the_model_can_be_closed_while_a_stream_is_in_the_middle_of_a_piece(open_r1: Open) -> None:
    for _ in range(20):
        model = open_r1()
        stream = model.stream(HELLO, thinking_tokens=0, answer_tokens=500)
        reading = threading.Event()

        def take(stream: Stream = stream, reading: threading.Event = reading) -> None:
            for _ in stream:
                reading.set()

        reader = threading.Thread(target=take)
        reader.start()
        assert reading.wait(5)
        closer = threading.Thread(target=model.close, daemon=True)
        closer.start()
        reader.join(5)
        closer.join(5)
        assert (reader.is_alive(), closer.is_alive()) == (False, False)


def test_closing_the_model_waits_for_no_stream_that_nobody_goes_on_with(open_r1: Open) -> None:
    model = open_r1()
    left = model.stream(HELLO, thinking_tokens=0, answer_tokens=500)
    next(left)
    closer = threading.Thread(target=model.close, daemon=True)
    closer.start()
    closer.join(5)
    assert (closer.is_alive(), list(left)) == (False, [])


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


# What is asked stands in the second slice only, so that an answer tells whether that slice was read.
BOTH = "What follows is a thing to name, and it is to be named as it is in every book that has it. " * 7
REST = "Name it in the same words, and name no other thing than the one that you have been asked for. " * 7
A, B = (f"{BOTH}{question} {REST}" for question in ("Name colours of the rainbow.", "Name big rivers of Asia."))


@pytest.fixture
def real(smol: Path) -> Iterator[LlamaModel]:
    with contextlib.closing(LlamaModel(smol, name="smol", context_tokens=4096)) as model:
        yield model


@pytest.fixture(scope="module")
def fresh(smol: Path) -> Mapping[str, str]:
    """What a model that has read nothing else answers."""
    answers = {}
    for text in (A, B):
        with contextlib.closing(LlamaModel(smol, name="smol", context_tokens=4096)) as model:
            answers[text] = text_of(say(model, answer=24, text=text))
    assert len(set(answers.values())) == 2
    return answers


def stop_while_it_reads(model: LlamaModel, text: str) -> float:
    """Stop a stream while another thread waits for the second slice of its prompt; the seconds that it took."""
    stream = model.stream([Turn("user", text)], thinking_tokens=0, answer_tokens=8)
    next(stream)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    time.sleep(0.02)
    asked = time.perf_counter()
    stream.close()
    reader.join(30)
    return time.perf_counter() - asked


def test_a_real_model_answers_alike_however_often_it_is_asked(real: LlamaModel, fresh: Mapping[str, str]) -> None:
    first, second = (say(real, answer=24, text=A) for _ in range(2))
    assert usage_of(second).cached_tokens == 256
    assert (text_of(first), text_of(second)) == (fresh[A], fresh[A])


def test_a_real_model_forgets_what_the_next_prompt_has_not(real: LlamaModel, fresh: Mapping[str, str]) -> None:
    say(real, answer=24, text=A)
    second = say(real, answer=24, text=B)
    assert usage_of(second).cached_tokens == 128
    assert text_of(second) == fresh[B]


@pytest.mark.parametrize("then", [A, B], ids=["another", "the same"])
def test_a_real_model_that_was_stopped_while_it_read_answers_as_ever(
    real: LlamaModel, fresh: Mapping[str, str], then: str
) -> None:
    say(real, answer=24, text=REST)  # not what begins like B: the stop is to come in the second of three slices
    assert stop_while_it_reads(real, B) < 3
    assert text_of(say(real, answer=24, text=then)) == fresh[then]


def test_a_real_model_that_gave_way_goes_on(real: LlamaModel) -> None:
    stream = real.stream([Turn("user", A)], thinking_tokens=0, answer_tokens=8)
    pieces = [next(stream) for _ in range(6)]
    say(real, answer=4, text=B)
    whole = [*pieces, *stream]
    assert usage_of(whole).answer_tokens == 8


def test_closing_a_real_model_ends_the_slice_that_it_reads(real: LlamaModel) -> None:
    stream = real.stream([Turn("user", A)], thinking_tokens=0, answer_tokens=8)
    next(stream)
    pieces: list[Piece] = []
    reader = threading.Thread(target=lambda: pieces.extend(stream))
    reader.start()
    time.sleep(0.02)
    real.close()
    reader.join(30)
    assert pieces == []
