"""A question cut into tokens, each known name in one piece.

In: a question and the people who are known. Out: its `Token`s. It does not know what a name does in the question.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rag.cuewords import (
    FIRM,
    NO_NAMES,
    SAYING,
)
from rag.houses import houses_named

Kind = Literal["house", "person", "word", "name", "mark"]


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a mark of punctuation or a whole name at ``start:end``; ``names`` are the canonical ones of a name.

    A possessive ending is a token of its own. ``kind`` is "name" for a capitalised word that could be part of an
    unknown name.
    """

    start: int
    end: int
    text: str
    kind: Kind
    names: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The text in lower case with straight apostrophes; empty for a known name."""
        return "" if self.names else self.text.replace("’", "'").lower()


_WORD = re.compile(r"[^\W_]+(?:[.&][^\W_]+)*(?:['’](?=[^\W_]{2})[^\W_]+)?(?:-[^\W_]+)*|['’]s?(?![^\W_])|[^\w\s]")


def tokens_of(question: str, people: Collection[str] = ()) -> tuple[Token, ...]:
    """Cut a question into tokens; a house is one, and so is one of ``people``, by full name or unambiguous surname."""
    named = [
        Token(start, end, question[start:end], "house", (house,))
        for start, end, house in houses_named(question, ignore_case=True)
    ]
    return _with_people(tuple(_merged(_plain(question), named)), _roster(tuple(people)))


def _plain(question: str) -> Iterator[Token]:
    for match in _WORD.finditer(question):
        word = match[0].replace("’", "'").lower()
        capital = match[0][0].isupper() and (word not in NO_NAMES or word in FIRM)
        kind: Kind = "name" if capital else "word" if word[0].isalnum() or word[0] == "'" else "mark"
        yield Token(match.start(), match.end(), match[0], kind)


def _merged(words: Iterator[Token], names: Sequence[Token]) -> Iterator[Token]:
    """The words with each name in the place of its own."""
    left = iter(names)
    name = next(left, None)
    for word in words:
        while name and word.start >= name.end:
            yield name
            name = next(left, None)
        if not name or word.end <= name.start:
            yield word
    if name:
        yield name


@lru_cache(maxsize=4)
def _roster(people: tuple[str, ...]) -> Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """The people by their last word, each with all words of the name in lower case, and without middle initials."""
    by_surname: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for person in dict.fromkeys(people):
        words = tuple(token.word for token in _plain(person) if token.kind != "mark")
        for form in dict.fromkeys((words, _without_initials(words))):
            if form:
                by_surname.setdefault(form[-1], []).append((form, person))
    return {surname: tuple(rows) for surname, rows in by_surname.items()}


def _without_initials(words: tuple[str, ...]) -> tuple[str, ...]:
    return (*words[:1], *(word for word in words[1:-1] if len(word) > 1), *words[1:][-1:])


def _with_people(
    tokens: tuple[Token, ...], roster: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]
) -> tuple[Token, ...]:
    kept: list[Token] = []
    for i, token in enumerate(tokens):
        rows = roster.get(token.word, ()) if token.kind in ("name", "word") else ()
        full = [row for row in rows if _ends_with(kept, token, row[0])]
        if full:
            longest = max(len(words) for words, _ in full)
            first = kept[len(kept) - longest + 1] if longest > 1 else token
            del kept[len(kept) - longest + 1 :]
            names = tuple(name for words, name in full if len(words) == longest)
            kept.append(Token(first.start, token.end, token.text, "person", names))
        elif (
            rows
            and token.kind == "name"
            and _stands_alone(tokens, i)
            and len({_without_initials(words) for words, _ in rows}) == 1
        ):
            kept.append(Token(token.start, token.end, token.text, "person", (rows[0][1],)))
        else:
            kept.append(token)
    return tuple(kept)


def _ends_with(before: Sequence[Token], last: Token, words: tuple[str, ...]) -> bool:
    """Whether the name of ``words`` ends here; a name of one word needs its capital."""
    if len(words) == 1:
        return last.kind == "name"
    return [token.word for token in before[-len(words) + 1 :]] == list(words[:-1])


def _stands_alone(tokens: Sequence[Token], i: int) -> bool:
    """Whether no other capitalised word makes this another name: "John Malik", "Malik Industries"."""
    near = (*tokens[max(0, i - 1) : i], *tokens[i + 1 : i + 2])
    return not any(token.kind == "name" and token.word not in SAYING for token in near)
