"""Words reduced to stems, alike in questions and passages.

In: text. Out: the stems that FTS5's ``porter unicode61`` index holds for it, in order or as a set. It does not know
which words matter.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING
from unicodedata import combining, normalize

if TYPE_CHECKING:
    from Stemmer import Stemmer

_TOKEN = re.compile(r"[^\W_]+")
# FTS5's stemmer takes nothing longer; base64 and hashes are not words.
_LONGEST = 64
# A stemmer holds the word that it works on: of twenty questions at once three broke with an IndexError.
_ONE_AT_A_TIME = Lock()


def tokens(text: str) -> list[str]:
    """The words of ``text`` in lower case without accents, cut at everything that is no letter and no digit."""
    if not text.isascii():
        text = "".join(char for char in normalize("NFD", text) if not combining(char))
    return _TOKEN.findall(text.lower())


def stems(text: str) -> list[str]:
    """The stems of ``text``, in its order."""
    return [stem(token) for token in tokens(text)]


@lru_cache(maxsize=100_000)
def stem(token: str) -> str:
    """The stem of one token, by Porter's algorithm (1980): ``price`` for both ``prices`` and ``pricing``."""
    if not 2 < len(token) <= _LONGEST:
        return token
    with _ONE_AT_A_TIME:
        return str(_stemmer().stemWord(token))


@cache
def _stemmer() -> Stemmer:
    import Stemmer  # snowballstemmer imports 30 languages with it, in 40 ms

    return Stemmer.Stemmer("porter")
