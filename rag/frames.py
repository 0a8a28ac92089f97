"""A question taken apart, so that another can be made of it: who is asked, about what, and when.

In: an `Exchange`, the people who are known. Out: its `Frame`, which asks again with other names, another topic or
another date in the place of its own. It does not know what was asked next.
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

_LONGEST_TOPIC = 80
ANY_DAY = date(2000, 1, 1)
STOPS = " \t\n?!.…,;"
LEAD = re.compile(
    r"(?i)(?:(?:ok(?:ay)?|so|but|well|hmm?|yes|no|right|thanks|great|please|now|then)\b[\s,]*)*(?P<lead>(?:(?:and|or|also"
    r"|plus)\b[\s,]*)?(?:(?:what|how)\s(?:about|of)\b|(?:the\s)?same\s(?:question\s)?(?:for|with|from|on|about)\b)?)\s*"
    r"(?:(?:also|then)\b\s*)?"
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|(?:nov|dec)(?:ember)?)\b"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?\b"
_OF_YEAR = r"(?:,?\s(?:19|20)\d\d\b)?"
WHEN = re.compile(
    r"(?i)\b(?:(?P<before>since|after|before|until|till|up\sto|in|on|during|over|within|from)\s(?:the\s)?)?(?:"
    r"(?P<relative>(?:the\s)?(?:last|past|previous|this)\s(?:(?:\d{1,2}|two|three|four|five|six|few|couple\sof)\s)?"
    r"(?:day|week|weekend|month|quarter|year)s?|yesterday|today|this\s(?:morning|afternoon))"
    rf"|(?:19|20)\d\d-\d\d-\d\d|(?:last\s)?(?:mon|tues|wednes|thurs|fri|satur|sun)day|{_DAY}\s(?:of\s)?{_MONTH}{_OF_YEAR}"
    rf"|{_MONTH}\s{_DAY}{_OF_YEAR}|(?P<month>{_MONTH}{_OF_YEAR}))(?![\w'’-])"
)
_AROUND = cue.JOINS - {"v", "vs", "versus"} | set("according to per for from with in view take analyst".split())
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
VAGUE = frozenset(
    "it its that this these those them they their he she his her one ones else other others rest same next previous"
    " before after later earlier last week month year day yet i you we me us your my something nothing all more".split()
)


class Frame:
    """The last question: who was asked, about what and when, each with its offsets in ``stem``."""

    def __init__(self, last: Exchange, people: Collection[str]) -> None:
        """Take apart the question of ``last``; ``people`` are the names that may stand in it."""
        self.last = last
        self.people = people
        stem = bare(last.question)
        self.why = bool(_AND_WHY.search(stem))
        self.stem = _sentence(_ELSE.sub("", _AND_WHY.sub("", stem)).strip(STOPS), people)
        self.tokens = tokens_of(self.stem, people)
        self.found = addressees(self.stem, people)
        self.asked = self._run(self.found.asked)
        self.names = _listed(self.asked)
        # No topic spans a date, a year or a source.
        self.masked = self.stem
        for one in (*dates_in(self.stem), *_FRINGE.finditer(self.stem)):
            self.masked = replaced(self.masked, one.span(), "\0" * len(one[0]))
        self.span = self._topic()
        self.topic = self.stem[slice(*self.span)]
        when = [f"as {self.names} said {one[0]}" for one in dates_in(self.stem)] or [f"according to {self.names}"]
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
            return sentence_around(self.stem[: run[0].start], names, self.stem[run[-1].end :])
        if self.found.strangers:
            before, stranger, after = self.stem.partition(self.found.strangers[0])
            return sentence_around(before, names, after) if stranger else None
        return None if understand(self.stem, today=ANY_DAY, people=self.people).own else self._asking_first(names)

    def _asking_first(self, names: str) -> str | None:
        """The stem, which asks nobody by name, asked of ``names``."""
        if found := _ANYONE.search(self.stem):
            return sentence_around(f"{self.stem[: found.end(1)]} ", names, self.stem[found.end() :])
        if found := _WHO.match(self.stem):
            rest = self.stem[found.end() :]
            if found[1]:
                return f"{agreeing(names, 'Is', 'Are')} {names} {rest}"
            past = {"said": "say", "thought": "think", "argued": "argue"}.get(found[2].lower())
            verb = past or found[2].lower().removesuffix("s")
            if verb in cue.SAYING | cue.JUDGING:
                return f"{'Did' if past else agreeing(names, 'Does', 'Do')} {names} {verb}{rest}"
        spoken = not cue.SAYING.isdisjoint(token.word for token in self.tokens)
        return None if spoken else f"{self.stem}, according to {names}"

    def _topic(self) -> tuple[int, int]:
        """Where the topic stands; nowhere is 0:0."""
        found = next((match for pattern in _TOPICS if (match := pattern.search(self.masked))), None)
        start, end = found.span("topic") if found else self._object()
        text = self.stem[start:end].rstrip()
        vague = not text or len(text) > _LONGEST_TOPIC or text.split()[0].lower() in VAGUE
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
            return replaced(self.stem, firms[0][:2], topic)
        if preposition in ("", "on", "about", "regarding"):
            # What stands in brackets explains a figure, which is no other topic's.
            if self.topic and self.stem[self.span[0] - 1] != "(":
                return replaced(self.stem, self.span, topic)
            return f"What did {self.names} say about {topic}" if self.names else None
        place = rf"\b{preposition}\s(?P<old>[^\0,]+?)(?=\s(?:for|in|of|from|at|to|with|by|on)\s|[\0,]|\s?\Z)"
        if found := list(re.finditer(place, self.masked)):
            return replaced(self.stem, found[-1].span("old"), topic)
        end = self.span[1] or len(self.stem)
        return replaced(self.stem, (end, end), f" {preposition} {topic}")

    def speaker(self, word: str) -> str:
        """Whom "they" or "the bank" (``word``) means; empty if that is not plain."""
        others = self.found.others if word.startswith("the ") else ()
        if names := self.names or _listed(self._run(others)):
            return agreeing(names, names, names if word in ("they", "their") else "")
        return self.last.houses[0] if len(self.last.houses) == 1 else ""

    def dated(self, stem: str, new: re.Match[str]) -> str | None:
        """``stem`` with the date ``new`` in the place of its last one; None where that is half of a range."""
        old = dates_in(stem)
        words = new[0]
        if not new["before"] and not new["relative"]:
            words = f"{(old[-1]['before'] if old else '') or ('in' if new['month'] else 'on')} {words}"
        if old:
            ranged = re.search(r"(?:\b(?:and|to)|[-–])\s?\Z", stem[: old[-1].start()][-5:])
            return None if ranged else replaced(stem, old[-1].span(), words)
        # Right behind "say" it is surely the date of a note, which it may not be at the end.
        said = re.search(r"\b(?:say|says|said|write|wrote)\b", stem)
        at = said.end() if said else len(stem)
        return replaced(stem, (at, at), f" {words}")

    @property
    def number(self) -> str:
        """The figure that "that number" means, with what it is a figure of; empty if there is none."""
        own = [one for one in figures(self.stem) if kind_of(one, self.stem) not in ("date", "name", "year", "words")]
        figure = self.stem[own[-1].start : own[-1].end] if own else next(iter(self.last.figures), "")
        if figure in self.topic:
            return "the " + re.sub(r"(?i)\A(?:the|an?)\s", "", self.topic) if figure else ""
        words = understand(self.stem, today=ANY_DAY, people=self.people).words
        hint = self.topic or " ".join([word for word in words if word.isalpha()][:6])
        return f"the {figure} ({hint})" if hint else f"the {figure}"


def bare(text: str) -> str:
    """``text`` in one line, without what ends it."""
    return " ".join(text.split()).strip(STOPS)


def replaced(text: str, span: tuple[int, int], new: str) -> str:
    """``text`` with ``new`` in the place of ``span``, its offsets."""
    return f"{text[: span[0]]}{new}{text[span[1] :]}"


def dates_in(text: str) -> list[re.Match[str]]:
    """The dates in ``text``; a month alone ("may") needs its preposition."""
    return [one for one in WHEN.finditer(text) if one["before"] or not one["month"]]


def only_names(text: str, people: Collection[str]) -> str:
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


def agreeing(names: str, one: str, several: str) -> str:
    """The form of a verb that agrees with ``names`` in number."""
    return several if re.search(r",|&|\s(?:and|or)\s", names) else one


def sentence_around(before: str, names: str, after: str) -> str:
    """A sentence around ``names``, its auxiliary in their number: "do they" becomes "does Citi"."""
    if auxiliary := re.search(r"\b(do|ha|are|i|were|wa)(?:es|s|ve)?(?=\s(?:the\s)?\Z)", before, re.IGNORECASE):
        forms = {"do": ("does", "do"), "ha": ("has", "have"), "wa": ("was", "were"), "were": ("was", "were")}
        right = agreeing(names, *forms.get(auxiliary[1].lower(), ("is", "are")))
        before = replaced(
            before, auxiliary.span(), right.capitalize() if before[auxiliary.start()].isupper() else right
        )
    if owned := re.match(r"['’]s?(?!\w)", after):
        after = ("'" if names.endswith("s") else "'s") + after[owned.end() :]
    return f"{before}{names}{after}"


def kind_of(figure: Figure, text: str) -> str:
    """What another figure must be to take its place: "year", or its unit; a number in words is none."""
    year = not figure.unit and YEAR.fullmatch(text, figure.start, figure.end)
    return "year" if year else figure.unit if any(map(str.isdigit, text[figure.start : figure.end])) else "words"


def _sentence(stem: str, people: Collection[str]) -> str:
    """Bare words as a question: "Bernstein luxury" asks what Bernstein said about luxury."""
    lead = LEAD.match(stem)
    stem = stem[lead.end() :] if lead and lead["lead"] else stem
    tokens = tokens_of(stem, people)
    if not tokens or _ORDER.match(stem) or not (cue.AUXILIARIES | cue.QUESTION).isdisjoint(one.word for one in tokens):
        return stem
    named = [token for token in tokens if token.names]
    if not named:
        return f"What do analysts say about {stem}" if len(stem) <= _LONGEST_TOPIC else stem
    names = only_names(stem[: named[-1].end], people)
    topic = re.fullmatch(r"[\s:,–-]+(?:(?:on|about|re|regarding)\s)?(.+)", stem[named[-1].end :])
    return f"What did {names} say about {topic[1]}" if names and topic else stem
