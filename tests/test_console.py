from __future__ import annotations

import io
import sys

import pytest

from rag.console import Bar, say, say_error
from rag.errors import RagError


def test_an_error_is_told_with_its_remedy_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(RagError("The disk is full.", remedy="Make room."))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "rag: The disk is full.\n     Make room.\n")


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(RagError("a\x1b[2J\x9bb\u202e"))
    assert capsys.readouterr().err == "rag: a[2Jb\n"


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("one")
    assert capsys.readouterr() == ("", "one\n")


def test_a_bar_draws_nothing_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar() as bar:
        bar(1, 10, "indexing")
        bar(10, 10, "indexing")
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_being_done_is_shown_as_soon_as_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Bar("") as bar:
        bar(0, 5, "reading")
        bar(0, 5, "writing")
        assert "writing:   0%" in terminal.getvalue()


def test_another_total_is_another_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Bar("") as bar:
        bar(3, 5, "parts")
        bar(100, 200, "chunks")
        assert "chunks:  50%" in terminal.getvalue()
