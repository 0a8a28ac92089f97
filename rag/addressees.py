"""Who a question asks: the names that stand where a speaker stands.

In: a question and the people who are known. Out: the houses, people and strangers in it, each with whether it is asked
what it said ("what does Citi think", "according to Citi") or is what others speak of ("who covers Citi"). It knows
neither documents nor dates.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.cuewords import (
    ADVERBS,
    ANYBODY,
    ARTICLES,
    AUXILIARIES,
    BEING,
    BUSINESS,
    COMPARES,
    DOCUMENTS,
    DOING,
    FINITE,
    FIRM,
    HOUSE_NOUNS,
    JOINS,
    JUDGING,
    LOWER_SAYING,
    NO_NAMES,
    OPINIONS,
    PREAMBLE,
    PRONOUNS,
    QUESTION,
    ROLES,
    SAYING,
    SLOT,
    SOURCES,
    STAFF,
    STANCES,
    TELLING,
    TITLES,
    TOPICAL,
    VERBS,
    VIEWS,
    WEAK,
)
from rag.mentions import Token, tokens_of


@dataclass(frozen=True, slots=True)
class Addressees:
    """Who is named: tokens of houses and people that are asked, and of those that are not; and strangers asked.

    ``verbs`` are the offsets of the mere words of saying that belong to who is asked.
    """

    asked: tuple[Token, ...]
    others: tuple[Token, ...]
    strangers: tuple[str, ...]
    verbs: tuple[tuple[int, int], ...]


_WIDEST = 14
_LONGEST_NAME = 6


def addressees(question: str, people: Collection[str] = (), *, spoken: bool = False) -> Addressees:
    """Find who is named in ``question`` and who of them is asked; time grows with its length alone.

    ``spoken``: somebody who is not named has the word already ("the author").
    """
    return _Reading(tokens_of(question, people), spoken).addressees()


class _Reading:
    """One question's tokens while it is decided who is asked."""

    def __init__(self, tokens: Sequence[Token], spoken: bool) -> None:
        self._tokens = tokens
        self._spoken = spoken
        self._words = [token.word for token in tokens]
        self._lower = not any(token.kind == "name" for token in tokens[1:])
        self._opinions = not OPINIONS.isdisjoint(self._words)
        self._compares = not COMPARES.isdisjoint(self._words)
        self._open = any(self._seeks(at) for at in range(len(tokens)))
        self._start = next((at for at, word in enumerate(self._words) if word not in PREAMBLE), len(tokens))
        self._bare = (AUXILIARIES | QUESTION).isdisjoint(self._words[self._start :])
        self._source = next((at for at, word in enumerate(self._words) if word in SOURCES), len(tokens))
        self._asked: set[int] = set()
        self._strangers: list[str] = []
        self._verbs: list[tuple[int, int]] = []

    def addressees(self) -> Addressees:
        for at in range(len(self._tokens)):
            self._inverted(at)
            self._according(at)
            self._reporting(at)
            self._owning(at)
        spoken = bool(self._spoken or self._strangers or self._open)
        for group in self._groups():
            if self._asked.isdisjoint(group) and self._is_asked(group, spoken or bool(self._asked)):
                self._asked.update(group)
        named = [at for at, token in enumerate(self._tokens) if token.names]
        return Addressees(
            tuple(self._tokens[at] for at in named if at in self._asked),
            tuple(self._tokens[at] for at in named if at not in self._asked),
            tuple(dict.fromkeys(self._strangers)),
            tuple(self._verbs),
        )

    def _word(self, at: int) -> str:
        return self._words[at] if 0 <= at < len(self._words) else ""

    def _seeks(self, at: int) -> bool:
        """Whether "who", "which bank" or "analysts" stands here: then the speaker is what is wanted."""
        word = self._words[at]
        if word in PRONOUNS:
            return True
        if word in ANYBODY:
            near = [*self._tokens[max(0, at - 2) : at], *self._tokens[at + 1 : at + 3]]
            subject = at == 0 or self._words[at - 1] in AUXILIARIES or self._word(at + 1) in VERBS
            return subject and not any(token.names for token in near)
        return word in HOUSE_NOUNS and self._word(at - 1) in ("which", "what", "any", "other", "every", "each")

    # Sentences that say who speaks

    def _inverted(self, at: int) -> None:
        """As in "Does X think", "has X cut its target", "is X bullish": an auxiliary, who is asked, a verb."""
        auxiliary = self._words[at]
        if auxiliary not in AUXILIARIES:
            return
        names, strangers, end = self._slot(at + 1)
        verb = self._word(end)
        if auxiliary in BEING:
            house, stranger = verb in STANCES and not self._spoken, verb in ("saying", "thinking", "arguing")
        else:
            house = (
                verb in SAYING or verb in JUDGING or (verb in DOING and (self._opinions or self._word(end + 1) == "of"))
            )
            stranger = verb in (LOWER_SAYING if all(name.islower() for name in strangers) else SAYING)
        if stranger:
            self._strangers += strangers
        if (names and house) or (strangers and stranger):
            self._asked.update(names)
            self._said(end)

    def _according(self, at: int) -> None:
        """As in "According to X", "in the view of X", "per X"."""
        words = self._words[max(0, at - 3) : at + 1]
        per = words[-1] == "per"
        viewed = len(words) == 4 and words[0] == "in" and words[2] in VIEWS and words[3] == "of"
        if words[-2:] != ["according", "to"] and not per and not viewed:
            return
        names, strangers, _ = self._slot(at + 1, listed=False)
        self._asked.update(names)
        # "Per GPU hour" is a unit, not a source.
        if not per or (at == 0 or self._words[at - 1] in (",", "as")):
            self._strangers += strangers

    def _reporting(self, at: int) -> None:
        """As in "What X says": an unknown name and its verb, at the start or behind a word that asks."""
        run = self._run_before(at) if self._words[at] in FINITE else []
        if run and (len(run) == at or self._words[at - len(run) - 1] in QUESTION):
            self._strangers += self._stranger(run, article=False)
            self._said(at)

    def _owning(self, at: int) -> None:
        """As in "X's view": an unknown name and what only a speaker has."""
        if self._words[at] in ("'s", "'") and self._word(at + 1) in VIEWS:
            self._strangers += self._stranger(self._run_before(at), article=False)

    def _run_before(self, at: int) -> Sequence[Token]:
        """The capitalised words right before ``at``."""
        first = at
        while first > 0 and self._tokens[first - 1].kind == "name" and at - first <= _LONGEST_NAME:
            first -= 1
        return self._tokens[first:at]

    def _said(self, at: int) -> None:
        if self._words[at] in TELLING:
            self._verbs.append((self._tokens[at].start, self._tokens[at].end))

    def _slot(self, start: int, *, listed: bool = True) -> tuple[list[int], list[str], int]:
        """The known names and the strangers from ``start`` up to the first word that belongs to neither.

        ``listed``: commas and names side by side are all of them, for a verb closes the list.
        """
        names: list[int] = []
        strangers: list[str] = []
        run: list[Token] = []
        article = False
        at = start
        while at < min(len(self._tokens), start + _WIDEST):
            token = self._tokens[at]
            beside = at > start and self._tokens[at - 1].names
            if not listed and (token.word == "," or (beside and token.kind in ("house", "name"))):
                break
            if token.names:
                strangers += self._stranger(run, article=article)
                names.append(at)
                run = []
            elif self._discards(at, run):
                run = []
            elif ((names or strangers or run) and token.word in VERBS) or self._owned(at):
                break
            elif token.kind == "name" or self._may_name(at):
                run.append(token)
            elif token.word == "." and (self._words[at - 1] in TITLES or len(self._tokens[at - 1].text) == 1):
                pass
            elif token.word in SLOT:
                strangers += [] if token.word in DOCUMENTS else self._stranger(run, article=article)
                run, article = [], token.word in ARTICLES
            else:
                break
            at += 1
        word = self._word(at)
        if not word or word in VERBS or word in NO_NAMES or not word[0].isalnum():
            strangers += self._stranger(run, article=article)
        return names, strangers, at

    def _may_name(self, at: int) -> bool:
        """Whether a word in lower case may be part of a name: behind a known name it is what that one has or does."""
        word = self._words[at]
        known = self._tokens[at - 1].names or self._words[at - 1] in ("'s", "'")
        return (
            self._tokens[at].kind == "word"
            and word.isalpha()
            and word not in NO_NAMES
            and word not in SLOT
            and not known
        )

    def _owned(self, at: int) -> bool:
        """As in "Citi's results", "CITI'S RESULTS": the company's, whatever is said of them."""
        return self._words[at] in BUSINESS and self._words[at - 1] in ("'s", "'")

    def _discards(self, at: int, run: Sequence[Token]) -> bool:
        """Whether the words so far name no speaker: "the Globex report", "Globex CEO Tim Jones"."""
        named = at + 1 < len(self._tokens) and self._tokens[at + 1].kind in ("house", "person", "name")
        return (bool(run) and self._words[at] in DOCUMENTS) or (self._words[at] in ROLES and named)

    def _stranger(self, run: Sequence[Token], *, article: bool) -> list[str]:
        """The unknown name that ``run`` spells, without titles; nothing if it is rather a common noun."""
        named = [token for token in run if token.word not in TITLES]
        if len(named) > _LONGEST_NAME or all(token.word in FIRM for token in named):
            return []
        if any(token.kind != "name" for token in named):
            last = named[-1].word
            firm = last in FIRM and len(named) > 1
            if article or any(token.kind == "name" for token in named) or not (firm or self._lower):
                return []
            if last.endswith("s") and not firm:
                return []
        return [" ".join(token.text for token in named)]

    # Names that no such sentence holds

    def _groups(self) -> list[list[int]]:
        """Names that share a place: "Citi and Mizuho", "Malik at Citi", "Citi's Malik"."""
        groups: list[list[int]] = []
        for at in (at for at, token in enumerate(self._tokens) if token.names):
            if groups and at - groups[-1][-1] <= 4 and JOINS.issuperset(self._words[groups[-1][-1] + 1 : at]):
                groups[-1].append(at)
            else:
                groups.append([at])
        return groups

    def _is_asked(self, group: Sequence[int], spoken: bool) -> bool:
        """Whether the place of a group is a speaker's; ``spoken``: somebody else has the word, or is looked for."""
        first, last = group[0], group[-1]
        before = first - 2 if self._word(first - 1) in ARTICLES else first - 1
        word, beyond = self._word(before), self._word(before - 1)
        if word in ("do", "does", "did"):  # and no verb of saying behind it
            return False
        if word == "at" and (beyond in STAFF or beyond in ANYBODY):
            return True
        if self._is_called(first, last) or (word in FINITE and beyond in (",", "as")):
            return True
        if self._open:
            return self._chosen(group, word)
        if self._phrase(last) == "business" or (spoken and word in TOPICAL):
            return False
        if self._phrase(last) == "opinion" or (self._compares and not self._spoken):
            return True
        if word in ("from", "via") or (word == "by" and (beyond in VERBS or beyond in OPINIONS or beyond in DOCUMENTS)):
            return not spoken and self._source < before
        return self._begins(first, last) or (
            not spoken and ((self._bare and word not in TOPICAL) or self._reports(first, last))
        )

    def _is_called(self, first: int, last: int) -> bool:
        """As in "Citi: is tin cheap?" and "is tin cheap, Citi?"."""
        if first == 0 and self._word(last + 1) == ":":
            return True
        ends = last + 1 == len(self._tokens) or (last + 2 == len(self._tokens) and self._tokens[-1].kind == "mark")
        return ends and self._word(first - 1) == "," and not self._open

    def _chosen(self, group: Sequence[int], before: str) -> bool:
        """Of "who" and "which bank": "which Citi analyst", "who is right, Citi or UBS"."""
        named = self._word(group[-1] + 1) in HOUSE_NOUNS and before in ("which", "what")
        return named or "or" in self._words[group[0] : group[-1]]

    def _phrase(self, at: int) -> Literal["opinion", "business", ""]:
        """What the nouns right behind a name are of: an analyst ("Citi's target") or the company ("Citi's results")."""
        owned = self._word(at + 1) in ("'s", "'")
        business = False
        for word in self._words[at + 1 + owned : at + 7]:
            if word in AUXILIARIES or word in TOPICAL or word in QUESTION or (word and not word[0].isalnum()):
                break
            if word in OPINIONS and not (business and word in WEAK):
                return "opinion"
            if word in DOCUMENTS or word in STAFF:
                return "opinion"
            business = business or word in BUSINESS
            if not owned and not business:
                break
        return "business" if business else ""

    def _begins(self, first: int, last: int) -> bool:
        """As in "Citi on rates", "what about Citi?": only a preamble before the name, no verb of its own behind."""
        if self._start < first:
            return False
        following = self._word(last + 1)
        alone = last + 1 == len(self._tokens) or following in ("on", "about", "re", "regarding", ":", "?", "-", "–")
        opening = self._words[:first]
        return alone and (not opening or opening[-1] not in ("about", "on") or not {"what", "how"}.isdisjoint(opening))

    def _reports(self, first: int, last: int) -> bool:
        """As in "Citi thinks that", "what Citi think"."""
        at = last + 1
        while self._word(at) in ADVERBS:
            at += 1
        if self._word(first - 1) in AUXILIARIES:  # "is Citi expected to"
            return False
        return self._word(at) in FINITE or (self._word(at) in SAYING and self._word(first - 1) in QUESTION)
