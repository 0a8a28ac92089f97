"""What a caller limits a question to: houses, days, whose words, which kind of document.

In: words as people write them. Out: `rag.schema.Filters`, or a SettingsError that says how to write them. It does not
know the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rag.errors import SettingsError
from rag.houses import canonical
from rag.records import KINDS, VOICES, Role
from rag.schema import Filters

_SINGLE = ("since", "until", "voice", "kind")
_LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a question is limited to, as it was given; None and empty mean no condition.

    ``until`` is a day that still counts; ``as_of`` the day that "last week" counts from, today where it is not given.
    """

    house: str | Sequence[str] | None = None
    since: str | date | None = None
    until: str | date | None = None
    voice: str | None = None
    kind: str | None = None
    as_of: str | date | None = None

    @property
    def houses(self) -> tuple[str, ...]:
        """The houses, as they were written."""
        return (self.house,) if isinstance(self.house, str) else tuple(self.house or ())

    def filters(self) -> Filters:
        """What a passage has to meet. Raises SettingsError."""
        last = _day(self.until, "until")
        return Filters(
            houses=tuple(canonical(name) or name for name in map(encodable, self.houses)),
            since=_day(self.since, "since"),
            until=last + timedelta(days=1) if last and last < _LAST_DAY else None,
            role=VOICES[_one_of(VOICES, self.voice, "voice")] if self.voice else None,
            kind=_one_of(KINDS, self.kind, "kind") if self.kind else None,
        )

    def today(self) -> date:
        """The day that "last week" counts from. Raises SettingsError."""
        day = _day(self.as_of, "as_of")
        return day.date() if day else date.today()


def conditions_facts(conditions: Conditions) -> dict[str, Any]:
    """What a receipt keeps of ``conditions``; the day of the question has a place of its own there."""
    single = {name: str(getattr(conditions, name) or "") or None for name in _SINGLE}
    return {"houses": list(conditions.houses), **single}


def conditions_of(facts: Mapping[str, Any]) -> Conditions:
    """The conditions that a receipt has kept; one that it does not name is none. Raises SettingsError."""
    names, single = facts.get("houses"), {name: facts.get(name) for name in _SINGLE}
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not known or not all(isinstance(one, str | None) for one in single.values()):
        raise SettingsError("What the answer was limited to cannot be read.", remedy="Give a receipt as it was made.")
    return Conditions(names, **single)


def encodable(text: str) -> str:
    """``text`` without what nothing downstream can encode: bytes of a wrong locale, half a character sent by hand."""
    return text.encode("utf-8", "replace").decode()


def asked(question: str) -> str:
    """The question on one line. Raises SettingsError where there is none, or one of more than 2,000 characters."""
    question = " ".join(encodable(question).split())
    if not question:
        raise SettingsError("The question is empty.", remedy='Ask something: rag "who doubts the $5M?"')
    if len(question) > 2000:
        raise SettingsError("The question has more than 2,000 characters.", remedy="Ask a shorter one.")
    return question


def check_count(k: int) -> None:
    """Refuse fewer than one. Raises SettingsError."""
    if k < 1:
        raise SettingsError(f"k is {k}.", remedy="Ask for 1 or more.")


def _one_of(names: Sequence[str] | Mapping[str, Role], value: str, name: str) -> str:
    if value not in names:
        raise SettingsError(f"{name} is {value!r}.", remedy=f"Use one of: {', '.join(names)}.")
    return value


def _day(value: str | date | None, name: str) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise SettingsError(f"{name} is {value!r}, which is no date.", remedy="Write it as 2025-01-27.") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
