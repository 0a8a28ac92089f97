"""Questions that lean on the one before, completed so that each can be searched by itself.

In: a question, the exchanges before it, the people who are known. Out: the question to search, in words that a person
can check. It knows neither notes nor answers: of an exchange it sees the question that was searched, and the figures
and houses of the quotes that were shown, never what a model wrote.

A wrong carry-over is worse than none: only forms that are listed here are completed. What is new takes the place of
what it answers to (a house for a house, a date for a date), so nothing grows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from rag import cuewords as cue
from rag.companies import companies_named
from rag.figures import figures
from rag.frames import (
    ANY_DAY,
    LEAD,
    STOPS,
    VAGUE,
    WHEN,
    Frame,
    bare,
    dates_in,
    kind_of,
    only_names,
    replaced,
    sentence_around,
)
from rag.mentions import tokens_of
from rag.questions import understand
from rag.records import Exchange


def completed(question: str, past: Sequence[Exchange], *, people: Collection[str] = ()) -> str:
    """The question to search: ``question`` with what it leaves to those before it, or itself if it stands alone.

    Of ``past``, oldest first, the latest that is no fragment is carried on, unless it has more than 500 characters.
    """
    if _ASIDE.fullmatch(bare(question)):
        return question
    new = _Followup(question, people)
    last = next((one for one in reversed(past[-_REMEMBERED:]) if _is_whole(one.question, people)), None)
    if last is None or not new.core or len(question) > _LONGEST_FOLLOWUP or len(last.question) > _LONGEST:
        return question
    old = Frame(last, people)
    return next((text for rule in _RULES if (text := rule(new, old)) is not None), "") or question


# Whoever pastes a page asks about it once. With one topic and one follow-up more this stays far below 2,000.
_LONGEST = 500
# "And what about Citi's European strategists since the third of March?" has 69 characters.
_LONGEST_FOLLOWUP = 160
_REMEMBERED = 6
_FEW_WORDS = 8


def _is_whole(question: str, people: Collection[str]) -> bool:
    """Whether a past question says by itself what it is about; "thanks" and a lost "and the week before?" do not."""
    if (lead := LEAD.match(bare(question))) and re.match(r"(?i)and|or|also|plus|(?:the\s)?same", lead["lead"]):
        return False
    query = understand(question[:_LONGEST], today=ANY_DAY, people=people)
    return bool(query.houses or query.people or set(query.words) - _COURTESIES)


_ASIDE = re.compile(
    r"(?i)(?:and\s)?(?:in\s(?:german|english|french|detail|short|brief|general|other\swords)|for\s(?:example|instance)"
    r"|of\scourse|at\sleast|to\sbe\s\w+|(?:without|besides)\b.*)(?:\splease)?"
)
_COURTESIES = frozenset("thank thx cheers hello hi hey great good nice cool perfect lot bye morning evening".split())
_TRAIL = re.compile(r"(?i)[\s,]+(?:too|as\swell|also|then|though|instead|please|now)\Z")
# Of whole follow-ups in lower case, with "it" for "that" and "this".
_WHY = re.compile(
    r"(?:please )?explain(?: it| why)?|why(?: not| so| though| exactly)?|why (?:is|was) it(?: so)?|how (?:so|come)"
    r"|(?:for|on) what (?:reasons?|grounds|basis)|what(?: is|'s) the reason(?:ing)?"
    r"|why (?:do|does|did) (?:they|he|she|it|the bank) (?:say|think|believe) (?:so|it)"
)
_AGAIN = re.compile(
    r"really|seriously|(?:are )?you sure|is it (?:really )?(?:so|true|right|correct)|(?:what|anything) else"
    r"|(?:can you |please )?(?:(?:elaborate|expand|go on)(?: on it)?"
    r"|(?:(?:tell|show|give) me )?(?:some )?(?:more|details)(?: details?)?(?: (?:on|about) it)?)"
)
_OTHERS = re.compile(
    r"(?:who|any(?:one|body)) else(?: (?:says?|said|thinks?) (?:so|it))?|(?:any )?others|which other (?:banks|houses)"
    r"|what do others (?:say|think)|who (?P<verb>(?:dis)?agrees)(?: with (?:it|them|him|her))?"
)
_SAYS_WHAT = re.compile(
    r"(?i)\A(?:what(?:['’]s|\s(?:do|does|did|would|is))|do|does|did|would)\s"
    r"|\s(?:say|said|think|believe|agree)(?:\s(?:so|that|the\ssame|(?:of|about|on|with)\s(?:that|this|it)))?\Z"
)
_ASKS = re.compile(r"(?i)according|per\b|in\sthe\sview|what|do|would")
_NUMBER = re.compile(
    r"(?i)\b(?P<it>(?:that|this)\s(?:number|figure|estimate|forecast|(?:price\s)?target|percentage|amount|sum|price)(?!\w))"
    r"|\A(?:is|was|isn['’]t)\s(?P<it2>(?:that|this|it))\s(?:(?:too|so|really|very|not)\s)?(?:high|low|much|big|small|large"
    r"|realistic|plausible|aggressive|conservative|credible)\Z"
)
_JUDGED = re.compile(
    r"(?i)(?:is|was|isn['’]t|will|would|can|could|should|does|did|has)\s(?P<it>it)\s(?!true|right|correct|so\b|possible|likely"
    r"|that|to\b|because|mean|make|take|matter)(?P<verb>[^\W\d][\w'’-]*)(?:\s[\w'’-]+){0,2}"
)
_SPEAKER = re.compile(
    r"(?i)\b(?P<owner>their|his|her|its|the\s(?:bank|house|broker|analyst)['’]s)(?!\w)"
    r"|\b(?:they|he|she|it|the\s(?:bank|house|broker|firm|analysts?|strategists?|economists?))(?![\w'’])"
)
_MINDS = cue.SAYING | frozenset("agree disagree recommend like prefer".split())
_BLAND = cue.VERBS | cue.OPINIONS | frozenset("next later first last latest price exactly specifically".split())


class _Followup:
    """What was typed: ``core`` is without what leads to it ("ok and what about") and what trails behind it ("too")."""

    def __init__(self, text: str, people: Collection[str]) -> None:
        plain = bare(text)
        lead = LEAD.match(plain)
        core = plain[lead.end() if lead else 0 :].strip(STOPS)
        self.core = _TRAIL.sub("", core)
        self.leads = bool(lead and lead["lead"]) or self.core != core
        self.people = people
        self.tokens = tokens_of(self.core, people)
        self.when = next(iter(dates_in(self.core)), None) or WHEN.fullmatch(self.core)
        self.phrase = re.sub(r"\b(?:that|this)\b", "it", self.core.lower().replace("’", "'"))


def _again(new: _Followup, old: Frame) -> str | None:
    """As in "why?", "really?", "tell me more"."""
    why = _WHY.fullmatch(new.phrase) is not None
    return old.ask(why=old.why or why) if why or _AGAIN.fullmatch(new.phrase) else None


def _others(new: _Followup, old: Frame) -> str | None:
    """As in "who else?", "who disagrees?"."""
    if not (found := _OTHERS.fullmatch(new.phrase)):
        return None
    known = " and ".join([token.names[0] for token in old.asked if token.names] or old.last.houses[:3])
    if found["verb"]:
        return old.ask(f"Who {found['verb']} with {known} on {old.topic}", why=False) if known and old.topic else ""
    besides = f", besides {known}" if known else ""
    if re.match(r"(?i)who\s", old.stem):
        return old.ask(f"Who else {old.stem[4:]}{besides}")
    return old.ask(f"Who else says something about {old.topic}{besides}", why=False) if old.topic else ""


def _placed(new: _Followup, old: Frame) -> str | None:
    """As in "and Citi?", "since Monday?", "and according to Citi last week?"."""
    rest, verbs = _SAYS_WHAT.subn("", new.core)
    if new.when and verbs:  # "What did Citi say last week?" may want just that.
        return None
    rest = (replaced(rest, new.when.span(), "") if new.when else rest).strip()
    names = only_names(rest, new.people)
    if rest and not names:
        return None
    stem = old.asking(names, asks=_ASKS.match(new.core) is not None) if names else old.stem
    stem = old.dated(stem, new.when) if stem and new.when else stem
    return old.ask(stem) if stem else ""


def _figured(new: _Followup, old: Frame) -> str | None:
    """As in "and $6M?", "and for 2026?": a figure in the place of the last one of its kind."""
    match = re.fullmatch(r"(?:(in|for|by|at|on|about)\s)?(?:the\s)?(?P<figure>.+)", new.core, re.IGNORECASE)
    found = figures(new.core)
    if not match or [(one.start, one.end) for one in found if one.unit != "name"] != [match.span("figure")]:
        return None
    kind = kind_of(found[0], new.core)
    same = [one for one in figures(old.stem) if kind_of(one, old.stem) == kind]
    if not (new.leads or match[1]) or not (same or kind in ("year", "date")):
        return ""
    if same:
        return old.ask(replaced(old.stem, (same[-1].start, same[-1].end), match["figure"]))
    end = old.span[1] or len(old.stem)
    return old.ask(replaced(old.stem, (end, end), f" {match[1] or 'in'} {match['figure']}"))


def _pointed(new: _Followup, old: Frame) -> str | None:
    """As in "what about that number?", "is it cheap?": a figure or a topic for what points to it."""
    found = _NUMBER.search(new.core)
    what, span = old.number, (found.span("it") if found["it"] else found.span("it2")) if found else (0, 0)
    if not found and (judged := _JUDGED.fullmatch(new.core)) and judged["verb"].lower() not in _MINDS:
        what, span = old.topic, judged.span("it")
    elif not found or len(new.tokens) > _FEW_WORDS or companies_named(new.core, True) or figures(new.core):
        return None
    if not what or any(token.names for token in new.tokens):
        return ""
    return old.ask(f"{'' if span[0] else 'What about '}{replaced(new.core, span, what)}{old.source}", why=False)


def _spoken(new: _Followup, old: Frame) -> str | None:
    """As in "what do they say about capex?", "what is their target?": whoever was asked last."""
    found = _SPEAKER.search(new.core)
    name = old.speaker(found[0].lower()) if found else ""
    before = [token for token in new.tokens if found and token.start < found.start()]
    behind = [token.word for token in new.tokens if found and token.start >= found.end()]
    near = [word for word in behind if word not in cue.ADVERBS][:2]
    # "Who cut their target?" and "which banks say they ..." speak of somebody else.
    own = any(token.names or token.word in cue.ANYBODY | cue.HOUSE_NOUNS for token in before)
    if not found or not name or not near or own or len(before) > _FEW_WORDS:
        return None
    if found["owner"]:
        speaks = not cue.OPINIONS.isdisjoint(near)
    else:
        asked = not before or before[-1].word in cue.AUXILIARIES | cue.QUESTION
        speaks = asked and near[0] in (_MINDS if found[0].lower() == "it" else cue.VERBS)
    text = sentence_around(new.core[: found.start()], name, ("'s" if found["owner"] else "") + new.core[found.end() :])
    words = understand(text, today=ANY_DAY, people=new.people).words
    if old.topic and _BLAND.issuperset(words) and {"about", "on", "regarding"}.isdisjoint(behind):
        text = f"{text} {'on' if words else 'about'} {old.topic}"
    return old.ask(text, why=False) if speaks else None


def _topical(new: _Followup, old: Frame) -> str | None:
    """As in "and on margins?", "what about tin?"; "tin?" alone may be a search of its own."""
    match = re.fullmatch(r"(?i)(?:(on|about|regarding|for|in|of|from|at|to|with|by)\s)?(.+)", new.core)
    if not match or not (new.leads or match[1]):
        return None
    words = [token.word for token in tokens_of(match[2], new.people)]
    wrong = VAGUE | cue.AUXILIARIES | cue.QUESTION | cue.ANYBODY | cue.FINITE
    # "Acme Securities" may be a house that is not known, and no topic.
    firm = match[2][0].isupper() and words[-1] in cue.FIRM
    if firm or len(words) > _FEW_WORDS or "" in words or not wrong.isdisjoint(words):
        return None
    stem = old.about(match[2], (match[1] or "").lower())
    return old.ask(stem) if stem else None


_RULES = (_again, _others, _placed, _figured, _pointed, _spoken, _topical)
