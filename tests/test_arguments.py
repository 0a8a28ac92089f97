from __future__ import annotations

import pytest

from rag.arguments import COMMANDS, parse
from rag.cli import RUN


def test_what_does_not_begin_with_a_command_is_a_question() -> None:
    found = parse(["what did Bernstein say?", "--quotes"])
    assert (found.command, found.question, found.quotes_only) == ("ask", "what did Bernstein say?", True)


def test_a_question_may_follow_its_options() -> None:
    assert parse(["--quotes", "-k", "3", "who?"]).question == "who?"


@pytest.mark.parametrize(
    "words",
    [
        ["index"],
        ["status"],
        ["models"],
        ["models", "list"],
        ["serve"],
        ["search", "x"],
        ["eval", "f"],
        ["compare", "x"],
        ["verify", "x.json"],
    ],
)
def test_every_command_that_parses_can_be_run(words: list[str]) -> None:
    assert parse(words).command in RUN


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse([name, "--help"])
    assert left.value.code == 0
    assert COMMANDS[name][1][1:] in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "words", [[], ["x", "-k", "0"], ["x", "-k", "101"], ["x", "--think", "long"], ["models", "burn"]]
)
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(words)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_house_may_be_repeated() -> None:
    assert parse(["x", "--house", "Citi", "--house", "UBS"]).house == ["Citi", "UBS"]
