from __future__ import annotations

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
