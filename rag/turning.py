"""Whether a sentence turns round what its sources say: a denial, a hedge, a pole, or what a figure belongs to.

In: the `Bearing` of a sentence, and those of the sentences of its sources. Out: what the sources say instead, as a
phrase for a reader; empty where nothing was found to be turned. It does not know who says anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from rag.figures import figures
from rag.polarity import Bearing, Word

# A scope counts as spoken of where half of its words are.
_HALF = 0.5

# Added to what a source says for sure, these change it; "would" and "if" may be a way of speaking.
_DOUBTFUL = frozenset("may might could possibly perhaps maybe likely unlikely potentially reportedly allegedly".split())


def denied(claim: Bearing, said: Sequence[Bearing]) -> str:
    """What is asserted in one and denied in the other.

    In the sentences of the source that are nearest to the claim; or in any, where the source asserts it nowhere.
    """
    ours = frozenset(key for scope in claim.denied for key in scope.keys)
    for scope in (scope for one in said for scope in one.denied if ours.isdisjoint(scope.keys)):
        if _reached(scope.keys, claim.asserted) and not any(_reached(scope.keys, one.asserted) for one in said):
            return f"says “{scope.cue}”"
    reasons = [_denied(claim, ours, one) for one in _nearest(claim, said)]
    return "" if "" in reasons else next(iter(reasons), "")


def _denied(claim: Bearing, ours: frozenset[str], one: Bearing) -> str:
    theirs = frozenset(key for scope in one.denied for key in scope.keys)
    cues = {scope.cue for scope in one.denied} - {"not", "no"}
    for scope in claim.denied:
        if scope.cue not in cues and theirs.isdisjoint(scope.keys) and _reached(scope.keys, one.asserted):
            return f"does not say “{scope.cue}”"
    for scope in one.denied:
        if ours.isdisjoint(scope.keys) and _reached(scope.keys, claim.asserted):
            return f"says “{scope.cue}”"
    return ""


def _nearest(claim: Bearing, said: Sequence[Bearing]) -> list[Bearing]:
    """The sentences that share most words with the claim."""
    shared = [len(one.content & claim.content) for one in said]
    return [one for one, count in zip(said, shared, strict=True) if count == max(shared)]


def hedged(claim: Bearing, said: Sequence[Bearing]) -> str:
    """What is certain in one and only supposed in the other, likewise."""
    reasons = [_hedged(claim, one) for one in _nearest(claim, said)]
    return "" if "" in reasons else next(iter(reasons), "")


def _hedged(claim: Bearing, one: Bearing) -> str:
    if not claim.supposed:
        cue = next((scope.cue for scope in one.supposed if _reached(scope.keys, claim.content)), "")
        return f"only says “{cue}”" if cue else ""
    if one.supposed:
        return ""
    cue = next((two.cue for two in claim.supposed if two.cue in _DOUBTFUL and _reached(two.keys, one.content)), "")
    return f"does not say “{cue}”" if cue else ""


def turned(claim: Bearing, said: Sequence[Bearing]) -> str:
    """What rises in one and falls in the other, is cheap or dear, early or late."""
    for word, axis, sign in claim.poles:
        theirs = [
            (other, sign_there)
            for one in said
            if one.content & (claim.content - {word.key})
            for other, axis_there, sign_there in one.poles
            if axis_there == axis
        ]
        if theirs and all(there == -sign and other.key != word.key for other, there in theirs):
            return f"says “{theirs[0][0].text}”, not “{word.text}”"
    return ""


def misplaced(claim: Bearing, said: Sequence[Bearing]) -> str:
    """A figure that rises here and falls there, or that the sources state of another name or matter."""
    for word in (word for word in claim.words if word.figure):
        places = [(one, other) for one in said for other in one.words if other.figure and other.key == word.key]
        if not places:
            continue
        if reason := _other_course(claim, word, places):
            return reason
        if name := _other_owner(claim, word, places):
            return f"states {word.text} of another than {name}"
        if other := _other_place(claim, word, said):
            return f"states {other} there, not {word.text}"
    return _other_step(claim) or _other_model(claim, said)


def _other_course(claim: Bearing, word: Word, places: Sequence[tuple[Bearing, Word]]) -> str:
    ours = _course(claim, word)
    courses = [_course(one, other) for one, other in places]
    theirs = [course for course in courses if course and ours and course[1] == -ours[1] and course[0] != ours[0]]
    if ours and len(theirs) == len(courses):
        return f"says “{theirs[0][0]}” of {word.text}, not “{ours[0]}”"
    return ""


def _other_step(claim: Bearing) -> str:
    """A rise "to 4.3% from 6.1%", which is none."""
    step, signs = _STEP.search(claim.text), {sign for _, axis, sign in claim.poles if axis == "0"}
    ends = figures(step[0]) if step else []
    if step is None or len(signs) != 1 or len(ends) != 2 or ends[0].unit != ends[1].unit or ends[0].unit in _NO_SIZES:
        return ""
    first, second = (Decimal(figure.value) for figure in ends)
    change = first - second if step[0].lower().startswith("to") else second - first
    word = next(word.text for word, axis, _ in claim.poles if axis == "0")
    return f"has no “{word}” {step[0]}" if change * signs.pop() < 0 else ""


_NO_SIZES = ("date", "name", "part")
_FEW_WORDS = r"\s[^\s,;]{1,12}(?:\s[^\s,;]{1,12}){0,4}?"
_STEP = re.compile(rf"\bto{_FEW_WORDS}\sfrom\s\S{{1,16}}|\bfrom{_FEW_WORDS}\sto\s\S{{1,16}}", re.IGNORECASE)


def _course(one: Bearing, word: Word) -> tuple[str, int] | None:
    """The word of rising or falling nearest to a figure in its clause, and its sign."""
    near = [
        (abs(other.start - word.start), other.text, sign)
        for other, axis, sign in one.poles
        if axis == "0" and other.clause == word.clause
    ]
    return min(near)[1:] if near else None


def _other_owner(claim: Bearing, word: Word, places: Sequence[tuple[Bearing, Word]]) -> str:
    """A name beside a figure of the claim that stands beside another figure wherever the sources have this one."""
    ours = _owners(claim, word)
    for name in sorted(ours):
        if all(
            (theirs := _owners(one, there))
            and name not in theirs
            and _owns_another(one, there, name)
            # "Swiss exports to China": that one of the names has no figure but this one settles it.
            and all(_owns_another(one, there, shared) for shared in ours & theirs)
            for one, there in places
        ):
            return name
    return ""


def _owns_another(one: Bearing, there: Word, name: str) -> bool:
    return any(other.figure and other != there and name in _owners(one, other) for other in one.words)


def _owners(one: Bearing, word: Word) -> frozenset[str]:
    """The capitalised words in the clause of a figure."""
    return one.clauses[word.clause].names


def _other_place(claim: Bearing, word: Word, said: Sequence[Bearing]) -> str:
    """Another figure of a source that stands among the claim's words for this one, which itself stands among others."""
    ours = _around(claim, word)
    beside = {other.key for other in claim.words if other.figure and other.clause == word.clause}
    figured = [(one, other) for one in said for other in one.words if other.figure]
    own = _joined(_around(one, other) for one, other in figured if other.key == word.key)
    for one, other in figured:
        if other.key in beside or _unit(other) != _unit(word):
            continue
        theirs = _around(one, other)
        if len(ours & (theirs - own)) > 1 and ours.isdisjoint(own - theirs):
            return other.text
    return ""


def _unit(word: Word) -> str:
    return re.split(r"\d", word.key, maxsplit=1)[0]


def _around(one: Bearing, word: Word) -> frozenset[str]:
    """The content words in the clause of a figure."""
    return one.clauses[word.clause].content


def _other_model(claim: Bearing, said: Sequence[Bearing]) -> str:
    """A model or product ("R1", "H20") in place of the one that the likeliest sentence of the sources speaks of."""
    ours = _models(claim)
    if not ours or not said:
        return ""
    rest = claim.content - ours.keys()
    nearest = max(said, key=lambda one: len(one.content & rest))
    theirs = _models(nearest)
    missing, others = ours.keys() - nearest.content, theirs.keys() - claim.content
    if missing and others and nearest.content & rest:
        return f"says so of {theirs[min(others)]}, not of {ours[min(missing)]}"
    return ""


def _models(one: Bearing) -> dict[str, str]:
    """The names with a digit, as keys and as written."""
    return {
        word.key: one.text[word.start : word.end]
        for word in one.words
        if word.content and not word.figure and any(letter.isdigit() for letter in word.text)
    }


def _reached(keys: Sequence[str], held: frozenset[str]) -> bool:
    """Whether at least half of a scope is held, and what stands next to its cue."""
    return bool(keys) and keys[0] in held and sum(key in held for key in keys) >= _HALF * len(keys)


def _joined(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*sets)
