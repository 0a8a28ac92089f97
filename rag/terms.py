"""How figures match, and the canonical words of a text for the word index.

In: figures and texts. Out: whether one figure bears out another, how well it answers to it, and words that are the same
however a figure or company is written, so that "$5M" finds "$5mn". Checks match strictly, with `same_figure`;
questions loosely, with `closeness` and `question_terms`. It knows neither documents nor houses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from rag.companies import companies_named
from rag.figures import YEAR, Figure, figures, term

__all__ = ["Figure", "QuestionTerms", "closeness", "figures", "index_terms", "question_terms", "same_figure"]


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """The words of a question to look up in the word index.

    ``exact``: its figures and companies; ``loose``: what only rounds to one of its figures, or is said without
    its sign or year.
    """

    exact: tuple[str, ...]
    loose: tuple[str, ...]


def same_figure(claimed: Figure, source: Figure) -> bool:
    """Whether ``source`` bears out ``claimed``: same unit and same value.

    A claimed minus sign must be in the source; a source's may be told in words ("fell 17 %"). A date may be told
    without its year or its day, a quarter without its year, and a year alone.
    """
    if claimed.unit == source.unit == "date":
        return f"-{source.value}".endswith(f"-{claimed.value}") or source.value.startswith(f"{claimed.value}-")
    if source.unit == "date" and claimed.unit == "":
        return len(claimed.value) == 4 and source.value.startswith(f"{claimed.value}-")
    return claimed.unit == source.unit and source.value in (claimed.value, f"-{claimed.value}")


def closeness(asked: Figure, source: Figure) -> float:
    """How well ``source`` answers to ``asked``: 1 for the same value, 0 for another unit or value, else between.

    0.9 where one bears out the other (a date without its year, a fall without its sign), 0.8 where one is the other
    rounded or truncated, 0.4 where the two lie within 15 %. Symmetric. Names, dates, years, fractions and counts
    below 100 are the same or not.
    """
    if (asked.unit, asked.value) == (source.unit, source.value):
        return 1.0
    if same_figure(asked, source) or same_figure(source, asked):
        return 0.9
    if asked.unit != source.unit or _are_years(asked, source) or not (_is_quantity(asked) and _is_quantity(source)):
        return 0.0
    smaller, larger = sorted((abs(Decimal(asked.value)), abs(Decimal(source.value))))
    gap = (larger - smaller) / larger
    if gap <= _ROUNDING_GAP and (
        smaller in _rounded(larger, _precision(smaller)) or larger in _rounded(smaller, _precision(larger))
    ):
        return 0.8
    return 0.4 if gap <= _NEAR_GAP else 0.0


def index_terms(text: str) -> tuple[str, ...]:
    """The canonical words that enter the word index beside ``text``, each once.

    The figures as stated, a date also without its year or day, a fall also without its sign, and the tickers of
    companies; then, marked, what a figure with a unit or a count from 100 rounds to at one and two digits.
    """
    stated = [figure for figure in figures(text) if len(figure.value) <= _LONGEST]
    exact = [word for figure in stated for word in (figure.canonical, *_abridged(figure))]
    loose = [_NEAR + word for figure in stated if not _is_written_year(figure, text) for word in _roundings(figure)]
    return tuple(dict.fromkeys((*exact, *_firms(text, ignore_case=False), *loose)))


def question_terms(text: str) -> QuestionTerms:
    """The words that find in the index what the question ``text`` names; companies in any case."""
    stated = [figure for figure in figures(text) if len(figure.value) <= _LONGEST]
    exact = dict.fromkeys((*(figure.canonical for figure in stated), *_firms(text, ignore_case=True)))
    loose = dict.fromkeys(word for figure in stated for word in _loosely(figure, text))
    return QuestionTerms(tuple(exact), tuple(word for word in loose if word not in exact))


# Loose matching

_NEAR_GAP = Decimal("0.15")
# Nobody rounds 1.4 to 1.
_ROUNDING_GAP = Decimal("0.2")
# Message numbers and hashes are no figures to look for.
_LONGEST = 32
_NEAR = "near"


def _loosely(figure: Figure, text: str) -> Iterator[str]:
    """Words of what rounds to ``figure``, and of what it rounds to."""
    yield from _abridged(figure)
    if _is_quantity(figure) and not _is_written_year(figure, text):
        yield _NEAR + term(figure.unit, figure.value.lstrip("-"))
        yield from _roundings(figure)


def _abridged(figure: Figure) -> list[str]:
    """A fall without its sign; a day or quarter without its year, a day as its month; a fiscal year as a year."""
    if figure.unit != "date":
        return [term(figure.unit, figure.value[1:])] if figure.value.startswith("-") else []
    year, *rest = figure.value.split("-")
    if len(year) < 4:
        return []
    if len(rest) == 2:
        return [term("date", "-".join(rest)), term("date", f"{year}-{rest[0]}")]
    if rest[0].isdigit():
        return []
    return [term("", year) if rest[0] == "fy" else term("date", rest[0])]


def _roundings(figure: Figure) -> list[str]:
    """What ``figure`` rounds and truncates to at one and two digits, without its sign."""
    if not _is_quantity(figure):
        return []
    value = abs(Decimal(figure.value))
    found = {one for digits in (2, 1) for one in _rounded(value, digits) if abs(value - one) <= value * _ROUNDING_GAP}
    return [term(figure.unit, f"{one.normalize():f}") for one in sorted(found - {value}, reverse=True)]


def _rounded(value: Decimal, digits: int) -> set[Decimal]:
    place = Decimal(1).scaleb(value.adjusted() - digits + 1)
    return {value.quantize(place, rounding) for rounding in (ROUND_HALF_UP, ROUND_DOWN)}


def _precision(value: Decimal) -> int:
    return len(value.normalize().as_tuple().digits)


def _is_quantity(figure: Figure) -> bool:
    """Whether ``figure`` has a size that may be rounded; small counts and years are what they are."""
    if figure.unit in ("name", "date", "part"):
        return False
    return Decimal(figure.value) != 0 if figure.unit else abs(Decimal(figure.value)) >= 100


def _are_years(*figures: Figure) -> bool:
    return all(not figure.unit and YEAR.fullmatch(figure.value) for figure in figures)


def _is_written_year(figure: Figure, text: str) -> bool:
    return not figure.unit and YEAR.fullmatch(text, figure.start, figure.end) is not None


def _firms(text: str, *, ignore_case: bool) -> list[str]:
    return [term("co", ticker) for _, _, ticker in companies_named(text, ignore_case)]
