"""The gazetteer: which houses there are, what they are called and which mail domains are theirs.

In: a name, a domain or a text. Out: canonical names, and where in the text they stand. It knows nothing of
who speaks, and reads nothing but its own table and the file of the user's own houses.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from rag.errors import SettingsError

KINDS = ("sell-side", "buy-side", "research", "press")

# Everyday words, first names and abbreviations once their capitals are gone.
_AMBIGUOUS = frozenset(["bespoke", "vanguard", "ing", "seb", "idc", "the economist", "the guardian"])

_WORD = re.compile(r"(?<![\w@/])\w+")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_FIELDS = frozenset(["name", "kind", "aliases", "domains"])


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


# The only state of this module, for a process has one gazetteer: it is set before the first look-up, if at all.
_own: tuple[House, ...] = ()


def use(path: Path | None) -> None:
    """Let the houses in the TOML file at ``path`` join the built-in ones of this process; None: those alone.

    A house of a built-in one's name takes its place and keeps its aliases and domains; an alias or a domain of
    another built-in house passes to the user's. Call it before the first look-up. Raises SettingsError.
    """
    global _own
    _own = _read(path) if path else ()
    for table in (houses, _names, _domains, _aliases):
        table.cache_clear()


@cache
def houses() -> Mapping[str, House]:
    """Every known house by its canonical name."""
    table = tomllib.loads(files("rag").joinpath("houses.toml").read_text(encoding="utf-8"))
    rows = (House(row["name"], row["kind"], tuple(row["aliases"]), tuple(row["domains"])) for row in table["house"])
    return _merged({house.name: house for house in rows}, _own)


def _merged(known: dict[str, House], own: tuple[House, ...]) -> Mapping[str, House]:
    aliases = {_folded(alias) for house in own for alias in house.aliases}
    domains = {domain for house in own for domain in house.domains}
    left = {
        name: replace(
            house,
            aliases=tuple(alias for alias in house.aliases if alias == name or _folded(alias) not in aliases),
            domains=tuple(domain for domain in house.domains if domain not in domains),
        )
        for name, house in known.items()
    }
    for house in own:
        built_in = left.get(house.name, House(house.name, house.kind, (), ()))
        every = dict.fromkeys((*house.aliases, *built_in.aliases))
        left[house.name] = replace(house, aliases=tuple(every), domains=(*house.domains, *built_in.domains))
    return left


def _read(path: Path) -> tuple[House, ...]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"houses: {path} cannot be read: {error}", remedy="Mend the file, or unset houses."
        ) from error
    rows = table.get("house")
    if set(table) != {"house"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"houses: {path} is no list of houses.", remedy="Begin each house with a line [[house]].")
    found: list[House] = []
    claimed: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        house = _row(f"{path}, house {number}", row)
        for name in (*map(_folded, house.aliases), *house.domains):
            if claimed.setdefault(name, house.name) != house.name or house.name in (other.name for other in found):
                raise SettingsError(
                    f"houses: {path}, house {number}: {name!r} is {claimed[name]}'s already.",
                    remedy="Give each name and domain to one house.",
                )
        found.append(house)
    return tuple(found)


def _row(place: str, row: Mapping[str, Any]) -> House:
    """One house of the user's file; raises SettingsError that names the place and the field."""
    if unknown := sorted(set(row) - _FIELDS):
        raise SettingsError(
            f"houses: {place}: unknown field {unknown[0]}.", remedy=f"Known: {', '.join(sorted(_FIELDS))}."
        )
    name, kind = row.get("name"), row.get("kind")
    if not isinstance(name, str) or not _WORD.search(name):
        raise SettingsError(f"houses: {place}: name is missing or empty.", remedy='Write name = "Acme Securities".')
    if kind not in KINDS:
        raise SettingsError(f"houses: {place} ({name}): kind is {kind!r}.", remedy=f"Use one of: {', '.join(KINDS)}.")
    for field in ("aliases", "domains"):
        values = row.get(field, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise SettingsError(
                f"houses: {place} ({name}): {field} is no list of texts.", remedy=f'Write {field} = ["…"].'
            )
    short = next((alias for alias in row.get("aliases", []) if not _WORD.search(alias) or len(alias.strip()) < 2), None)
    if short is not None:
        raise SettingsError(f"houses: {place} ({name}): aliases has {short!r}.", remedy="Use two characters or more.")
    domains = tuple(domain.strip().lower().removeprefix("@").strip(".") for domain in row.get("domains", []))
    wrong = next((domain for domain in domains if not _DOMAIN.fullmatch(domain)), None)
    if wrong is not None:
        raise SettingsError(f"houses: {place} ({name}): domains has {wrong!r}.", remedy='Write it like "example.com".')
    name = " ".join(name.split())
    return House(
        name, kind, tuple(dict.fromkeys((name, *(alias.strip() for alias in row.get("aliases", []))))), domains
    )


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
        for alias in _aliases().get(word[0].lower(), ()):
            match = _pattern(alias.text, ignore_case).match(text, word.start())
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
def _aliases() -> Mapping[str, tuple[_Alias, ...]]:
    """The aliases by their first word, longest first."""
    by_word: dict[str, list[_Alias]] = {}
    for house in houses().values():
        for text in house.aliases:
            if first := _WORD.search(text):
                by_word.setdefault(first[0].lower(), []).append(_Alias(text, house.name))
    return {word: tuple(sorted(aliases, key=lambda alias: -len(alias.text))) for word, aliases in by_word.items()}


# At first use, for all the patterns together take 0.15 s.
@cache
def _pattern(alias: str, ignore_case: bool) -> re.Pattern[str]:
    body = re.escape(alias).replace(r"\ ", r"\s+").replace("’", "'").replace("'", "['’]")
    return re.compile(rf"{body}(?!\w|\.\w|@)", re.IGNORECASE if ignore_case else re.NOFLAG)
