"""What a question is limited to: understood, or refused in words."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from rag.conditions import Conditions, asked, check_count
from rag.errors import SettingsError
from rag.schema import Filters


def test_no_condition_is_no_filter() -> None:
    assert not Conditions().filters()


@pytest.mark.parametrize("house", ["bernstein", ["BERNSTEIN"]])
def test_a_house_is_known_by_any_of_its_names(house: str | list[str]) -> None:
    assert Conditions(house=house).filters().houses == ("Bernstein",)


def test_an_unknown_house_stays_as_it_is_written() -> None:
    assert Conditions(house="Nobody & Co").filters().houses == ("Nobody & Co",)


def test_the_last_day_still_counts() -> None:
    found = Conditions(since="2025-01-27", until=date(2025, 1, 28)).filters()
    assert found == Filters(since=datetime(2025, 1, 27, tzinfo=UTC), until=datetime(2025, 1, 29, tzinfo=UTC))


def test_the_last_day_of_the_calendar_has_no_day_after() -> None:
    assert Conditions(until="9999-12-31").filters().until is None


@pytest.mark.parametrize(("voice", "role"), [("own", "author"), ("quoted", "quoted"), ("", None), (None, None)])
def test_a_voice_is_a_role(voice: str | None, role: str | None) -> None:
    assert Conditions(voice=voice).filters().role == role


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"since": "27 Jan"}, "Write it as 2025-01-27."),
        ({"until": "soon"}, "Write it as 2025-01-27."),
        ({"voice": "loud"}, "own, quoted"),
        ({"kind": "' OR 1"}, "email, note"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_remedy(wrong: dict[str, str], remedy: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Conditions(**wrong).filters()
    assert next(iter(wrong)) in str(caught.value)
    assert remedy in caught.value.remedy


def test_the_day_of_the_question_is_today_unless_it_is_given() -> None:
    assert (Conditions(as_of="2025-02-01").today(), Conditions().today()) == (date(2025, 2, 1), date.today())


def test_a_question_is_one_line_of_text() -> None:
    assert asked(" who \udcff\n doubts it? ") == "who ? doubts it?"


@pytest.mark.parametrize("question", ["", " \n", "x" * 2001])
def test_what_is_no_question_is_refused(question: str) -> None:
    with pytest.raises(SettingsError):
        asked(question)


def test_less_than_one_is_no_count() -> None:
    with pytest.raises(SettingsError):
        check_count(0)


def test_a_house_with_half_a_character_is_one_that_nobody_knows() -> None:
    (house,) = Conditions(house="\ud800").filters().houses
    assert house.encode() == b"?"
