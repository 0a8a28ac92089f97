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
from datetime import date

from rag import cuewords as cue
from rag.addressees import addressees
from rag.companies import companies_named
from rag.figures import YEAR, Figure, figures
from rag.mentions import Token, tokens_of
from rag.questions import understand
from rag.records import Exchange


def completed(question: str, past: Sequence[Exchange], *, people: Collection[str] = ()) -> str:
    """The question to search: ``question`` with what it leaves to those before it, or itself if it stands alone.

    Of ``past``, oldest first, the latest that is no fragment is carried on, unless it has more than 500 characters.
    """
    if _ASIDE.fullmatch(_plain(question)):
        return question
    new = _Followup(question, people)
    last = next((one for one in reversed(past[-_REMEMBERED:]) if _is_whole(one.question, people)), None)
    if last is None or not new.core or len(question) > _LONGEST_FOLLOWUP or len(last.question) > _LONGEST:
        return question
    old = _Frame(last, people)
    return next((text for rule in _RULES if (text := rule(new, old)) is not None), "") or question


# Whoever pastes a page asks about it once. With one topic and one follow-up more this stays far below 2,000.
_LONGEST = 500
# "And what about Citi's European strategists since the third of March?" has 69 characters.
_LONGEST_FOLLOWUP = 160
_LONGEST_TOPIC = 80
_REMEMBERED = 6
_FEW_WORDS = 8
_ANY_DAY = date(2000, 1, 1)


def _is_whole(question: str, people: Collection[str]) -> bool:
    """Whether a past question says by itself what it is about; "thanks" and a lost "and the week before?" do not."""
    if (lead := _LEAD.match(_plain(question))) and re.match(r"(?i)and|or|also|plus|(?:the\s)?same", lead["lead"]):
        return False
    query = understand(question[:_LONGEST], today=_ANY_DAY, people=people)
    return bool(query.houses or query.people or set(query.words) - _COURTESIES)


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(_STOPS)


_ASIDE = re.compile(
    r"(?i)(?:and\s)?(?:in\s(?:german|english|french|detail|short|brief|general|other\swords)|for\s(?:example|instance)"
    r"|of\scourse|at\sleast|to\sbe\s\w+|(?:without|besides)\b.*)(?:\splease)?"
)
_STOPS = " \t\n?!.…,;"
_COURTESIES = frozenset("thank thx cheers hello hi hey great good nice cool perfect lot bye morning evening".split())
_LEAD = re.compile(
    r"(?i)(?:(?:ok(?:ay)?|so|but|well|hmm?|yes|no|right|thanks|great|please|now|then)\b[\s,]*)*(?P<lead>(?:(?:and|or|also"
    r"|plus)\b[\s,]*)?(?:(?:what|how)\s(?:about|of)\b|(?:the\s)?same\s(?:question\s)?(?:for|with|from|on|about)\b)?)\s*"
    r"(?:(?:also|then)\b\s*)?"
)
_TRAIL = re.compile(r"(?i)[\s,]+(?:too|as\swell|also|then|though|instead|please|now)\Z")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|(?:nov|dec)(?:ember)?)\b"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?\b"
_OF_YEAR = r"(?:,?\s(?:19|20)\d\d\b)?"
_WHEN = re.compile(
    r"(?i)\b(?:(?P<before>since|after|before|until|till|up\sto|in|on|during|over|within|from)\s(?:the\s)?)?(?:"
    r"(?P<relative>(?:the\s)?(?:last|past|previous|this)\s(?:(?:\d{1,2}|two|three|four|five|six|few|couple\sof)\s)?"
    r"(?:day|week|weekend|month|quarter|year)s?|yesterday|today|this\s(?:morning|afternoon))"
    rf"|(?:19|20)\d\d-\d\d-\d\d|(?:last\s)?(?:mon|tues|wednes|thurs|fri|satur|sun)day|{_DAY}\s(?:of\s)?{_MONTH}{_OF_YEAR}"
    rf"|{_MONTH}\s{_DAY}{_OF_YEAR}|(?P<month>{_MONTH}{_OF_YEAR}))(?![\w'’-])"
)
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
_AROUND = cue.JOINS - {"v", "vs", "versus"} | set("according to per for from with in view take analyst".split())
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
_ORDER = re.compile(r"(?i)(?:list|name|summari[sz]e|compare|tell|show|give|find|quote|describe|explain|please)\b")
_AND_WHY = re.compile(r"(?i),\sand\swhy\Z")
_ELSE = re.compile(r"(?i),\sbesides\s[^?]*\Z|(?<=\Awho\s)else\s")
_ANYONE = re.compile(
    r"(?i)\b(do|does|did|have|has)\s(?:the\s|other\s)?(?:(?:analyst|bank|broker|house)s?|people|others|any(?:one|body)|market)(?!\w)"
)
_WHO = re.compile(
    r"(?i)\A(?:who|which\s(?:bank|house|broker|analyst)s?)\s(?:(is|are)\s(?=\w+\s(?:on|about|that)\b)|([a-z]+)\b)"
)
_FRINGE = re.compile(
    r"(?i)\b(?:in|for|by)\s(?:FY|Q[1-4]\s)?(?:19|20)\d\d\b|\A(?:according\sto|per|in)\s[^,]{1,80},\s"
    r"|,?\s(?:according\sto|in\sthe\sview\sof)\s.*|,\s(?:per|as)\s.*"
)
_END = r"(?P<topic>[^\0]+?)(?=,\s|\0|\Z)"
_BE = r"(?:is|are|was|were|will|would|can|could|should|has|have|to)"
_TOPICS = (
    re.compile(r"\((?P<topic>[^()\0]+)\)"),
    re.compile(rf"(?i)\b(?:about|regarding|concerning)\s{_END}"),
    re.compile(rf"(?i)\bon\s{_END}"),
    re.compile(rf"(?i)\b(?:say|think|believe|argue|expect|said)s?\s(?:that\s)?(?P<topic>[^\0,]{{1,60}}?)\s{_BE}\b"),
    re.compile(rf"(?i)(?<!many\s)(?<!one\s)(?<!some\s)\b(?:for|of)\s{_END}"),
    re.compile(rf"(?i)\A\0*{_BE}\s(?P<topic>(?:the\s)?[\w&-]{{1,40}}(?:\s[\w&-]{{1,40}})?)\s[\w-]{{1,40}}\s?(?=\0|\Z)"),
)
# What is no topic by itself, or leans on something that is not here.
_VAGUE = frozenset(
    "it its that this these those them they their he she his her one ones else other others rest same next previous"
    " before after later earlier last week month year day yet i you we me us your my something nothing all more".split()
)
_MINDS = cue.SAYING | frozenset("agree disagree recommend like prefer".split())
_BLAND = cue.VERBS | cue.OPINIONS | frozenset("next later first last latest price exactly specifically".split())


class _Followup:
    """What was typed: ``core`` is without what leads to it ("ok and what about") and what trails behind it ("too")."""

    def __init__(self, text: str, people: Collection[str]) -> None:
        plain = _plain(text)
        lead = _LEAD.match(plain)
        core = plain[lead.end() if lead else 0 :].strip(_STOPS)
        self.core = _TRAIL.sub("", core)
        self.leads = bool(lead and lead["lead"]) or self.core != core
        self.people = people
        self.tokens = tokens_of(self.core, people)
        self.when = next(iter(_whens(self.core)), None) or _WHEN.fullmatch(self.core)
        self.phrase = re.sub(r"\b(?:that|this)\b", "it", self.core.lower().replace("’", "'"))


def _put(text: str, span: tuple[int, int], new: str) -> str:
    return f"{text[: span[0]]}{new}{text[span[1] :]}"


def _whens(text: str) -> list[re.Match[str]]:
    """The dates in ``text``; a month alone ("may") needs its preposition."""
    return [one for one in _WHEN.finditer(text) if one["before"] or not one["month"]]


def _only_names(text: str, people: Collection[str]) -> str:
    """The names in ``text``, if there is nothing else in it."""
    tokens = tokens_of(text, people)
    return _listed(tokens) if all(token.names or token.word in _AROUND for token in tokens) else ""


def _listed(tokens: Sequence[Token]) -> str:
    """The names as they are known, with what joins them: "Citi's Ana Petrov", "Citi and UBS"; empty without any."""
    names = [at for at, token in enumerate(tokens) if token.names]
    parts: list[str] = []
    for token in tokens[names[0] : names[-1] + 1] if names else ():
        tight = not parts or token.kind == "mark" or token.word in ("'s", "'")
        parts.append(("" if tight else " ") + (token.names[0] if token.names else token.text))
    return "".join(parts)


def _verb(names: str, one: str, several: str) -> str:
    return several if re.search(r",|&|\s(?:and|or)\s", names) else one


def _joined(before: str, names: str, after: str) -> str:
    """A sentence around ``names``, its auxiliary in their number: "do they" becomes "does Citi"."""
    if auxiliary := re.search(r"\b(do|ha|are|i|were|wa)(?:es|s|ve)?(?=\s(?:the\s)?\Z)", before, re.IGNORECASE):
        forms = {"do": ("does", "do"), "ha": ("has", "have"), "wa": ("was", "were"), "were": ("was", "were")}
        right = _verb(names, *forms.get(auxiliary[1].lower(), ("is", "are")))
        before = _put(before, auxiliary.span(), right.capitalize() if before[auxiliary.start()].isupper() else right)
    if owned := re.match(r"['’]s?(?!\w)", after):
        after = ("'" if names.endswith("s") else "'s") + after[owned.end() :]
    return f"{before}{names}{after}"


class _Frame:
    """The last question: who was asked, about what and when, each with its offsets in ``stem``."""

    def __init__(self, last: Exchange, people: Collection[str]) -> None:
        self.last = last
        self.people = people
        stem = _plain(last.question)
        self.why = bool(_AND_WHY.search(stem))
        self.stem = _sentence(_ELSE.sub("", _AND_WHY.sub("", stem)).strip(_STOPS), people)
        self.tokens = tokens_of(self.stem, people)
        self.found = addressees(self.stem, people)
        self.asked = self._run(self.found.asked)
        self.names = _listed(self.asked)
        # No topic spans a date, a year or a source.
        self.masked = self.stem
        for one in (*_whens(self.stem), *_FRINGE.finditer(self.stem)):
            self.masked = _put(self.masked, one.span(), "\0" * len(one[0]))
        self.span = self._topic()
        self.topic = self.stem[slice(*self.span)]
        when = [f"as {self.names} said {one[0]}" for one in _whens(self.stem)] or [f"according to {self.names}"]
        self.source = f", {when[-1]}" if self.names else ""

    def _run(self, named: Sequence[Token]) -> tuple[Token, ...]:
        """The tokens from the first to the last of ``named``, if only names and what joins them stand there."""
        run = tuple(token for token in self.tokens if named and named[0].start <= token.start <= named[-1].start)
        return run if all(token.names or token.word in cue.JOINS for token in run) else ()

    def ask(self, stem: str | None = None, *, why: bool | None = None) -> str:
        """``stem``, or the question as it was, as a sentence."""
        text = self.stem if stem is None else stem
        ending = ", and why" if why or (why is None and self.why) else ""
        return f"{text[:1].upper()}{text[1:]}{ending}{'' if _ORDER.match(text) else '?'}"

    def asking(self, names: str, *, asks: bool) -> str | None:
        """The stem with ``names`` in the place of whoever was asked; ``asks``: not of whom it was asked about."""
        run = self.asked or (() if asks or self.found.asked else self._run(self.found.others))
        several = not cue.COMPARES.isdisjoint(token.word for token in self.tokens) or " or " in self.names
        if self.found.asked and (several or not run):
            return f"What did {names} say about {self.topic}" if self.topic else None
        if run:
            return _joined(self.stem[: run[0].start], names, self.stem[run[-1].end :])
        if self.found.strangers:
            before, stranger, after = self.stem.partition(self.found.strangers[0])
            return _joined(before, names, after) if stranger else None
        return None if understand(self.stem, today=_ANY_DAY, people=self.people).own else self._asking_first(names)

    def _asking_first(self, names: str) -> str | None:
        """The stem, which asks nobody by name, asked of ``names``."""
        if found := _ANYONE.search(self.stem):
            return _joined(f"{self.stem[: found.end(1)]} ", names, self.stem[found.end() :])
        if found := _WHO.match(self.stem):
            rest = self.stem[found.end() :]
            if found[1]:
                return f"{_verb(names, 'Is', 'Are')} {names} {rest}"
            past = {"said": "say", "thought": "think", "argued": "argue"}.get(found[2].lower())
            verb = past or found[2].lower().removesuffix("s")
            if verb in cue.SAYING | cue.JUDGING:
                return f"{'Did' if past else _verb(names, 'Does', 'Do')} {names} {verb}{rest}"
        spoken = not cue.SAYING.isdisjoint(token.word for token in self.tokens)
        return None if spoken else f"{self.stem}, according to {names}"

    def _topic(self) -> tuple[int, int]:
        """Where the topic stands; nowhere is 0:0."""
        found = next((match for pattern in _TOPICS if (match := pattern.search(self.masked))), None)
        start, end = found.span("topic") if found else self._object()
        text = self.stem[start:end].rstrip()
        vague = not text or len(text) > _LONGEST_TOPIC or text.split()[0].lower() in _VAGUE
        return (0, 0) if vague else (start, start + len(text))

    def _object(self) -> tuple[int, int]:
        """What stands behind who is asked and a verb: "Does Citi like tin"."""
        end = self.asked[-1].end if self.asked else len(self.stem)
        rest = [token for token in self.tokens if token.start >= end and token.word not in cue.ADVERBS]
        if len(rest) < 2 or rest[0].word not in cue.VERBS:
            return 0, 0
        start = rest[2 if rest[1].word in ("in", "that", "with", "to") and len(rest) > 2 else 1].start
        return start, (self.masked + "\0").find("\0", start)

    def about(self, topic: str, preposition: str) -> str | None:
        """The stem with ``topic`` in the place of its own; "in Asia" in the place of "in Europe"."""
        firms, new = companies_named(self.stem, True), companies_named(topic, True)
        if len(firms) == 1 and len(new) == 1 and new[0][:2] == (0, len(topic)):
            return _put(self.stem, firms[0][:2], topic)
        if preposition in ("", "on", "about", "regarding"):
            # What stands in brackets explains a figure, which is no other topic's.
            if self.topic and self.stem[self.span[0] - 1] != "(":
                return _put(self.stem, self.span, topic)
            return f"What did {self.names} say about {topic}" if self.names else None
        place = rf"\b{preposition}\s(?P<old>[^\0,]+?)(?=\s(?:for|in|of|from|at|to|with|by|on)\s|[\0,]|\s?\Z)"
        if found := list(re.finditer(place, self.masked)):
            return _put(self.stem, found[-1].span("old"), topic)
        end = self.span[1] or len(self.stem)
        return _put(self.stem, (end, end), f" {preposition} {topic}")

    def speaker(self, word: str) -> str:
        """Whom "they" or "the bank" (``word``) means; empty if that is not plain."""
        others = self.found.others if word.startswith("the ") else ()
        if names := self.names or _listed(self._run(others)):
            return _verb(names, names, names if word in ("they", "their") else "")
        return self.last.houses[0] if len(self.last.houses) == 1 else ""

    def dated(self, stem: str, new: re.Match[str]) -> str | None:
        """``stem`` with the date ``new`` in the place of its last one; None where that is half of a range."""
        old = _whens(stem)
        words = new[0]
        if not new["before"] and not new["relative"]:
            words = f"{(old[-1]['before'] if old else '') or ('in' if new['month'] else 'on')} {words}"
        if old:
            ranged = re.search(r"(?:\b(?:and|to)|[-–])\s?\Z", stem[: old[-1].start()][-5:])
            return None if ranged else _put(stem, old[-1].span(), words)
        # Right behind "say" it is surely the date of a note, which it may not be at the end.
        said = re.search(r"\b(?:say|says|said|write|wrote)\b", stem)
        at = said.end() if said else len(stem)
        return _put(stem, (at, at), f" {words}")

    @property
    def number(self) -> str:
        """The figure that "that number" means, with what it is a figure of; empty if there is none."""
        own = [one for one in figures(self.stem) if _kind(one, self.stem) not in ("date", "name", "year", "words")]
        figure = self.stem[own[-1].start : own[-1].end] if own else next(iter(self.last.figures), "")
        if figure in self.topic:
            return "the " + re.sub(r"(?i)\A(?:the|an?)\s", "", self.topic) if figure else ""
        words = understand(self.stem, today=_ANY_DAY, people=self.people).words
        hint = self.topic or " ".join([word for word in words if word.isalpha()][:6])
        return f"the {figure} ({hint})" if hint else f"the {figure}"


def _kind(figure: Figure, text: str) -> str:
    """What another figure must be to take its place: "year", or its unit; a number in words is none."""
    year = not figure.unit and YEAR.fullmatch(text, figure.start, figure.end)
    return "year" if year else figure.unit if any(map(str.isdigit, text[figure.start : figure.end])) else "words"


def _sentence(stem: str, people: Collection[str]) -> str:
    """Bare words as a question: "Bernstein luxury" asks what Bernstein said about luxury."""
    lead = _LEAD.match(stem)
    stem = stem[lead.end() :] if lead and lead["lead"] else stem
    tokens = tokens_of(stem, people)
    if not tokens or _ORDER.match(stem) or not (cue.AUXILIARIES | cue.QUESTION).isdisjoint(one.word for one in tokens):
        return stem
    named = [token for token in tokens if token.names]
    if not named:
        return f"What do analysts say about {stem}" if len(stem) <= _LONGEST_TOPIC else stem
    names = _only_names(stem[: named[-1].end], people)
    topic = re.fullmatch(r"[\s:,–-]+(?:(?:on|about|re|regarding)\s)?(.+)", stem[named[-1].end :])
    return f"What did {names} say about {topic[1]}" if names and topic else stem


def _again(new: _Followup, old: _Frame) -> str | None:
    """As in "why?", "really?", "tell me more"."""
    why = _WHY.fullmatch(new.phrase) is not None
    return old.ask(why=old.why or why) if why or _AGAIN.fullmatch(new.phrase) else None


def _others(new: _Followup, old: _Frame) -> str | None:
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


def _placed(new: _Followup, old: _Frame) -> str | None:
    """As in "and Citi?", "since Monday?", "and according to Citi last week?"."""
    rest, verbs = _SAYS_WHAT.subn("", new.core)
    if new.when and verbs:  # "What did Citi say last week?" may want just that.
        return None
    rest = (_put(rest, new.when.span(), "") if new.when else rest).strip()
    names = _only_names(rest, new.people)
    if rest and not names:
        return None
    stem = old.asking(names, asks=_ASKS.match(new.core) is not None) if names else old.stem
    stem = old.dated(stem, new.when) if stem and new.when else stem
    return old.ask(stem) if stem else ""


def _figured(new: _Followup, old: _Frame) -> str | None:
    """As in "and $6M?", "and for 2026?": a figure in the place of the last one of its kind."""
    match = re.fullmatch(r"(?:(in|for|by|at|on|about)\s)?(?:the\s)?(?P<figure>.+)", new.core, re.IGNORECASE)
    found = figures(new.core)
    if not match or [(one.start, one.end) for one in found if one.unit != "name"] != [match.span("figure")]:
        return None
    kind = _kind(found[0], new.core)
    same = [one for one in figures(old.stem) if _kind(one, old.stem) == kind]
    if not (new.leads or match[1]) or not (same or kind in ("year", "date")):
        return ""
    if same:
        return old.ask(_put(old.stem, (same[-1].start, same[-1].end), match["figure"]))
    end = old.span[1] or len(old.stem)
    return old.ask(_put(old.stem, (end, end), f" {match[1] or 'in'} {match['figure']}"))


def _pointed(new: _Followup, old: _Frame) -> str | None:
    """As in "what about that number?", "is it cheap?": a figure or a topic for what points to it."""
    found = _NUMBER.search(new.core)
    what, span = old.number, (found.span("it") if found["it"] else found.span("it2")) if found else (0, 0)
    if not found and (judged := _JUDGED.fullmatch(new.core)) and judged["verb"].lower() not in _MINDS:
        what, span = old.topic, judged.span("it")
    elif not found or len(new.tokens) > _FEW_WORDS or companies_named(new.core, True) or figures(new.core):
        return None
    if not what or any(token.names for token in new.tokens):
        return ""
    return old.ask(f"{'' if span[0] else 'What about '}{_put(new.core, span, what)}{old.source}", why=False)


def _spoken(new: _Followup, old: _Frame) -> str | None:
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
    text = _joined(new.core[: found.start()], name, ("'s" if found["owner"] else "") + new.core[found.end() :])
    words = understand(text, today=_ANY_DAY, people=new.people).words
    if old.topic and _BLAND.issuperset(words) and {"about", "on", "regarding"}.isdisjoint(behind):
        text = f"{text} {'on' if words else 'about'} {old.topic}"
    return old.ask(text, why=False) if speaks else None


def _topical(new: _Followup, old: _Frame) -> str | None:
    """As in "and on margins?", "what about tin?"; "tin?" alone may be a search of its own."""
    match = re.fullmatch(r"(?i)(?:(on|about|regarding|for|in|of|from|at|to|with|by)\s)?(.+)", new.core)
    if not match or not (new.leads or match[1]):
        return None
    words = [token.word for token in tokens_of(match[2], new.people)]
    wrong = _VAGUE | cue.AUXILIARIES | cue.QUESTION | cue.ANYBODY | cue.FINITE
    # "Acme Securities" may be a house that is not known, and no topic.
    firm = match[2][0].isupper() and words[-1] in cue.FIRM
    if firm or len(words) > _FEW_WORDS or "" in words or not wrong.isdisjoint(words):
        return None
    stem = old.about(match[2], (match[1] or "").lower())
    return old.ask(stem) if stem else None


_RULES = (_again, _others, _placed, _figured, _pointed, _spoken, _topical)
