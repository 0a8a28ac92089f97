"""Whether a house agrees with a claim, where a rule can tell.

In: a claim, and what a house says. Out: a `Stance`, blank unless a rule is sure: a wrong "disagree" costs more than ten
blanks. So whatever the rules do not understand ends in a blank. It knows neither houses nor dates of documents.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rag.amounts import Amount
from rag.sentences import split_sentences
from rag.statements import HEDGE, OTHERS, OWN_VIEW, Statement, amounts_in, own, plain, statement
from rag.stems import stem, stems
from rag.terms import closeness

Verdict = Literal["agree", "disagree", "other", ""]

# A longer sentence is a table or a list that lost its line breaks.
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Stance:
    """``other`` is another figure for the same thing; ``reason`` says what in the quote decided."""

    verdict: Verdict = ""
    reason: str = ""


def stance(claim: str, quote: str, *, speakers: Collection[str] = ()) -> Stance:
    """What ``quote`` says of ``claim``; of reported words those of ``speakers`` count as the house's own."""
    asserted = statement(plain(claim)) if len(claim) <= _LONGEST else None
    if asserted is None or _JUDGED.search(claim) or len(asserted.words) + len(asserted.amounts) < 2:
        return Stance()
    spans = split_sentences(quote)
    sentences = [own(plain(quote[start:end]), speakers) for start, end in spans if end - start <= _LONGEST]
    found = [*_judged(asserted, sentences), *_rated(claim, sentences)]
    if (
        not found
        and not _TAKEN_BACK.search(quote)
        and not any(OTHERS.search(OWN_VIEW.sub("", one)) or _JUDGED.search(one) for one in sentences)
    ):
        found = [one for sentence in sentences if (one := _said(asserted, sentence))]
    verdicts = {one.verdict for one in found if one.verdict != "other"}
    if len(verdicts) > 1 or not found:
        return Stance()
    return next((one for one in found if one.verdict in verdicts), found[0])


# "… $5M. Really?", "… $5M. We are not convinced.": what follows takes it back, and no rule reads how far.
_TAKEN_BACK = re.compile(
    r"\?|\b(?:really|convinced|sceptical|skeptical|unlikely|doubt\w*|question\w*|press|headlines?|rumou?rs?|writes?|hears?"
    r"|heard)\b|[.!;]\s+(?:this|so|but|or|not)\b",
    re.IGNORECASE,
)

# What is said in the claim's own words, or in the opposite ones


def _said(claim: Statement, sentence: str) -> Stance | None:
    """What a plain sentence asserts of the claim, as far as it consists of the claim's words."""
    bare, denied = _without_denied(claim, sentence)
    if HEDGE.search(bare):
        return None
    parts = [part for part in _PART.split(bare) if part.strip()]
    verdicts: list[Stance] = []
    for part in parts:
        others = [other for other in parts if other is not part]
        if any(_NEGATED.search(other) for other in others) or not (said := statement(part)):
            continue
        if found := _matched(claim, said):
            verdicts.append(found)
    if verdicts:
        # "will fall in Q1, and will rise in Q2" is neither.
        return verdicts[0] if len({one.verdict for one in verdicts}) == 1 else None
    whole = statement(bare)
    return _priced(claim, whole, denied=denied) if whole else None


_PART = re.compile(r"; |,? and (?=we |our )|, (?:and|while|as|with|given|because|so|which) ")
_NEGATED = re.compile(r"\b(?:not|never|no|only|exception|exclud\w+)\b", re.IGNORECASE)


def _without_denied(claim: Statement, sentence: str) -> tuple[str, bool]:
    """The sentence without ", not $5M" or "not $5M but", where that is the figure of the claim."""
    for amount in amounts_in(sentence):
        if amount.bound in ("not", "rather than", "instead of") and _agree([amount], claim.amounts, bounds=False):
            start, end = sentence.rfind(amount.bound, 0, amount.figure.start), amount.figure.end
            rest = re.sub(r"^,? but ", " ", sentence[end:])
            return f"{sentence[:start].rstrip(' ,')} {rest.strip()}", True
    return sentence, False


def _matched(claim: Statement, said: Statement) -> Stance | None:
    """The verdict of a statement with the claim's very words, in their order, and about the same time."""
    if claim.words != said.words or claim.times.isdisjoint(said.times) or not claim.periods <= said.periods:
        return None
    same = _agree(said.amounts, claim.amounts)
    dated = bool(claim.periods) or (same and bool(claim.amounts))
    # What rose on one day may have fallen on another.
    if "past" in said.times and claim.sign and not dated and (claim.sign != said.sign or claim.negated != said.negated):
        return None
    if claim.sign != said.sign:
        if claim.negated or said.negated:
            return None
        return Stance("disagree", f"says “{said.direction}”, the claim “{claim.direction}”")
    if claim.amounts and not same:
        return None
    if claim.negated == said.negated:
        return Stance("agree", "says so in the claim's words")
    return Stance("disagree", "says so, negated" if said.negated else "says what the claim negates")


def _priced(claim: Statement, said: Statement, *, denied: bool) -> Stance | None:
    """The verdict of a figure in a sentence that has all words of the claim, and none beside them.

    Another figure is no denial: each house has a price target of its own.
    """
    if not claim.amounts or not claim.words or set(claim.words) != set(said.words) or claim.periods != said.periods:
        return None
    if claim.sign != said.sign or claim.negated != said.negated:
        return None
    if [amount.unit for amount in said.amounts] != [amount.unit for amount in claim.amounts]:
        return None
    stated, asked = (", ".join(amount.text for amount in one.amounts) for one in (said, claim))
    if _agree(said.amounts, claim.amounts):
        return None if denied else Stance("agree", f"states {stated}")
    if any(amount.bound for amount in (*said.amounts, *claim.amounts)) or _near(said.amounts, claim.amounts):
        return None
    return Stance("disagree", f"says {stated}, not {asked}") if denied else Stance("other", f"states {stated}")


def _agree(stated: Sequence[Amount], asked: Sequence[Amount], *, bounds: bool = True) -> bool:
    """Whether the figures of the claim are all stated, one for one; True if the claim has none."""
    if not asked:
        return True
    return len(stated) == len(asked) and all(
        one.unit == other.unit and closeness(other.figure, one.figure) == 1 and (not bounds or one.bound == other.bound)
        for one, other in zip(stated, asked, strict=True)
    )


def _near(stated: Sequence[Amount], asked: Sequence[Amount]) -> bool:
    """Whether a stated figure could be the asked one, rounded."""
    return any(closeness(other.figure, one.figure) > 0 for one, other in zip(stated, asked, strict=True))


# What is called false or right in so many words

_DENIALS = (
    r"(?:false|wrong|untrue|incorrect|inaccurate|mistaken|misleading|misguided|misplaced|overdone|overblown|exaggerated"
    r"|overstated|unfounded|nonsens(?:e|ical)|fanciful|bogus"
    r"|an? (?:myth|fallacy|misconception|misunderstanding|fiction|fantasy))"
)
_AFFIRMATIONS = r"(?:right|true|correct|accurate|well[- ]founded|justified|spot on)"
_JUDGED = re.compile(
    rf"\b(?:{_DENIALS}|{_AFFIRMATIONS}|(?:dis)?agree\w*|disput\w+|doubt\w*|reject\w*|mis(?:understand|understood|read)\w*)\b",
    re.IGNORECASE,
)
_EMPHASIS = (
    r"(?:(?:simply|plainly|clearly|categorically|completely|totally|entirely|utterly|just|quite|absolutely|frankly"
    r"|fundamentally|obviously|demonstrably|flatly|deeply|wildly|grossly|greatly|hugely|badly|vastly|rather|somewhat"
    r"|a bit|a little|far too|too|very) )*"
)
_JUDGEMENT = (
    r"(?:is|are|seems?|looks?|appears?|remains?|sounds?) (?:to be )?(?P<neg>not )?(?:at all )?"
    rf"(?P<how>{_EMPHASIS})(?P<judged>{_DENIALS}|{_AFFIRMATIONS})\b"
)
_BELIEF = (
    r"(?:claims?|ideas?|notions?|views?|narratives?|arguments?|beliefs?|suggestions?|assertions?|thes[ie]s|theory"
    r"|assumptions?|premise|story|talk|fears?|worr(?:y|ies)|concerns?|perception|conclusion|reports?)"
)
_NUMBER = r"(?:figure|number|estimate|headline)"
_END = r"(?P<after>$|[.!].*$|, (?:and|as|because|given|since) .*$| and (?:we|our|it) .*$| in our (?:view|opinion).*$)"
_JUDGEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # the claim that X is wrong
        rf"(?P<before>.*?)\b(?:the |this |that |any |such )?{_BELIEF} (?:that|of|about|over|around|on) (?P<x>.+?),?"
        rf" {_JUDGEMENT}{_END}",
        # the X figure is wrong
        rf"(?P<before>.*?)\b(?:the|this|that) (?P<x>[^,;]{{1,60}}?) (?:{_BELIEF}|{_NUMBER}) {_JUDGEMENT}{_END}",
        # it is wrong that X
        rf"(?P<before>.*?)\bit {_JUDGEMENT} (?:to (?:say|claim|think|argue|suggest|believe|assume|conclude) )?that"
        rf" (?P<x>.+?){_END}",
        # we disagree with the view that X
        r"(?P<before>.*?)\b(?:we|i) (?:(?:still|also|strongly|firmly|fully) )*(?P<neg>(?:do not|no longer|never) )?"
        r"(?P<how>)(?P<judged>agree|concur|believe|buy|accept|share|disagree|dispute|reject|doubt|question)"
        rf"(?: (?:strongly|firmly))?(?: with)?(?: (?:the|this|that|any) {_BELIEF})? (?:that|of|with) (?P<x>.+?){_END}",
        # contrary to the view that X
        r"(?P<before>)(?P<neg>)(?P<how>)(?P<judged>contrary) to (?:[\w ]{0,30} )?"
        rf"{_BELIEF} that (?P<x>[^,;]+)(?P<after>),",
    )
)
_MISREAD = re.compile(
    rf"\b(?P<judged>misunderstanding|misconception|misreading) (?:over|about|around|of) the (?P<x>[^,;]{{1,40}}?)"
    rf" {_NUMBER}\b",
    re.IGNORECASE,
)
_POSITIVE = re.compile(rf"{_AFFIRMATIONS}|agree|concur|believe|buy|accept|share", re.IGNORECASE)
# "Not entirely wrong" is not "right".
_WHOLLY = re.compile(
    r"\b(?:completely|totally|entirely|utterly|quite|absolutely|fundamentally|categorically|too|very)\b"
)
_OPENING = frozenset("in our view opinion and however so think believe say that frankly to be clear we i".split())
_ASKED = re.compile(r"(?:did|does|do|is|are|was|were|will|has|have) (?P<x>.+)\?$", re.IGNORECASE)
_NO = re.compile(
    r"(?:no|of course not|absolutely not|not at all|wrong|nonsense|certainly not)(?=$|[.!])", re.IGNORECASE
)
# Whatever follows a comma may turn it round: "Of course, nobody believes that."
_YES = re.compile(r"(?:yes|of course|absolutely|certainly)(?=$|[.!]|, and\b)", re.IGNORECASE)


def _judged(claim: Statement, sentences: Sequence[str]) -> Iterator[Stance]:
    """The explicit denials and affirmations of the claim."""
    bare = [re.sub(r"\"|(?<!\w)'|'(?!\w)", "", sentence) for sentence in sentences]
    said = frozenset(word for sentence in bare for word in stems(sentence))
    for sentence, following in pairwise([*bare, ""]):
        judgements = [_pronounced(claim, sentence, said), _misread(claim, sentence, said)]
        yield from (one for one in (*judgements, _answered(claim, sentence, following)) if one)


def _pronounced(claim: Statement, sentence: str, said: frozenset[str]) -> Stance | None:
    """What is said of the claim by name, if by the speaker, without reserve, and of nothing but the claim."""
    found = next((one for pattern in _JUDGEMENTS if (one := pattern.match(sentence))), None)
    if not found or {word.lower() for word in re.findall(r"\w+", found["before"])} - _OPENING:
        return None
    after = OWN_VIEW.sub("", found["after"])
    if (
        HEDGE.search(f"{found['how']} {after}")
        or OTHERS.search(after)
        or (found["neg"] and _WHOLLY.search(found["how"]))
    ):
        return None
    agrees = bool(_POSITIVE.fullmatch(found["judged"])) != bool(found["neg"])
    scope = statement(found["x"], framed=False)
    if scope is None or (found["neg"] and scope.negated):
        return None
    if not _covers(claim, scope, more=0 if agrees else 1) and not _names_the_figure(claim, scope, said):
        return None
    verdict: Verdict = "agree" if agrees == (claim.negated == scope.negated) else "disagree"
    words = f"{found['neg'] or ''}{found['how']}{found['judged']}"
    return Stance(verdict, f"says “{' '.join(words.split()).lower()}”")


def _misread(claim: Statement, sentence: str, said: frozenset[str]) -> Stance | None:
    """What a misunderstanding over the claim's figure says of the claim."""
    found = _MISREAD.search(sentence)
    if not found or claim.negated or HEDGE.search(sentence):
        return None
    before = OWN_VIEW.sub("", sentence[: found.start()])
    scope = statement(found["x"], framed=False)
    if OTHERS.search(before) or _NEGATED.search(before) or not scope or not _names_the_figure(claim, scope, said):
        return None
    return Stance("disagree", f"speaks of a “{found['judged'].lower()}”")


def _answered(claim: Statement, sentence: str, following: str) -> Stance | None:
    """What "Will X? Of course not." says of the claim."""
    question, no, yes = _ASKED.match(sentence), _NO.match(following), _YES.match(following)
    asked = statement(question["x"], framed=False) if question and not HEDGE.search(following) else None
    if not asked or not (answer := no or yes) or not _covers(claim, asked, more=0) or asked.negated != claim.negated:
        return None
    return Stance("disagree" if no else "agree", f"asks it, and answers “{answer[0].lower()}”")


def _covers(claim: Statement, scope: Statement, *, more: int) -> bool:
    """Whether what is judged is the claim: its words in their order, its figures, its direction, and little beside."""
    extra = set(scope.words) - set(claim.words)
    kept = [word for word in scope.others if word in claim.words]
    return (
        kept == claim.others
        and len(extra) <= more
        and not extra & scope.names
        and claim.sign == scope.sign
        and claim.periods == scope.periods
        and len(claim.amounts) == len(scope.amounts)
        and (not claim.amounts or _agree(scope.amounts, claim.amounts))
    )


def _names_the_figure(claim: Statement, scope: Statement, said: frozenset[str]) -> bool:
    """Whether ``scope`` is but the claim's figure ("the $5M number"), where the names of the claim are said as well."""
    return (
        bool(claim.amounts)
        and _agree(scope.amounts, claim.amounts)
        and set(scope.words) <= {*claim.words, *_EPITHETS}
        and bool(claim.names)
        and claim.names <= said
    )


_EPITHETS = frozenset(stem(word) for word in ("oft-quoted", "famous", "widely", "quoted", "infamous", "much-cited"))


# Ratings

_RATINGS = {
    r"(?:strong )?buy|overweight|outperform|accumulate": 1,
    r"hold|neutral|equal[- ]?weight|market[- ]perform|sector[- ]perform|peer[- ]perform|in[- ]line": 0,
    r"(?:strong )?sell|underweight|underperform|reduce": -1,
}
_RATING = "|".join(_RATINGS)
_RATED_CLAIM = re.compile(
    rf"(?P<name>[A-Z][\w&.]*(?: [\w&.]+){{0,3}}?) (?:is|remains) (?:rated )?(?:an? )?(?P<rating>{_RATING})[.!]?"
    rf"|(?P<rating2>{_RATING}) (?P<name2>[A-Z][\w&.]*(?: [A-Z][\w&.]*){{0,2}})[.!]?",
    re.IGNORECASE,
)
_WE_RATE = (
    r"\b(?:we|i) (?:(?:still|also|now|today|continue to) )*(?:rate|reiterate|maintain|keep|retain|reaffirm|remain|stay"
    r"|are|initiate(?: on)?|resume|upgrade|downgrade|raise|cut|lower|move)"
)


def _rated(claim: str, sentences: Sequence[str]) -> Iterator[Stance]:
    """What a house's rating says of "Acme is a buy"."""
    asked = _RATED_CLAIM.fullmatch(plain(claim))
    if not asked:
        return
    wanted = _level(asked["rating"] or asked["rating2"])
    pattern = _rating_of(asked["name"] or asked["name2"])
    for sentence in sentences:
        if HEDGE.search(sentence) or OTHERS.search(OWN_VIEW.sub("", sentence)) or _NEGATED.search(sentence):
            continue
        if _FORMER.search(sentence):
            continue
        for found in pattern.finditer(sentence):
            rating = next(group for group in found.groups() if group)
            level = _level(rating)
            verdict: Verdict = "agree" if level == wanted else "disagree" if level == -wanted else "other"
            yield Stance(verdict, f"rates it “{rating}”")


_FORMER = re.compile(r"\b(?:19|20)\d\d\b|\b(?:last|ago|previously|formerly|then|earlier|back in)\b", re.IGNORECASE)


def _rating_of(name: str) -> re.Pattern[str]:
    """Where a house rates ``name``: the groups are the rating."""
    who = rf"{re.escape(name)}(?: \([A-Z.]{{1,8}}\))?(?: (?:shares|stock))?"
    end = r"(?=$|[.,;:)]| (?:and|with|given|as|because|ahead|into|after|at|to|on|from) )"
    return re.compile(
        # we upgrade Acme from Hold to Buy
        rf"{_WE_RATE} {who}(?: from (?:an? )?(?:{_RATING}))?(?: (?:to|at|with|as))? (?:an? )?({_RATING})\b"
        # we reiterate our Buy rating on Acme
        rf"|(?:{_WE_RATE}|\bour)(?: (?:our|an?|at|the|with))* ({_RATING})"
        rf"(?: (?:rating|stance|recommendation|view|call))?(?: (?:on|for|in))? {who}{end}"
        # Acme (Buy); Acme remains our top Buy
        rf"|(?:^|[.;] ?){who},? (?:\(({_RATING})[,);]|(?:is|remains) (?:our |an? )(?:top )?({_RATING})\b)",
        re.IGNORECASE,
    )


def _level(rating: str) -> int:
    return next(level for words, level in _RATINGS.items() if re.fullmatch(words, rating, re.IGNORECASE))
