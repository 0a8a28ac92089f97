from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from rag.errors import ReadError
from rag.readers.html import visible
from rag.readers.markup import MAX_MARKUP, MAX_TAGS, Budget, plain_markup


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("a<!-- <p>b -->c", "ac"),
        ("a<!-->c", "ac"),
        ("a<!-- never closed", "a"),
        ("a<script>if (a<b) '</p>'</SCRIPT >c", "ac"),
        ("<!doctype html><?xml ?>a", "a"),
        ("<b>a</b>", "<span data-tag=b>a</span>"),
        ('<span data-tag="b">a</span>', '<span data-tag=span data-tag="b">a</span>'),
        ("<textarea><b></textarea>", "<textarea><b></textarea>"),
        ("5 < 7 <3", "5 < 7 <3"),
        ('<p title="a > b" x=1>c', '<p title="a > b" x=1>c'),
    ],
)
def test_only_tags_that_matter_are_passed_on(markup: str, expected: str) -> None:
    assert re.sub(r"</script\s*>", "", plain_markup(markup)) == expected


BOMBS = {
    "nested": "<div>" * 100_000,
    "closed in comments": "<div><!--</div>-->" * 50_000,
    "closed in bogus comments": "<div><! </div>" * 50_000,
    "closed in style": "<div><style></div></style>" * 40_000,
    "closed in an attribute": "<div x='</div>'>" * 50_000,
    "formatting": "".join(f"<font a={number}>" for number in range(2000)) + "<p>x" * 20_000,
    "attributes": "<p " + " ".join(f"a{number}" for number in range(200_000)) + ">x",
    "merged attributes": "".join(f"<html a{number}>" for number in range(20_000)),
    "comments": "<!--" * 20_000,
    "instructions": "<?" * 50_000,
    "entities": "&#" * 50_000,
    "open quotes": '<p a="' * 100_000,
    "angle brackets": "<" * 500_000,
    "blanks in pre": "<pre>x" + " " * 400_000 + "y",
    "open comments in a sheet": "<style>" + "/* " * 200_000 + "</style>x",
    "selectors by properties": f"<style>{','.join(f'a{n}' for n in range(40_000))}{{{'a:b;' * 40_000}}}</style>x",
    "blanks in a colour": '<p style="color:rgba(' + " " * 400_000 + 'x">x',
    "foster parents": "<table>" + "x<tr>y" * 20_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
def test_markup_bombs_are_read_or_refused_in_linear_time(bomb: str) -> None:
    begin = time.process_time()
    with contextlib.suppress(ReadError):
        visible(bomb.encode())
    assert time.process_time() - begin < 20


def test_pages_over_two_megabytes_are_refused() -> None:
    with pytest.raises(ReadError, match="2 MB"):
        plain_markup("a" * (MAX_MARKUP + 1))


def test_pictures_inside_the_page_do_not_count_as_size() -> None:
    assert plain_markup(f'<img src="data:image/png;base64,{"A" * MAX_MARKUP}">') == '<img src="">'


SOUP = st.lists(
    st.sampled_from(["<!--", "-->", "--!>", "<!", "<?", "a", ">", "<style>", "</style>", "<svg>", "<b>"])
).map("".join)


@given(st.text(alphabet="<>/!-?ab='\" \n", max_size=80) | SOUP)
def test_the_parser_sees_no_comment_in_any_markup(markup: str) -> None:
    root = LexborHTMLParser(plain_markup(markup)).root
    assert root is not None
    stack = [root]
    while stack:
        node = stack.pop()
        assert not node.is_comment_node
        stack.extend(node.iter(include_text=True))


def test_the_pages_of_one_message_share_a_budget() -> None:
    budget = Budget()
    for _ in range(2):
        plain_markup("a" * (MAX_MARKUP // 2), budget)
    with pytest.raises(ReadError, match="2 MB"):
        plain_markup("a", budget)


def test_more_tags_than_any_honest_page_has_are_refused() -> None:
    with pytest.raises(ReadError, match="tags"):
        plain_markup("<p>" * (MAX_TAGS + 1))
