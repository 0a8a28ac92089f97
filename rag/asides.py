"""What gives the writer of a compilation away among the words of those whom he quotes.

In: a sentence, or a text. Out: whether, and where, it is the writer who speaks. It does not know who is quoted,
but for the house whose initials a bracket may hold.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

_FIRST_PERSON = re.compile(r"\b(?:[Ww]e|[Oo]urs?|us|I|[Mm]y)\b|\b(?:[Aa]s\s+shown|[Ff]igure\s+\d|[Ee]xhibit\s+\d)")
_SINGULAR = re.compile(r"\b(?:I(?:['’](?:m|d|ve|ll))?|[Mm]y|[Mm]yself)\b(?!['’]s)")
_READER = re.compile(r"\b(?:you|your|yours|yourself)\b", re.IGNORECASE)
# The writer of a compilation talks about the note, the post or the inbox; a house's research seldom does.
_WRITER = re.compile(
    r"\bthis\s+(?:post|article|newsletter|round-?up|blog|compilation)\b|\b(?:our|the|my)\s+inbox(?:es)?\b|"
    r"\b(?:his|her|their)\s+(?:\w+\s+)?(?:note|report|email|piece|missive|italics|emphasis|bold\w*|chart)\b|"
    r"\bsell-?side\s+(?:emails?|notes?|takes?|views?|reaction)\b|\b(?:sign\s+up|subscribe)\b|"
    r"\b(?:emphasis|italics|bold\w*)\s+(?:ours|theirs|his|hers|mine)\b|\bat\s+(?:the\s+time\s+of\s+writing|pixel\s+time)\b|"
    r"\bhere['’]s\s+(?:a|the|some|what)\s+(?:taster|selection|sample|flavour|round-?up|rest|lot|snippet|summary)\b|"
    r"\b(?:we|I)(?:['’]ve|['’]ll|['’]d\s+only|\s+have|\s+will|\s+would\s+only)\s+(?:(?:only\s+)?add|be\s+back|kept|keep|copied|pasted|trimmed|edited|update)\b|"
    r"\b(?:we|I)\s+digress\b|^\W*any(?:way|how)\b|\b(?:e-?mail|write\s+to|tell)\s+us\b|\bin\s+the\s+comments\b|"
    r"\b(?:dear\s+reader|hat\s+tip|h/t|stay\s+tuned|further\s+reading)\b|"
    r"\b(?:play|read|watch|listen|find|found|available|download\w*|published|more|sign\w*)\b[^.]{0,25}\bhere\b(?=[,.)]|$)|"
    r"\bmore\s+to\s+(?:come|follow)\b|\b(?:told|tells)\s+(?:us|me)\b|\basked\s+not\s+to\s+be\b|"
    r"\bhumble\s+opinion\b|\bnobody\s+(?:asks|asked|pays|paid)\b|\bcondition\s+of\s+anonymity\b|\bdeclined\s+to\s+(?:comment|say)\b|\bdid\s+not\s+(?:immediately\s+)?(?:respond|reply)\b|\bcomment\s+(?:box|section)\b|"
    r"\b(?:thanks|grateful)\s+to\s+(?:all|every\w*|those)\b|\b(?:your|their)\s+lot\b|\buntil\s+(?:next|tomorrow)\b|"
    r"\bpolite(?:ly)?\s+(?:way|word|term|put|description)\b|\bway\s+to\s+say\b|\bway\s+of\s+(?:saying|putting)\b|"
    r"\bread\b[^.]{0,40}\btwice\b|\bhold\s+that\s+thought\b|^\W*disclosure:|\bleave\s+it\s+there\b|\busual\s+address\b|\b(?:we|I)\s+(?:wonder|gather|counted|checked)\b|\bsmall\s+matter\s+of\b|\bspokes(?:man|woman|person|people)\b|\bkeeping\s+score\b|\b(?:my|our)\s+colleagues?\s+(?:in|at|on)\b|\bthe\s+author\s+(?:has|holds|owns)\b|\breaders?\s*(?:,|may|will)[^.]{0,20}\b(?:recall|remember|know)\b|"
    r"\b(?:nobody|no-?one)\s+(?:tells?|told)\b|\b(?:that|this|last|first)\s+(?:phrase|sentence|thought)\b|^\W*fair\s+enough\b|"
    r"\bfor\s+what\s+it['’]s\s+worth\b|\b(?:editing|reporting|compiled|written)\s+by\s+[A-Z]",
    re.IGNORECASE,
)
# How a remark begins that is made on somebody's words rather than among them.
_REMARK = re.compile(
    r"^\W*(?:(?:fine|well|hmm|ouch|oh|ah|quite|sure|true|maybe|perhaps|ok|okay|phew|right)\b(?!-)\W|either\s+way|small\s+beer|"
    r"so\s+(?:the|much|far|that|there|what|it|say|now)\b|not\s+(?:that|so|bad|every\w*|a|the|about|exactly|quite|if)\b|that['’]s\s+(?:if|what|how|why|one)\b|never\s+mind|hang\s+on|"
    r"which\s+(?:is|was|leaves|brings|means|may|would|makes)\b|that\s+(?:leaves|brings|squares|raises|last|said)\b|"
    r"then\s+there|(?:some|any|every|no)\s?-?(?:body|one)\b|though\s+it['’]s|at\s+least\b|in\s+other\s+words\b|"
    r"(?:best|good|bad|odd|strange|funny|lucky|tough)\b[^,]{0,20}(?:,|\bfor\s+now\b))",
    re.IGNORECASE,
)
# How one ends, what marks it wherever it stands, and “this” is a nice word for it.
_REMARKED = re.compile(
    r"[?!]\W*$|,\s+(?:then|though|apparently|anyway|mind(?:\s+you)?|mostly|sadly|alas|in\s+other\s+words)\W*$|\banalyst\s+who\b|\bthe\s+sell-?side\b|\b(?:no\s+doubt|in\s+all\s+likelihood|to\s+be\s+(?:fair|clear)|if\s+you\s+believe|"
    r"needless\s+to\s+say)\b|^\W*[“\"‘'][^”\"’']{1,40}[”\"’']\s+(?:is|was|means|does|will|would|being)\b",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\w+")
_EDITOR = re.compile(
    r"\[[^\[\]]{1,300}?[-–—]\s*(?:Ed(?:itor|s)?\b|[A-Z]{2,4}\b)\.?\s*\]|\([^()]{1,300}?[-–—]\s*Ed(?:itor|s)?\b\.?\s*\)|"
    r"[\[(](?:[Oo]ur|[Mm]y|[Tt]heir)?\s?[Ee]mphasis[^\[\]()]{0,30}[\])]"
)


def speaks_for_a_house(sentence: str) -> bool:
    """Tell whether a sentence says "we", or points to its charts, as research does and a transition seldom does."""
    return _FIRST_PERSON.search(sentence) is not None


def says_i(sentence: str) -> bool:
    """Tell whether one person speaks of himself."""
    return _SINGULAR.search(sentence) is not None


def addresses_the_reader(sentence: str) -> bool:
    """Tell whether a sentence speaks to its reader."""
    return _READER.search(sentence) is not None


def is_about_the_article(sentence: str) -> bool:
    """Tell whether a sentence talks of the article, the inbox, or the notes that it was made from."""
    return _WRITER.search(sentence) is not None


def remarks(sentence: str) -> bool:
    """Tell whether a sentence asks, exclaims, or begins as a remark on somebody's words does."""
    if speaks_for_a_house(sentence) or sentence.startswith("["):
        return False
    return bool(_REMARK.match(sentence) or _REMARKED.search(sentence))


def echoes(sentence: str, before: str) -> bool:
    """Tell whether a sentence begins with two words of the one ``before`` it, as mockery does."""
    first, last = (_WORDS.findall(text.lower()) for text in (sentence[:80], before[-200:]))
    first = first[1:] if first[:1] and first[0] in ("the", "a", "an") else first
    return len(first) > 1 and (first[0], first[1]) in set(pairwise(last))


def editor_s_brackets(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The brackets that an editor signed, or in which he owns up to emphasis: they interrupt, and no more."""
    return [bracket.span() for bracket in _EDITOR.finditer(text, start, end)]


def bracket_about(house: str, text: str, start: int, end: int) -> int | None:
    """Where a bracket opens that talks about a house by initials or by name; None if none does."""
    found = _bracket(house).search(text, start, end)
    return found.start() if found else None


@cache
def _bracket(house: str) -> re.Pattern[str]:
    # Standard Chartered is SC, and SocGen SG.
    initials = "".join(re.findall(r"[A-Z]", house))
    names = [re.escape(house), *([initials] if len(initials) > 1 else [])]
    return re.compile(rf"\((?:[^)]{{0,40}}\W)?(?:{'|'.join(names)})\b['’]?s?\s+[a-z]")
