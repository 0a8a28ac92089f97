from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import prefixes
from rag.llama import LlamaModel
from rag.prompts import PREAMBLE
from rag.records import Turn, Usage
from tests import tiny_gguf

QUESTION = f'{PREAMBLE}Alpha Desk: "The colour of the day is green." (01 Jan 2025) [1]\n\nQuestion: Which colour?'


def ask(gguf: Path, folder: Path | None, text: str = QUESTION) -> tuple[str, Usage]:
    """What a process that begins now answers, and what it read for that."""
    with contextlib.closing(LlamaModel(gguf, name="m", context_tokens=1024, threads=2, prefixes=folder)) as model:
        pieces = list(model.stream([Turn("user", text)], thinking_tokens=0, answer_tokens=6))
    assert pieces[-1].usage
    return "".join(piece.text for piece in pieces), pieces[-1].usage


@pytest.fixture(scope="module")
def kept(smol: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a first question has left the preamble."""
    folder = tmp_path_factory.mktemp("kept") / "prefixes"
    ask(smol, folder)
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "prefixes"
    copied.mkdir()
    for path in kept.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    return copied


def files(folder: Path) -> Iterator[Path]:
    return folder.glob("*.kv")


def test_another_process_does_not_read_the_preamble_again(smol: Path, folder: Path) -> None:
    assert ask(smol, folder)[1].cached_tokens > 100
    assert ask(smol, None)[1].cached_tokens == 0


def test_the_answer_is_that_of_a_process_which_read_it_all(smol: Path, folder: Path) -> None:
    assert ask(smol, folder)[0] == ask(smol, None)[0]


def test_a_second_question_reads_the_preamble_no_more_than_the_first(smol: Path) -> None:
    with contextlib.closing(LlamaModel(smol, name="m", context_tokens=1024)) as model:
        for text in (QUESTION, QUESTION.replace("Alpha", "Omega")):
            *_, last = model.stream([Turn("user", text)], thinking_tokens=0, answer_tokens=2)
    assert last.usage
    assert last.usage.cached_tokens > 100


def test_what_is_kept_is_the_same_whatever_is_asked(smol: Path, kept: Path, tmp_path: Path) -> None:
    ask(smol, tmp_path, QUESTION.replace("green", "secret").replace("Alpha", "Omega"))
    assert {path.name: path.read_bytes() for path in files(tmp_path)} == {
        path.name: path.read_bytes() for path in files(kept)
    }


def test_a_prompt_without_the_preamble_leaves_nothing(smol: Path, tmp_path: Path) -> None:
    ask(smol, tmp_path, "What is the colour of the day? " * 40)
    assert list(files(tmp_path)) == []


@pytest.mark.parametrize("length", [0, 50, -1])
def test_a_file_that_was_cut_is_dropped_and_made_anew(smol: Path, folder: Path, length: int) -> None:
    (path,) = files(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    assert ask(smol, folder)[1].cached_tokens == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", [0, 500])
def test_a_flipped_bit_is_found_before_llama_cpp_reads_it(smol: Path, folder: Path, place: int) -> None:
    (path,) = files(folder)
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    assert ask(smol, folder)[1].cached_tokens == 0


def test_another_file_of_the_model_has_states_of_its_own(smol: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(smol.read_bytes())
    os.utime(other, ns=(smol.stat().st_mtime_ns, smol.stat().st_mtime_ns))
    assert ask(other, folder)[1].cached_tokens == 0
    assert len(list(files(folder))) == 2


def test_a_recurrent_model_keeps_nothing(tmp_path: Path) -> None:
    ask(tiny_gguf.write_recurrent(tmp_path / "m.gguf"), tmp_path / "prefixes")
    assert not list(files(tmp_path / "prefixes"))


def test_a_folder_that_cannot_be_made_keeps_nothing_and_stops_nobody(smol: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert ask(smol, tmp_path / "file" / "prefixes")[0]


def test_what_was_not_used_for_longest_makes_room(smol: Path, folder: Path, tmp_path: Path) -> None:
    (mine,) = files(folder)
    for age, name in enumerate(("new", "old")):
        with (folder / f"{name}.kv").open("wb") as file:
            file.truncate(prefixes.KEPT_BYTES // 2)
        os.utime(folder / f"{name}.kv", (1000 - age, 1000 - age))
    os.utime(mine, (10, 10))
    other = tmp_path / "other.gguf"
    other.write_bytes(smol.read_bytes())
    ask(other, folder)
    assert {path.name for path in files(folder)} & {"new.kv", "old.kv", mine.name} == {"new.kv"}
