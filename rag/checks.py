"""The checks of one sentence against the quotes that it cites, each by itself.

In: a `Claim` and the `Source`s that it cites. Out: why a check fails, in words for a reader; empty where it holds. What
each proves stands at its name. None of them proves that the words around a figure mean what the quote means: they
compare words, figures, names and poles, not grammar. It does not know labels, prompts or models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from unicodedata import normalize

from rag.amounts import Amount, bears_out
from rag.companies import companies_named
from rag.copies import FUNCTION_WORDS
from rag.evidence import SAYS_BEHIND, Claim, Source
from rag.houses import houses_named
from rag.polarity import CALENDAR, Word, pole
from rag.prompts import inert
from rag.stems import stem, stems, tokens
from rag.turning import denied, hedged, misplaced, turned

Check = Callable[[Claim, Sequence[Source]], str]


def quotations_are_exact(claim: Claim, sources: Sequence[Source]) -> str:
    """What stands in quotation marks stands in a source, but for marks, dashes, spaces, capitals and omissions."""
    for quotation in claim.quotations:
        if not any(_holds(source, quotation) for source in sources):
            return f"“{quotation}” is not in {_labels(sources)}"
    return ""


def figures_are_there(claim: Claim, sources: Sequence[Source]) -> str:
    """Every figure stands in a source: unit, scale, bound and what it is counted per; at most rounded."""
    stated = [one for source in sources for one in source.amounts]
    texts = [source.text for source in sources]
    falls = any(sign < 0 for _, _, sign in claim.bearing.poles)
    missing = [
        one.text.strip()
        for one in claim.amounts
        if not any(_is_the_date_of(one, source, claim.text) for source in sources)
        and not any(
            bears_out(one, other) and _same_per(one, other, texts) and (falls or _same_sign(one, other))
            for other in stated
        )
    ]
    return f"{', '.join(dict.fromkeys(missing))} is not in {_labels(sources)}" if missing else ""


def speakers_are_theirs(claim: Claim, sources: Sequence[Source]) -> str:
    """A house that is named speaks in a source or is named in it; one that is said to say it, says it there."""
    for name in sorted(claim.houses):
        if not any(name in source.houses for source in sources):
            return f"{name} is not in {_labels(sources)}"
    for name in sorted(claim.speakers):
        if not any(name in source.voices for source in sources):
            return f"{name} does not speak in {_labels(sources)}"
    return ""


def names_are_there(claim: Claim, sources: Sequence[Source]) -> str:
    """Every name stands in a source, on its card, in its title or in the passage around it.

    Whoever is said to say it stands on the card or in the quote itself; and so does a month or a day of the week.
    """
    known = frozenset[str]().union(*(source.names for source in sources))
    shown = frozenset[str]().union(*(source.tokens for source in sources))
    firms = {claim.text[start:end]: ticker for start, end, ticker in companies_named(claim.text)}
    for start, name in claim.names:
        own = [token for token in tokens(name) if len(token) > 1 and token not in FUNCTION_WORDS | _TITLES]
        says = bool(SAYS_BEHIND.match(claim.text, start + len(name)))
        if says and not shown.issuperset(own):
            return f"{name} does not speak in {_labels(sources)}"
        if not all(_known(token, known, shown) for token in own) and firms.get(name) not in known:
            return f"{name} is not in {_labels(sources)}"
    return ""


def nothing_is_turned(claim: Claim, sources: Sequence[Source]) -> str:
    """What a source denies is not asserted, what it supposes is not certain, rose is not fell; nor the reverse.

    A figure keeps its direction, its name and its place among the words.
    """
    said = [one for source in sources for one in source.sentences]
    for look in (denied, turned, misplaced, hedged):
        if reason := look(claim.bearing, said):
            return f"{_labels(sources)} {reason}"
    return ""


def ratings_are_there(claim: Claim, sources: Sequence[Source]) -> str:
    """A rating and a factor in words ("doubled", "half") stand in a source as they are."""
    for match in _RATING.finditer(claim.text):
        rating = re.compile(rf"\b{match[0]}\b", re.IGNORECASE)
        places = [(source.text, one.start()) for source in sources for one in rating.finditer(source.text)]
        if not places:
            return f"{match[0]} is not in {_labels(sources)}"
        if all(_OLD.search(text[:at]) for text, at in places) and not _OLD.search(claim.text[: match.start()]):
            return f"{match[0]} is the old rating in {_labels(sources)}"
    stated = {one.figure.canonical for source in sources for one in source.amounts}
    for group in _FACTORS:
        ours = _limits(claim.text, group)
        theirs = [limit for source in sources for limit in _limits(source.text, group)]
        if ours and not theirs and stated.isdisjoint(group):
            return f"“{sorted(group & set(tokens(claim.text)))[0]}” is not in {_labels(sources)}"
        if ours and theirs and not set(ours) & set(theirs):
            return f"“{(ours[0] + ' ' + theirs[0]).strip()}” differs in {_labels(sources)}"
    return ""


def _limits(text: str, group: frozenset[str]) -> list[str]:
    """What bounds each of the factor words of ``group`` in ``text``: "more than", "nearly", or nothing."""
    plain = _AND_A_HALF.sub("", text)
    return [_LIKE.get((match[1] or "").lower(), "") for match in _LIMITED.finditer(plain) if match[2].lower() in group]


def one_voice_is_not_all(claim: Claim, sources: Sequence[Source]) -> str:
    """Analysts, banks or everybody say it only where more than one house does, or a source says so."""
    match = _EVERYBODY.search(claim.text)
    if not match or _of_a_house(claim.text, match) or len({name for source in sources for name in source.voices}) > 1:
        return ""
    if any(re.search(rf"\b{match[0].split()[-1]}\b", source.text, re.IGNORECASE) for source in sources):
        return ""
    return f"{_labels(sources)} is one voice, not “{match[0].lower()}”"


def _of_a_house(text: str, match: re.Match[str]) -> bool:
    """Whether those are the analysts of a house that is named beside them: "Citi analysts", "analysts at Citi"."""
    if any(start <= match.start() < end for start, end, _ in houses_named(text)):
        return True  # "DNB Markets"
    near = text[max(0, match.start() - 40) : match.end() + 20]
    return bool(houses_named(near)) and not _OTHERS.search(match[0])


_OTHERS = re.compile(r"most|many|several|all|other|both|every|consensus|market|peers|investors", re.IGNORECASE)


def it_speaks_of_the_matter(claim: Claim, sources: Sequence[Source]) -> str:
    """A sentence about the sources, or one that gives orders, is no answer."""
    if _META.search(claim.text) and not any(_META.search(source.text) for source in sources):
        return "it speaks of the sources, not of the matter"
    words = [word for word in claim.bearing.words if not word.figure and word.text.isalnum()]
    plain = claim.amounts or any(word.content and not claim.text[word.start].isupper() for word in words)
    if not words or not plain or len(claim.bearing.words) < _SHORTEST:
        return "it is no sentence"
    if inert(claim.text) != claim.text:
        return "it holds a marker of a chat format"
    if _LINK.search(claim.text):
        return "it holds a link"
    return "it reads like an instruction" if _ORDER.search(claim.text) else ""


def words_are_there(claim: Claim, sources: Sequence[Source]) -> str:
    """Most of its content words stand in a source, and no three in a row that stand in none."""
    found = _found(claim, sources)
    if support(claim, sources) < ENOUGH:
        return f"only {support(claim, sources):.0%} of its words are in {_labels(sources)}"
    for at in range(len(found) - _RUN + 1):
        if not any(there for _, there in found[at : at + _RUN]):
            return f"“{' '.join(word.text for word, _ in found[at : at + _RUN])}” is not in {_labels(sources)}"
    return ""


CHECKS: tuple[Check, ...] = (
    it_speaks_of_the_matter,
    quotations_are_exact,
    figures_are_there,
    speakers_are_theirs,
    names_are_there,
    ratings_are_there,
    one_voice_is_not_all,
    nothing_is_turned,
    words_are_there,
)

ENOUGH = 0.5
"""The share of content words below which a sentence is withheld."""


def support(claim: Claim, sources: Sequence[Source]) -> float:
    """The share of the claim's content words that the sources have; 1 where it has none."""
    found = _found(claim, sources)
    return sum(there for _, there in found) / len(found) if found else 1.0


def _found(claim: Claim, sources: Sequence[Source]) -> list[tuple[Word, bool]]:
    """The content words of a claim but for figures and who speaks, each with whether the sources have it.

    By its stem, its root, as a name on the card or in the title, or as a word of the same pole.
    """
    held = frozenset[str]().union(*(source.content for source in sources))
    roots = {key[:_ROOT] for key in held if len(key) >= _ROOT}
    poles = {pole(word.text) for source in sources for one in source.sentences for word in one.words}
    named = {token for source in sources for name in source.voices for token in tokens(name)}
    named |= {token for name in claim.speakers for token in tokens(name)}
    names = frozenset[str]().union(*(source.names for source in sources))
    spans = [(start, end) for start, end, _ in houses_named(claim.text)]
    return [
        (
            word,
            word.key in held
            or word.key[:_ROOT] in roots
            or bool(pole(word.text) and pole(word.text) in poles)
            or (claim.text[word.start].isupper() and word.text in names),
        )
        for word in claim.bearing.words
        if word.content and not word.figure and word.text not in named and word.text not in _SCENERY
        if not any(start <= word.start < end for start, end in spans)
    ]


# "Under its new chief executive": three words in a row that no source has are a fact of their own.
_RUN = 3
_ROOT = 5
_TITLES = frozenset("mr mrs ms dr prof sir".split())
_SCENERY = frozenset(
    """
    analyst analysts bank banks house houses broker note notes report reports research team economist economists
    strategist strategists company companies firm firms
    """.split()
)
_RATING = re.compile(
    r"\b(?:(?i:overweight|underweight|outperform|underperform)|Buy|Sell|Hold|Neutral|(?<=rated\s)(?:buy|sell|hold|neutral)"
    r"|(?:buy|sell|hold|neutral)(?=\srating))\b"
)
_FACTORS = tuple(
    frozenset(group.split())
    for group in (
        "twice double doubled doubles doubling twofold mult2 pct100 pct200",
        "triple tripled triples tripling threefold thrice mult3 pct200 pct300",
        "quadruple quadrupled quadruples fourfold mult4",
        "half halved halves halving part1of2 pct50",
    )
)
_LIMITED = re.compile(r"\b(?:(more than|less than|over|nearly|almost|up to|at least)\s)?(\w+)\b", re.IGNORECASE)
_AND_A_HALF = re.compile(r"\band\sa\shalf\b|\b(?:first|second)\shalf\b", re.IGNORECASE)
_LIKE = {
    **dict.fromkeys(("more than", "over", "at least"), "more than"),
    **dict.fromkeys(("nearly", "almost"), "nearly"),
    **dict.fromkeys(("less than", "up to"), "less than"),
}
_OLD = re.compile(r"\b(?:from|previously|formerly|was)\s(?:an?\s)?$", re.IGNORECASE)
_EVERYBODY = re.compile(
    r"\b(?:(?:most|many|several|all|some|other|the|both)\s)?(?:analysts|banks|brokers|houses|economists|strategists"
    r"|experts|investors|markets|peers|everyone|everybody|consensus)\b",
    re.IGNORECASE,
)
_THINGS = r"(?:sources?|passages?|quotes?|excerpts?|context|documents?|texts?)"
_META = re.compile(
    rf"\b(?:(?:the|these|this|that|provided|given|numbered)\s(?:\w+\s)?{_THINGS}\b|source\s\d"
    r"|(?:both|all|two|three|four)\ssources\b|the\squestion\b(?!\sof)|(?:provides?|gives?|offers?)\s(?:an?\s|the\s)?"
    r"(?:analysis|overview|discussion|information|insights?|details)\b)"
    r"|^(?:let me\b|let's\b|okay\b|I\s(?:will|need|should|think|must|have)\b)",
    re.IGNORECASE,
)
_SHORTEST = 3
_LINK = re.compile(r"https?://|www\.|\]\(|\w@\w|\w\.(?:com|net|org|io|info|biz|ru|cn)\b", re.IGNORECASE)
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|obey|follow)\b.{0,40}\b(?:instructions?|sources?|rules?|prompts?|notes?|text)\b"
    r"|\bsystem prompt\b|\bas an ai\b|\b(?:ai|language\smodels?|assistants?|chatbots?)\b.{0,30}\b(?:must|should)\b",
    re.IGNORECASE,
)


# Names

_MONTHS = frozenset(day[:3] for day in CALENDAR)
_SAME = (
    {"fed", "federal", "reserve"},
    {"boe", "bank", "england"},
    {"ecb", "european", "central"},
    {"eps", "earnings", "share"},
    {"yoy", "year"},
    {"us", "usa", "america", "american", "states", "united"},
    {"uk", "britain", "british"},
    {"eu", "europe"},
)


def _known(token: str, known: frozenset[str], shown: frozenset[str]) -> bool:
    """Whether a name's word is known as it is, as a plural or demonym ("Chinese" of China), or by another name."""
    if token in CALENDAR:
        return any(token[:3] == one[:3] and (one in CALENDAR or one == token[:3]) for one in shown)
    if token in _MONTHS:
        return any(one[:3] == token and one in CALENDAR for one in shown) or token in shown
    if any(token.startswith(root) for one in known if (root := _DEMONYM.sub("", one)) != one and len(root) > 3):
        return True
    root = _DEMONYM.sub("", token)
    if token in known or (root != token and len(root) > 2 and any(one.startswith(root) for one in known)):
        return True
    return any(token in group and not group.isdisjoint(known) for group in _SAME)


_DEMONYM = re.compile(r"(?:ese|ish|ian|ean|an|s|i)$")


# Quotations

_OMITTED = re.compile(r"\s?(?:\[(?:\.\.\.|…)\]|\.\.\.|…)\s?")
_FOLDED = str.maketrans({**dict.fromkeys('‘’‚‛“”„«»"`´', "'"), **dict.fromkeys("‐‑‒–—−", "-"), "\u00ad": ""})


def _holds(source: Source, quotation: str) -> bool:
    """Whether the parts of a quotation stand in the source, in their order."""
    text, at = folded(source.text), 0
    for part in _OMITTED.split(quotation):
        wanted = folded(part).strip(" .,;:!?'-")
        found = text.find(wanted, at)
        if found < 0 or (at and re.search(r"[.!?]\s", text[at:found])):
            return False
        at = found + len(wanted)
    return True


def folded(text: str) -> str:
    """``text`` with one kind of quotation mark, dash and space, in lower case."""
    return " ".join(normalize("NFKC", text).translate(_FOLDED).casefold().split()).replace(" - ", "-")


# Figures

_AFTER_FIGURE = 30


def _is_the_date_of(claimed: Amount, source: Source, text: str) -> bool:
    """Whether a claim tells when the source was written ("on 27 January"); that is no date of what it speaks of."""
    told = claimed.figure.unit == "date" and claimed.figure.value.count("-") and claimed.figure.value[-2:].isdigit()
    behind = _UNTIL.search(text, 0, claimed.figure.start)
    return bool(told and not behind and source.date.figure.value.endswith(claimed.figure.value))


_UNTIL = re.compile(r"\b(?:by|until|till|before|after|since|from|to|in)\s$", re.IGNORECASE)


def _same_sign(claimed: Amount, source: Amount) -> bool:
    """Whether the minus of a source is kept; a claim that tells of a fall may leave it out."""
    value = source.figure.value
    return source.figure.unit in ("date", "name") or value.startswith("-") <= claimed.figure.value.startswith("-")


def _same_per(claimed: Amount, source: Amount, texts: Sequence[str]) -> bool:
    """Whether what a claimed figure is counted per ("an hour") follows the source's figure, too."""
    per = claimed.unit.partition("/")[2]
    if not per or claimed.unit == source.unit:
        return True
    wanted = stem(per)
    return any(
        wanted in stems(text[found : found + len(source.text) + _AFTER_FIGURE])
        for text in texts
        if (found := text.find(source.text)) >= 0
    )


def _labels(sources: Sequence[Source]) -> str:
    return ", ".join(f"[{source.label}]" for source in sources)
