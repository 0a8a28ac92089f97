"""The cues by which running prose hands the microphone to somebody: a grammar over one sentence.

In: a sentence and the people already introduced. Out: a `Cue`, or None. It does not know what was said before
or after the sentence; `rag.turns` keeps that state.

Houses and known people are masked by private-use characters of the same length before the patterns run, so
that "Bank of America", "Citi" and a surname are each one symbol, and every offset stays true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rag.houses import houses_named

Kind = Literal["hand", "once", "credit", "topic"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A house, and the person who speaks for it where one is named."""

    house: str
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """What a sentence says about who speaks.

    ``hand``: from ``at`` on it is the speaker's turn; ``firm`` where a colon or an ellipsis says so.
    ``once``: this sentence is the speaker's. ``credit``: a block ended at ``at``. ``topic``: named, no more.
    ``spoken``: the sentence holds the speaker's own words before ``at`` as well.
    """

    kind: Kind
    speaker: Speaker
    at: int
    firm: bool = False
    spoken: bool = False


@dataclass(frozen=True, slots=True)
class _Mention:
    start: int
    end: int
    speaker: Speaker


_WORD = re.compile(r"\w+")
_MARKUP = str.maketrans("*_#>|[]", "       ")
# Jean-Pierre O'Neil-Smith de la Cruz has eight.
_NAME_WORDS = 8
_STRANGER_WITHIN = 400
_H = "\ue000\ue001*"
_CAPITAL = r"[A-ZÀ-ÖØ-Þ](?:\.|[\w-]*(?:['’][A-ZÀ-Þ]\w+)?)"
_NO_NAME = (
    r"(?!(?:The|And|But|So|Or|As|In|On|At|For|From|Here|There|This|That|Per|According|Back|Over|Now|Then|Next|"
    r"Meanwhile|Also|Even|Still|Finally|First|Global|Chief|Head|Strategy|Research|Equity|Equities|Rates|Credit|"
    r"Economics|Markets|Capital|Investment|Securities|Asset|Buy|Sell|Neutral|Hold|Overweight|Underweight|"
    r"Outperform|US|UK|EU|FX|CEO|CFO|European|Asia|Asian|Emerging|Monday|Tuesday|Wednesday|Thursday|Friday)\b)"
)
_NAME = rf"{_NO_NAME}{_CAPITAL}(?:\s+(?:(?:de|van|von|der|den|la|le|di|bin)\s+)?{_NO_NAME}{_CAPITAL}){{1,3}}"
_JOB = (
    r"(?:analysts?|strategists?|economists?|team|desk|researchers?|sales\w*|traders?|specialists?|folks|people|"
    r"colleagues|crew|boffins|quants?|research|house view|note|report)"
)
_ADVERB = r"(?:(?:also|now|still|then|again|too|just|even|already|though|however|meanwhile|\w+ly),?\s+){0,2}"
_MODAL = r"(?:(?:has|have|had|would|will|do|does|did|don['’]t|doesn['’]t|didn['’]t|can|could|might|not)\s+){0,2}"
_STANCE = (
    r"(?:is|are|was|were|remains?|stays?|sounds?|seems?|looks?)\s+(?:\w+\s+){0,3}?(?:worried|sceptical|skeptical|bullish|"
    r"bearish|cautious|convinced|unconvinced|persuaded|unpersuaded|optimistic|pessimistic|upbeat|sanguine|relaxed|"
    r"clear|adamant|sure|wary|positive|negative|constructive|concerned|confident|unimpressed|keen|of the view|"
    r"looking for|calling|telling|arguing|urging|puzzled|calm|overweight|underweight|neutral|long|short|"
    r"certain|gloom(?:y|ier)|hopeful|nervous|downbeat|calmer|impressed|enthusiastic|excited|tempted|blunt(?:er)?|dismissive|at(?=\s\d[\d.,]*\s?(?:%|per\s?cent|bps?)))\b"
)
_TARGET = (
    r"(?:raise[sd]?|cuts?|lifts?|lifted|trims?|trimmed|lowers?|lowered|slash(?:es|ed)|hikes?|hiked|drops?|dropped|keeps?|kept)\s+"
    r"(?:its|his|her|their)\s+(?:[\w-]+\s+){0,3}(?:targets?|forecasts?|estimates?|ratings?|calls?|cuts?|hikes?)|"
    r"(?:cuts?|moves?d?|raise[sd]?|downgrade[sd]?|upgrade[sd]?)\s+(?:[\w-]+\s+){0,4}?to\s+(?:buy|hold|sell|neutral|reduce|"
    r"(?:over|under)weight|(?:out|under)perform|equal-weight|market\s+perform)\b|"
    r"ha(?:s|ve)\s+(?:one|two|three|four|five|six|no|\d+)\s+(?:\w+\s+)?(?:cuts?|hikes?)\b"
)
_REPORT = (
    r"(?:says?|said|notes?|noted|argues?|argued|thinks?|thought|writes?|wrote|written|estimates?|estimated|"
    r"reckons?|reckoned|believes?|believed|expects?|expected|warns?|warned|adds?|added|points?\s+(?:out|to)|"
    r"pointed\s+(?:out|to)|suggests?|suggested|observes?|observed|explains?|explained|concludes?|concluded|"
    r"cautions?|cautioned|comments?|commented|sees?|calculates?|calculated|highlights?|highlighted|flags?|flagged|"
    r"stress(?:es|ed)?|insists?|insisted|claims?|claimed|contends?|contended|maintains?|maintained|predicts?|"
    r"predicted|forecasts?|projects?|assumes?|assumed|recommends?|recommended|advises?|advised|prefers?|"
    r"preferred|likes?|doubts?|doubted|questions?|questioned|asks?|asked|repl(?:y|ies|ied)|counters?|countered|"
    r"responds?|responded|tells?|told|puts?\s+(?:it|this|that|down)|blames?|blamed|"
    r"attributes?|attributed|frames?|framed|describes?|described|calls|"
    r"agrees?|agreed|disagrees?|disagreed|concurs?|summari[sz]es?|summari[sz]ed|sums?\s+(?:it\s+|things\s+)?up|"
    r"continues|elaborates?|weighs?\s+in|chimes?\s+in|takes?\s+(?:up|over|issue|the|a)|picks?\s+up|(?:goes|went)\s+on|"
    r"offers?|offered|favou?rs?|counts|pencils\s+in|looks?\s+for|ha(?:s|ve)(?=\s+\d[\d.,]*\s*(?:%|per\s?cent|b(?:p|ps|asis)\b))|"
    r"worr(?:y|ies|ied)|fears?|feared|figures?|finds?|found|"
    r"wonders?|wondered|hopes?|anticipates?|anticipated|makes?\s+(?:a|the)\s+(?:\w+\s+)?(?:point|case|argument)|"
    rf"{_STANCE}|{_TARGET})"
)
_PLURAL = r"(?:both|all|each|have|say|said|see|think|thought|expect|argue|agree|believe|reckon|note|forecast|warn)\b"
_INVERTED = (
    r"(?:says?|said|writes?|wrote|argues?|argued|notes?|noted|adds?|added|reckons?|thinks?|warns?|warned|"
    r"observes?|concludes?|asks?|explains?|according\s+to|quips?|quipped|insists?|suggests?|cautions?|points\s+out)"
)
_NOUN = (
    r"(?:view|take|verdict|argument|conclusion|advice|message|call|bottom\s+line|base\s+case|thesis|logic|read|"
    r"word|words|thoughts|thinking|summary|analysis|reaction|response|answer|explanation|numbers|maths?|"
    r"estimates?|reckoning|forecasts?|calculations?|opinion|eyes|case)"
)
_OPENER = (
    r"(?:here(?:['’]s|\s+is|\s+are|\s+comes?)|over\s+to|back\s+to|(?:now|next|on)\s+to|now\s+for|next\s+up|first\s+up|"
    r"take\s+it\s+away|more\s+from|(?:(?:let['’]s|let\s+us|we(?:['’]ll)?|I(?:['’]ll)?|time\s+to)\s+(?:now\s+)?)?"
    r"(?:hear|turn|go|return|switch|hand|move|cross|head)(?:ing)?\s+(?:it\s+|things\s+)?(?:over\s+|on\s+|back\s+)?"
    r"(?:from|to)|(?:and\s+)?then\s+(?:there(?:['’]s|\s+is)|comes?)|step\s+forward|"
    r"(?:the\s+)?(?:(?:last|final|closing|first)\s+)?(?:floor|mic|microphone|word)\s+(?:to|(?:goes|is|belongs|now)(?:\s+(?:over\s+)?to)?))"
)
# These need a colon: "From Citi:" is a hand-over, "From Citi he went to UBS." is not.
_WEAK_OPENER = (
    r"(?:this\s+is|(?:this\s+)?(?:comes?\s+)?from|via|next|cue|enter|courtesy\s+of|to\s+quote|quoting|(?:not\s+)?according\s+to|not\s+so|"
    r"in\s+the\s+words\s+of)"
)
_FILLER = r"(?:[\w’'.&/-]+,?\s+){0,9}?"
_AGAIN = r"(?:again|once\s+more|too|next|first|now|also|instead|meanwhile|for\s+one|et\s+al\.?)"

# What may stand between the name of a house and its verb: the person, the job, an apposition.
_TAIL = re.compile(
    rf"(?:['’]s?(?=\W)|\)|\s+et\s+al\.?|\s*\([^)]*\)|\s*,[^,:;“”\"]{{1,80}},|\s*,(?=\s)|\s+(?:led|headed|run)\s+by\b|"
    r"\s+(?:Bank|Group|Research|Securities|Markets|(?:Asset|Wealth|Investment)\s+Management|Capital\s+Markets)\b|"
    rf"\s+(?:which|who)\b|\s+{_NAME}|\s+{_H}|\s+(?:and|&)\s+{_H}(?=\s+{_PLURAL})|\s+(?:both|all|each)\b|\s+(?:at|of|from)\s+(?:the\s+)?{_H}|\s+{_NOUN}\b|"
    rf"\s*(?:,|and|&)\s+(?:(?:his|her|the|their)\s+)?(?:{_NAME}|{_JOB}|co\.?)(?=\W)|"
    rf"\s+(?:(?!{_REPORT}\b)[\w’&/-]+\s+){{0,4}}?{_JOB}\b){{0,7}}\s*"
)
_VERB = re.compile(rf"{_ADVERB}{_MODAL}{_ADVERB}{_REPORT}\b", re.IGNORECASE)
# "Citi has this to say:" hands over, "Citi has a point." reports nothing.
_HAS = re.compile(r"(?:\w+ly\s+)?ha(?:s|ve|d)\s+(?:this|more|a|the|plenty|something)\b")
_ANY_VERB = re.compile(rf"{_ADVERB}(?:{_MODAL}[a-z]+(?:s|ed)|(?:is|are|was|were|has|have|had|does|did)(?:n['’]t)?)\b")
_NEWS = re.compile(
    r"[^.]*?\b(?:said|reported|announced)\s+(?:\w+\s+){0,3}?(?:(?:that\s+)?its?\b|(?:net\s+|quarterly\s+|annual\s+)?"
    r"(?:profits?|revenues?|earnings|bonus\w*|net\s+income|dividend)\b)"
)
_BEFORE_ONCE = re.compile(
    rf"(?:^|[\s(,;–—-])(?:as\s+)?(?:per|according\s+to|in\s+the\s+(?:view|words|opinion|eyes)\s+of)\s+(?:the\s+)?{_FILLER}$",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"\b(?:on|about|against)\s+(?:the\s+)?$", re.IGNORECASE)
_POSSESSED = re.compile(r"(?:^|[\s,(])(?:in|on|by|to)\s+$", re.IGNORECASE)
_POSSESSION = re.compile(rf"['’]s?\s+(?:[\w-]+\s+)?{_NOUN}\b", re.IGNORECASE)
_TAGGED = re.compile(rf"[,”\"’'?!–—-]\s*(?:\w+ly\s+|as\s+)?{_INVERTED}\s+(?:the\s+)?{_FILLER}$", re.IGNORECASE)
_AT_OPENING = r"(?:^\W*|[,;–—-]\s+|^\W*(?:and|but|so|now|then|ok|okay|finally|first)\s+)"
_OPENED = re.compile(rf"{_AT_OPENING}{_OPENER}\s+(?:the\s+)?{_FILLER}$", re.IGNORECASE)
_WEAKLY_OPENED = re.compile(rf"{_AT_OPENING}{_WEAK_OPENER}\s+(?:the\s+)?{_FILLER}$", re.IGNORECASE)
_LEAD = re.compile(
    r"[\W_]*(?:\d{1,2}[.)]\s+)?(?i:(?:and|but|so|now|then|next|first|finally|meanwhile|elsewhere|also|as\s+for|for|from|via|or)\b,?\s*)*"
    rf"(?:[Tt]he\s+)?(?:{_NAME}(?:\s+et\s+al\.?|\s+and\s+(?:(?:his|her)\s+)?team)?,?\s+(?:[\w’'-]+\s+){{0,6}}?"
    rf"(?:at|of|from|with|for)\s+|{_NAME}(?:,\s+|\s+\()|(?:[Tt]he\s+)?(?i:{_JOB})\s+(?:at|of|from)\s+)?(?:the\s+)?$"
)
_BARE = re.compile(
    rf"(?:\s*,?\s*{_AGAIN})*(?:['’]s?\s+(?:{_NOUN}|{_AGAIN}))?(?:\s*,?\s*(?:on|in|with|for|talking|writing|speaking|"
    rf"this|today|yesterday|who|whose)\b.{{0,80}})?[\s,.*_)]*$",
    re.IGNORECASE | re.DOTALL,
)
_CLOSING = re.compile(
    rf"(?:\b(?:(?i:from|by|was|is|comes?|came|belongs?\s+to|goes\s+to)|(?i:{_NOUN})\s+(?:of|at))\s+|^)(?:[Tt]he\s+)?"
    rf"(?:{_NAME},?\s+(?:of|at|from)\s+)?$"
)
_VIEW = re.compile(
    rf"(?:^|\W)(?:that|this|which|it)(?:['’]s|\s+is|\s+was)\s+(?:\w+\s+){{0,3}}?(?:the\s+)?(?:\w+\s+)?{_NOUN}\s+"
    rf"(?:of|at|from|over\s+at)\s+(?:the\s+)?{_FILLER}$|(?:^|\W)so\s+(?:does|do|says?|is|are)\s+{_FILLER}$",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"\s*(?:broadly\s+|mostly\s+|strongly\s+)?(?:agrees?|disagrees?|concurs?|(?:isn['’]t|aren['’]t|(?:is|are)\s+not)\s+(?:so\s+|as\s+)?"
    r"(?:sure|convinced|worried|buying\s+it)|begs?\s+to\s+differ|takes?\s+(?:a|the)\s+\w+\s+view)[.!]*$",
    re.IGNORECASE,
)
_PERSON_AFTER = re.compile(
    rf"(?:['’]s?)?\s+(?:(?:[a-z][\w’&/-]*|[A-Z]{{2,5}}|Global|Chief|Head|European|Asian?),?\s+){{0,7}}?({_NAME})"
)
_PERSON_THERE = re.compile(rf",\s+(?:(?:[a-z][\w’-]*)\s+){{0,5}}?({_NAME})")
_PERSON_BEFORE = re.compile(
    rf"({_NAME})(?:\s+et\s+al\.?)?(?:\s*(?:,|and|&)\s+(?:(?:his|her|the)\s+)?(?:team|colleagues|co\.?|{_NAME}))*"
    r"(?:,?\s+(?:(?:an?|the|who|[a-z][\w-]+)\b[^.:;“”]{0,60}?\s+)?(?:at|of|from|with|for)\s+(?:the\s+)?|,\s+|\s+\()$"
)
_RIGHTS = re.compile(r"©|\([cC]\)|[Cc]opyright")
_CREDIT = re.compile(rf"(?:©|\([cC]\)|[Cc]opyright)\s*(?:\d{{4}}\s*)?{_H}(?:\s+\d{{4}})?[.\s]*")
_COLON = re.compile(r":(?=[\s*_”\"“‘]|$)")
_CAPITAL_BEHIND = re.compile(r":\s+[\"“]?[A-Z][a-z]*\s+[a-z\d$]")
_ELLIPSIS = re.compile(r"(?:…|\.(?:\s?\.){2})[\s.]*$")
_TITLED = re.compile(
    r"\b(?:note|report|piece|email|missive)\b.{0,20}\b(?:called|titled|entitled|headed|headlined)\b", re.I
)
_EXCERPT = re.compile(
    r"\b(?:summary|passage|paragraph|extract|excerpt|gist|nub|punchline|(?:money|key|full)\s+(?:quote|bit|point|text))\b",
    re.I,
)
_PRONOUN = re.compile(r"\b(?:his|her|their)\b|\b(?:he|she|they)\s+(?:\w+\s+)?ha(?:s|ve)\s+(?:this|more)\b", re.I)
_TEAM = re.compile(rf"^\W*{_NAME}\s+(?:et\s+al\b|(?:and|&)\s+(?:(?:his|her|the)\s+)?(?:team|colleagues|co)\b)")
_HE_OR_SHE = re.compile(r"\b(?:he|she|his|her)\b", re.IGNORECASE)
# "It sees" may be said of anything that sees; these take a mouth.
_SAYING = (
    r"(?:says?|said|adds?|added|argues?|argued|reckons?|notes?|noted|warns?|warned|thinks?|recommends?|forecasts?|"
    r"likes|prefers|expects|doubts)"
)
_THEY = (
    r"(?:he|she|they|(?:the|its|their)\s+(?:(?!and\b)[\w-]+\s+){0,2}?(?:bank|broker|brokerage|lender|consultancy|boutique|team|firm|house|note|report|"
    rf"analysts?|strategists?|economists?)(?:['’]s?\s+(?:[\w-]+\s+){{0,4}}?(?:{_JOB}|(?-i:{_NAME}))|\s+(?-i:{_NAME}))?)"
)
_PRONOUN_SAYS = re.compile(
    rf"^[\W_]*(?:(?:and|but|yet|so|indeed|still),?\s+)?{_THEY}\s+{_ADVERB}{_MODAL}{_ADVERB}{_REPORT}\b|"
    r"^[\W_]*(?:his|her)\s+(?:[\w-]+\s+)?(?:targets?|forecasts?|estimates?|models?|base\s+case|numbers?)\b|"
    rf"^[\W_]*s?he\s+{_ADVERB}(?:calls|called|keeps|kept|puts|rates|rated|cites|cited|reiterate[sd])\b|"
    rf"(?:^[\W_]*|[,”\"’'?!]\s*)it\s+{_ADVERB}{_SAYING}\b|"
    rf"[,”\"’'?!]\s*{_THEY}\s+{_INVERTED}\b|\b{_INVERTED}\s+{_THEY}(?=[,.:\s]|$)",
    re.IGNORECASE,
)
_THEIR_OWN = re.compile(
    rf"\b(?:[Tt]he\s+(?:\w+\s+)?(?:bank|broker|brokerage|lender|firm|house)['’]s\s+(?:[a-z-]+\s+){{0,4}}"
    rf"|[Ii]ts\s+(?:[a-z-]+\s+){{0,3}}{_JOB}\s+)({_NAME})"
)
# Somebody whom no gazetteer knows takes the word: it is nobody's turn that we could name.
_STRANGER = re.compile(
    rf"^(?:[\W_]*(?:(?i:and|but|so|now|then|next|finally|meanwhile),?\s+)?(?i:{_OPENER})\s+(?:[\w’'&.-]+,?\s+){{0,8}}?{_NAME}"
    rf"[^:…]{{0,80}}(?::|…|\.\s?\.)|[\W_]*(?i:(?:and|but|so|then)\s+)?{_NAME}"
    rf"(?:,\s[^,:]{{1,80}},|\s+(?:at|of|from)\s+[^,:]{{1,40}}?)\s+{_ADVERB}{_MODAL}(?:{_REPORT}|[a-z]+(?:s|ed))\b)"
    r"|[,?!][”\"’]\s+(?:he|she|it|they)\s+(?:says?|said|writes?|wrote)\b"
    rf"|[,”\"’]\s*(?:says?|said|writes?|wrote|argues?|argued)\s+{_NAME}(?:,\s+\w|\s+(?:at|of|from)\s)"
)
_FIRST_NAME = re.compile(rf"(?:{_H}['’]s?\s+(?:[a-z-]+\s+){{0,4}}|(?:^|\s)){_NO_NAME}[A-Z][a-z]+\s+$")
_EMPLOYED = re.compile(r"(?:,[^,.:]{0,60}?)?\s+(?:at|of|from)\s+(?:the\s+)?\ue000")
# For the terminal colon of "Citi's uranium desk is always happy to talk:".
_PEOPLE = re.compile(rf"{_JOB}\s*$")


def read_cue(sentence: str, quoted: list[tuple[int, int]], known: Mapping[str, Speaker]) -> Cue | None:
    """Read the cue of one sentence; ``quoted`` are its stretches inside quotation marks.

    Names inside quotation marks are somebody else's words and give no cue.
    """
    if credit := _credit(sentence):
        return credit
    mentions = [m for m in _mentions(sentence, known) if not any(a < m.start < b for a, b in quoted)]
    if not mentions:
        return None
    masked = _masked(sentence, mentions, quoted)
    colons = [c.start() for c in _COLON.finditer(masked)]
    for mention in mentions:
        if cue := _cue_at(masked, mention, colons, quoted):
            return cue
    return Cue("topic", mentions[0].speaker, len(sentence))


def speaks_on(sentence: str, speaker: Speaker) -> Speaker | None:
    """The speaker, with the person named, if a pronoun or "the bank" that can stand for him takes the word again."""
    found = _PRONOUN_SAYS.search(sentence)
    named = _THEIR_OWN.search(sentence)
    if found is None or (speaker.person is None and _HE_OR_SHE.search(found[0])):
        return None
    if named is None and _NEWS.match(sentence):
        return None
    return Speaker(speaker.house, named[1]) if named else speaker


def names_its_own(sentence: str) -> bool:
    """Tell whether a sentence names a person by the house he works for: "its strategist Jane Doe"."""
    return _THEIR_OWN.search(sentence) is not None


def stranger_speaks(sentence: str) -> bool:
    """Tell whether a sentence that names no known speaker gives the word to somebody else all the same."""
    return _STRANGER.search(sentence[:_STRANGER_WITHIN]) is not None


def introduces(sentence: str, quoted: list[tuple[int, int]]) -> int | None:
    """Where a sentence hands over to whoever was named just before ("his note in full:"); None if it does not."""
    for colon in _COLON.finditer(sentence):
        if not any(a <= colon.start() < b for a, b in quoted):
            before = sentence[: colon.start()]
            hands = (
                _EXCERPT.search(before)
                or _PRONOUN.search(before)
                or _PRONOUN_SAYS.search(before)
                or _TEAM.search(before)
            )
            return colon.end() if hands else None
    return len(sentence) if _TITLED.search(sentence) and _PRONOUN.search(sentence) else None


def _credit(sentence: str) -> Cue | None:
    if not _RIGHTS.search(sentence):
        return None
    mentions = _mentions(sentence, {})
    masked = _masked(sentence, mentions, [])
    match = _CREDIT.search(masked)
    if not match or not mentions:
        return None
    speaker = next((m.speaker for m in mentions if match.start() < m.start < match.end()), mentions[0].speaker)
    return Cue("credit", speaker, match.end())


def _mentions(sentence: str, known: Mapping[str, Speaker]) -> list[_Mention]:
    found = [_Mention(a, b, Speaker(house)) for a, b, house in houses_named(sentence)]
    masked = _masked(sentence, found, [])
    # Mr Lazard of UBS does not speak for Lazard.
    found = [m for m in found if sentence[m.start : m.end] not in known and not _is_surname(masked, m)]
    masked = _masked(sentence, found, [])
    found = [_Mention(m.start, m.end, Speaker(m.speaker.house, _person(sentence, masked, m, known))) for m in found]
    people = _people(sentence, known) if known else ()
    found += [p for p in people if not any(m.start < p.end and p.start < m.end for m in found)]
    return sorted(found, key=lambda m: m.start)


def _is_surname(masked: str, mention: _Mention) -> bool:
    before = masked[max(0, mention.start - 80) : mention.start]
    first = _FIRST_NAME.search(before)
    return first is not None and (first[0][0] == "\ue000" or bool(_EMPLOYED.match(masked, mention.end)))


def _people(text: str, known: Mapping[str, Speaker]) -> Iterator[_Mention]:
    """The known people that a text names: looked up word by word, since a note may introduce thousands."""
    words = [word.span() for word in _WORD.finditer(text)]
    edge = 0
    for index, (start, _) in enumerate(words):
        if start < edge or not text[start].isupper():
            continue
        for _, end in reversed(words[index : index + _NAME_WORDS]):
            if speaker := known.get(text[start:end]):
                yield _Mention(start, end, speaker)
                edge = end
                break


def _person(sentence: str, masked: str, mention: _Mention, known: Mapping[str, Speaker]) -> str | None:
    house = mention.speaker.house
    after = _PERSON_AFTER.match(masked, mention.end)
    there = _PERSON_THERE.match(masked, mention.end)
    if there and re.search(r"\b[Aa]t\s+(?:the\s+)?$", masked[: mention.start]):
        return there[1]
    before = _PERSON_BEFORE.search(masked[max(0, mention.start - 160) : mention.start])
    if after and (sentence[mention.end] in "'’" or re.search(rf"\b{_JOB}\b", after[0])):
        return after[1]
    if before:
        return before[1]
    near = sentence[max(0, mention.start - 60) : mention.end + 40] if known else ""
    return next((p.speaker.person for p in _people(near, known) if p.speaker.house == house), None)


def _masked(sentence: str, mentions: list[_Mention], quoted: list[tuple[int, int]]) -> str:
    letters = list(sentence.translate(_MARKUP))
    for start, end in quoted:
        letters[start + 1 : max(start + 1, end - 1)] = ["\ue004"] * max(0, end - start - 2)
    for mention in mentions:
        letters[mention.start : mention.end] = ["\ue000", *["\ue001"] * (mention.end - mention.start - 1)]
    return "".join(letters)


def _cue_at(masked: str, mention: _Mention, colons: list[int], quoted: list[tuple[int, int]]) -> Cue | None:
    before, person = masked[: mention.start], mention.speaker.person
    tail = _TAIL.match(masked, mention.end)
    after = tail.end() if tail else mention.end
    says = any(_VERB.match(masked, at) for at in (mention.end + 1, after)) and not _NEWS.match(masked, mention.end)
    if _ABOUT.search(before) and not says and not _POSSESSION.match(masked, mention.end):
        return None
    human = person or _PEOPLE.search(masked, mention.end, after)
    acts = says or bool(_HAS.match(masked, after)) or bool(human and _ANY_VERB.match(masked, after))
    opened, tagged = bool(_OPENED.search(before)), bool(_TAGGED.search(before))
    bare = any(_BARE.match(masked, at) for at in (mention.end, after))
    colon = next((c for c in colons if c >= mention.end), None)
    spoken = any(b - a > 20 and b <= mention.end for a, b in quoted)
    cued = acts or opened or tagged or _WEAKLY_OPENED.search(before)
    if colon is not None and (cued or _verbless(masked, before, mention.end, after, colon)):
        return Cue("hand", mention.speaker, colon + 1, firm=True, spoken=spoken)
    short = len(masked) - mention.end < 90
    if _ELLIPSIS.search(masked) and (acts or opened) and short:
        return Cue("hand", mention.speaker, len(masked), firm=True)
    if (opened and bare and short and len(before) < 80) or _again(masked, before, mention.end):
        return Cue("hand", mention.speaker, len(masked))
    if _VIEW.search(before) or (_LEAD.match(before) and _AGREES.match(masked, after)):
        return Cue("hand", mention.speaker, len(masked))
    possession = _POSSESSION.match(masked, mention.end)
    possessed = possession and (
        _POSSESSED.search(before) or re.match(r"\s+(?:is|was|remains)\b", masked[possession.end() :])
    )
    if says or tagged or possessed or _BEFORE_ONCE.search(before):
        return Cue("once", mention.speaker, len(masked), spoken=spoken)
    return None


def _verbless(masked: str, before: str, name_end: int, tail_end: int, colon: int) -> bool:
    """``And Citi again:``, ``Jane Doe of Citi, on rates:`` but not ``Citi: Buy, target $90``."""
    if not (_LEAD.match(before) or _CLOSING.search(before)):
        return False
    words = len(masked[colon + 1 :].split())
    bare = any(_BARE.match(masked[start:colon]) for start in (name_end, min(tail_end, colon)))
    # Running prose goes on in lower case behind a colon; a capital shows where a paragraph break was lost.
    broken = _CAPITAL_BEHIND.match(masked, colon) and not re.search(r"[\d,]", masked[name_end:colon])
    return (bare or bool(broken and _LEAD.match(before) and colon - name_end < 60 and words > 6)) and not 0 < words < 5


def _again(masked: str, before: str, name_end: int) -> bool:
    """``And Citi again, on rates.``: a sentence without a verb that says whose turn it is."""
    return bool(_LEAD.match(before)) and bool(re.match(r"\s+(?:again|once\s+more)\b[^:]{0,80}$", masked[name_end:]))


def names_only(sentence: str, known: Mapping[str, Speaker]) -> Speaker | None:
    """The speaker of a heading that is a name and no more: ``Citi``, ``Jane Doe (Citi) on rates``."""
    mentions = _mentions(sentence, known)
    if len(mentions) != 1 or len(sentence) > 90 or re.search(r"[.!?:]\W*$", sentence):
        return None
    masked, mention = _masked(sentence, mentions, []), mentions[0]
    tail = _TAIL.match(masked, mention.end)
    bare = any(_BARE.match(masked[start:]) for start in (mention.end, tail.end() if tail else mention.end))
    return mention.speaker if bare and _LEAD.match(masked[: mention.start]) else None
