"""The pieces of HTML: whatever the text, the markup is ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ModelFailed
from rag.page import markup
from tests.pages import OURS, Reader, quote


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x" + "{}")))
def test_no_text_becomes_markup(text: str) -> None:
    for drawn in (
        markup.notice(text),
        markup.prose(text),
        markup.failure(ModelFailed(text, remedy=text)),
        markup.chip(quote(text, title=text, person=text, house=text, path=text)),
    ):
        assert set(Reader(drawn).elements) <= OURS


def test_a_chip_names_its_quote_and_where_it_stands() -> None:
    drawn = markup.chip(quote())
    assert 'data-passage="d 0 25"' in drawn
    assert "Quote 1: Bernstein (Ann Lee), 27 Jan 2025" in drawn


def test_a_failure_is_shown_with_its_remedy() -> None:
    drawn = markup.failure(ModelFailed("The model broke off.", remedy="Ask again."))
    assert "The model broke off." in drawn
    assert "Ask again." in drawn


def test_a_model_s_name_is_shown_without_folders_or_passwords() -> None:
    assert markup.shown("/home/me/own.gguf") == "own.gguf"
    assert markup.shown("https://me:secret@host:80/v1?key=1") == "https://host:80"
    assert markup.shown("http://[") == "a server"
