"""Measure the citation check on labelled sentences: which errors it withholds, and what that costs.

    python benchmarks/claims.py benchmarks/claims.jsonl --split dev --misses

In: one claim a line: what a small model might write, with its labels, and the one to four sources that it had, all of
it made up. Out: a table with one line for each kind of error, and the totals.

``show`` is a person's verdict: the sources bear the sentence out as it is cited, so that a careful analyst would let it
be shown. It is about truth to the sources, not about what code can find: an honest paraphrase, a right rounding and a
right difference of two figures are to be shown; a sentence that says nothing is not. A label that is missing, wrong or
unknown is no error of the sentence where another source bears it out; ``labels`` then names the right ones.
The parts have different sources. The check was written on ``dev``; ``test`` and ``blind`` were looked at after a first
run each, whose figures docs/measurements.md keeps, so that they are development data since.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.citations import check
from rag.houses import canonical
from rag.records import Chunk, Document, Hit, Quote, Sentence, Voice


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence about ``quotes``, labelled from 1; if it is to be shown, then under some of ``labels``."""

    id: str
    split: str
    kind: str
    quotes: tuple[Quote, ...]
    sentence: str
    show: bool
    why: str
    labels: frozenset[int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A claim with what the check made of it."""

    claim: Claim
    sentences: tuple[Sentence, ...]

    @property
    def shown(self) -> bool:
        """Whether all of it would be shown; a right sentence under a label that is not right counts as lost."""
        kept = bool(self.sentences) and all(one.verdict == "checked" for one in self.sentences)
        cited = {label for one in self.sentences for label in one.labels}
        return kept and (not self.claim.show or cited <= self.claim.labels)


@dataclass(frozen=True, slots=True)
class Score:
    """Counts: of the ``wrong`` claims those ``withheld``, of the ``right`` ones those ``shown``."""

    wrong: int
    withheld: int
    right: int
    shown: int


def read(path: Path) -> tuple[Claim, ...]:
    return tuple(claim(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())


def claim(row: dict[str, Any]) -> Claim:
    """The claim of one JSON object; without ``labels`` those that a right sentence cites are the right ones."""
    right = row.get("labels") or [int(label) for label in re.findall(r"\[(\d+)\]", row["sentence"])]
    quotes = tuple(quote(label, source) for label, source in enumerate(row["sources"], 1))
    rest = {name: value for name, value in row.items() if name not in ("sources", "labels")}
    return Claim(quotes=quotes, labels=frozenset(right), **rest)


def quote(label: int, source: dict[str, Any]) -> Quote:
    """A source as all of a mail; with a ``bearer`` the mail is that house's, and quotes the house that speaks."""
    name, text, bearer = f"d{label}", source["text"], source.get("bearer")
    house, person = canonical(source["house"] or "") or source["house"], source["person"]
    voice = Voice(0, len(text), house, person, "quoted" if bearer else "author")
    date = datetime.fromisoformat(source["date"]).replace(tzinfo=UTC)
    author = None if bearer else person
    document = Document(name, f"{name}.eml", "email", "", text, date, author, bearer or house, voices=(voice,))
    return Quote(label, Hit(Chunk(f"{name}:0", name, 0, len(text), text, voice), document, 1.0, {}), 0, len(text), text)


def judged(claims: Iterable[Claim]) -> list[Outcome]:
    return [Outcome(one, check(one.sentence, one.quotes)) for one in claims]


def score(outcomes: Iterable[Outcome]) -> Score:
    verdicts = [(one.claim.show, one.shown) for one in outcomes]
    wrong, right = ([shown for show, shown in verdicts if show is wanted] for wanted in (False, True))
    return Score(len(wrong), wrong.count(False), len(right), right.count(True))


def table(outcomes: Sequence[Outcome]) -> str:
    """One line for each kind, in the order of the file; then the totals."""
    kinds = dict.fromkeys(one.claim.kind for one in outcomes)
    total = score(outcomes)
    held = total.withheld + total.right - total.shown
    return "\n".join(
        (
            f"{'kind':24}{'n':>5}{'wrong withheld':>18}{'right shown':>18}",
            *(_line(kind, score(one for one in outcomes if one.claim.kind == kind)) for kind in kinds),
            _line("all", total),
            f"withholding: precision {_share(total.withheld, held)}, recall {_share(total.withheld, total.wrong)}",
            f"right among the shown: {_share(total.shown, len(outcomes) - held)}",
        )
    )


def _line(name: str, one: Score) -> str:
    return f"{name:24}{one.wrong + one.right:>5}{_share(one.withheld, one.wrong):>18}{_share(one.shown, one.right):>18}"


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} {part / whole:.2f}" if whole else "-"


def misses(outcomes: Iterable[Outcome]) -> str:
    """What was shown and should not have been, or was lost: the check's reason beside the person's."""
    return "\n".join(
        f"{one.claim.id} {'lost' if one.claim.show else 'shown'}: {one.claim.sentence}\n"
        f"    {'; '.join(part.reason or f'checked {part.labels}' for part in one.sentences)} | {one.claim.why}"
        for one in outcomes
        if one.shown != one.claim.show
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", type=Path)
    parser.add_argument("--split", choices=("dev", "test", "blind", "all"), default="all")
    parser.add_argument("--misses", action="store_true", help="list the verdicts that differ from the person's")
    arguments = parser.parse_args()
    outcomes = judged(one for one in read(arguments.claims) if arguments.split in ("all", one.split))
    print(table(outcomes))
    if arguments.misses:
        print(misses(outcomes))


if __name__ == "__main__":
    main()
