from __future__ import annotations

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.stems import stem, stems, tokens


@pytest.mark.parametrize(
    ("word", "other"),
    [("prices", "pricing"), ("restrictions", "restricted"), ("updates", "updated"), ("Société", "societe")],
)
def test_inflections_share_a_stem(word: str, other: str) -> None:
    assert stems(word) == stems(other)


def test_words_are_cut_where_the_word_index_cuts_them() -> None:
    assert tokens("DeepSeek-V3's $5.576M, S&P_500") == ["deepseek", "v3", "s", "5", "576m", "s", "p", "500"]


def test_stems_are_those_of_the_word_index() -> None:
    text = "Analysts expected generously discounted prices; the restrictions had been tightened, running costs falling."
    connection = sqlite3.connect(":memory:")
    connection.execute('CREATE VIRTUAL TABLE words USING fts5 (t, tokenize = "porter unicode61 remove_diacritics 2")')
    connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, 'row')")
    connection.execute("INSERT INTO words VALUES (?)", (text,))
    indexed = {term for (term,) in connection.execute("SELECT term FROM vocabulary")}
    connection.close()
    assert set(stems(text)) == indexed


def test_a_word_too_long_for_the_stemmer_stays_whole() -> None:
    assert stem("running" * 20) == "running" * 20


@given(st.text())
def test_any_text_has_lower_case_words_without_marks(text: str) -> None:
    assert all(token.isalnum() or not token.isascii() for token in tokens(text))


def test_threads_that_stem_at_once_get_what_one_alone_gets() -> None:
    words = [
        f"{'abcdefghijklmnopqrst'[n % 20] * (n % 7)}relational{'ization' * (n % 3)}s{n:c}" for n in range(97, 3000)
    ]
    alone = [stem.__wrapped__(word) for word in words]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(stem.__wrapped__, words * 4))
    finally:
        sys.setswitchinterval(interval)
    assert together == alone * 4
