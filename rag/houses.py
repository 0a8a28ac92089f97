"""The gazetteer: which houses there are, what they are called and which mail domains are theirs.

In: a name, a domain or a text. Out: canonical names, and where in the text they stand. It knows nothing of
who speaks, and reads nothing but its own table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Everyday words, first names and abbreviations once their capitals are gone.
_AMBIGUOUS = frozenset(["bespoke", "vanguard", "ing", "seb", "idc", "the economist", "the guardian"])

_WORD = re.compile(r"(?<![\w@/])\w+")


@dataclass(frozen=True, slots=True)
class House:
    """A bank, investor, research firm or newspaper; ``kind`` is sell-side, buy-side, research or press."""

    name: str
    kind: str
    aliases: tuple[str, ...]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Alias:
    text: str
    house: str
    pattern: re.Pattern[str]


@cache
def houses() -> Mapping[str, House]:
    """Every known house by its canonical name."""
    table = tomllib.loads(files("rag").joinpath("houses.toml").read_text(encoding="utf-8"))
    rows = (House(row["name"], row["kind"], tuple(row["aliases"]), tuple(row["domains"])) for row in table["house"])
    return {house.name: house for house in rows}


def canonical(name: str) -> str | None:
    """The canonical name behind a name or alias, whatever its case; None for a stranger."""
    return _names().get(_folded(name))


def house_of_domain(domain: str) -> str | None:
    """The house that owns a mail domain or one of its parents; None for a stranger."""
    labels = domain.strip().strip(".").lower().split(".")
    parents = (".".join(labels[index:]) for index in range(len(labels)))
    return next((house for parent in parents if (house := _domains().get(parent))), None)


def houses_named(text: str, ignore_case: bool = False) -> tuple[tuple[int, int, str], ...]:
    """Find the houses that a text names, as (start, end, canonical name), longest alias first.

    A possessive ending stays outside the span, and so do web and mail addresses. ``ignore_case`` is for
    questions typed in lower case; it leaves out aliases that are everyday words without their capitals.
    """
    found: list[tuple[int, int, str]] = []
    edge = 0
    for word in _WORD.finditer(text):
        if word.start() < edge:
            continue
        for alias in _aliases(ignore_case).get(word[0].lower(), ()):
            match = alias.pattern.match(text, word.start())
            if match and (match[0] == alias.text or alias.text.lower() not in _AMBIGUOUS):
                found.append((match.start(), match.end(), alias.house))
                edge = match.end()
                break
    return tuple(found)


def _folded(name: str) -> str:
    return " ".join(name.replace("’", "'").split()).casefold()


@cache
def _names() -> Mapping[str, str]:
    return {_folded(alias): house.name for house in houses().values() for alias in (*house.aliases, house.name)}


@cache
def _domains() -> Mapping[str, str]:
    return {domain.lower(): house.name for house in houses().values() for domain in house.domains}


@cache
def _aliases(ignore_case: bool) -> Mapping[str, tuple[_Alias, ...]]:
    """The aliases by their first word, longest first."""
    flags = re.IGNORECASE if ignore_case else re.NOFLAG
    by_word: dict[str, list[_Alias]] = {}
    for house in houses().values():
        for text in house.aliases:
            body = re.escape(text).replace(r"\ ", r"\s+").replace("’", "'").replace("'", "['’]")
            pattern = re.compile(rf"{body}(?!\w|\.\w|@)", flags)
            first = _WORD.search(text)
            if first:
                by_word.setdefault(first[0].lower(), []).append(_Alias(text, house.name, pattern))
    return {word: tuple(sorted(aliases, key=lambda alias: -len(alias.text))) for word, aliases in by_word.items()}
