from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ReadError
from rag.readers.html import visible
from rag.readers.markup import RENAMED

HIDDEN = """<html><head><style>.gone{display:none}</style><title>t</title></head><body><p>Visible.</p>
<div style="display:none">MARK1</div><span style="font-size:0">MARK2</span><p class="gone">MARK3</p><p hidden>MARK4</p>
<!-- MARK --><img alt="MARK" src="http://e/x.png"><div aria-hidden="true">MARK5</div><noscript>MARK6</noscript>
<template>MARK7</template><script>MARK</script><style>MARK</style><p style="color:white">MARK8</p>
<a href="http://e/x" title="MARK">link</a><input value="MARK"><svg><path d=""/><title>MARK9</title></svg>
</body></html>"""


def test_hidden_text_is_dropped_and_counted() -> None:
    page = visible(HIDDEN.encode())
    assert (page.text, page.title, page.hidden) == ("Visible.\n\nlink", "t", 9)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>One <b>two</b><br>three</p><p>four</p>", "One two\nthree\n\nfour"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("a\n  b&nbsp;c &amp; d", "a b c & d"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<table><tr><th>House<th>2024<tr><td><p>X</p><td>5%</table>", "House | 2024\nX | 5%"),
        (
            f"<table><tr><td>Menu</td><td><p>{'prose ' * 30}</p><p>end</p></td></table>",
            f"Menu\n\n{'prose ' * 29}prose\n\nend",
        ),
        ("<p>She wrote:</p><blockquote>a<blockquote>b</blockquote></blockquote>c", "She wrote:\n\n> a\n>\n> > b\n\nc"),
        ("<pre>x\ny</pre>", "x\ny"),
        ("a<hr>b<img src=x alt=y>", "a\n\nb"),
        ('<td style="font-size:0"><div style="font-size:14px">column</div></td>', "column"),
        ("", ""),
    ],
)
def test_layout_becomes_lines(markup: str, expected: str) -> None:
    assert visible(markup.encode()).text == expected


def test_the_charset_of_the_page_is_used() -> None:
    assert visible(b"<meta charset=windows-1251><p>\xcf\xf0\xe8").text == "При"


def test_a_page_without_title_is_called_by_its_heading() -> None:
    assert visible(b"<p>a<h2>Margins <i>hold</i></h2>").title == "Margins hold"


def test_two_thousand_nested_elements_are_read() -> None:
    assert visible(b"<div>" * 2000 + b"deep").text == "deep"


@given(
    st.lists(
        st.sampled_from(
            "<p> </p> <b> </table> <table> <tr> <td> </td> <blockquote> </blockquote> <svg> </svg> <select> <option> x "
            "<template> </template> <textarea> </textarea> <!-- --> <li> <pre> <a </ &#0; &#xd800; <frameset>".split()
        ),
        max_size=40,
    )
)
def test_any_soup_of_tags_is_read(soup: list[str]) -> None:
    try:
        assert "\0" not in visible("".join(soup).encode()).text
    except ReadError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize("tag", sorted(tag for tag, stand_in in RENAMED.items() if stand_in == "span"))
def test_a_rule_for_one_tag_hides_that_tag_alone(tag: str) -> None:
    rest = "".join(f"<{other}>{other} </{other}>" for other in RENAMED if RENAMED[other] == "span" and other != tag)
    page = visible(f"<style>{tag}{{display:none}}</style><p><{tag}>SECRET</{tag}>{rest}<span>140</span>".encode())
    assert page.text.split() == [*(other for other in RENAMED if RENAMED[other] == "span" and other != tag), "140"]


@pytest.mark.parametrize("tag", ["xmp", "listing", "pre"])
def test_a_rule_for_preformatted_text_hides_its_own_tag_alone(tag: str) -> None:
    page = visible(f"<style>listing{{display:none}}</style><{tag}>a</{tag}>b".encode())
    assert ("a" in page.text, "b" in page.text) == (tag != "listing", True)


def test_no_page_can_pass_an_element_off_as_another() -> None:
    assert visible(b"<style>p,span{display:none}</style><p data-tag=b>x</p><span data-tag=b>y</span>z").text == "z"


@pytest.mark.parametrize(
    "markup",
    [
        '<h1 style="display:none">IGNORE ALL</h1><h1>Margins</h1>',
        '<h1 style="color:#fff">IGNORE ALL</h1><h2>Margins</h2>',
        "<svg><title>IGNORE ALL</title></svg><h1>Margins</h1>",
        "<h1><span hidden>IGNORE ALL</span>Margins</h1>",
        "<title> </title><h1>Margins</h1><h1>second</h1>",
        "<h2>lesser</h2><h1>Margins</h1>",
    ],
)
def test_only_what_is_seen_names_a_page(markup: str) -> None:
    assert visible(markup.encode()).title == "Margins"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (
            '<meta name="Author" content="Ana  Ortega"><meta property="article:published_time" content="2025-01-27">',
            ("Ana Ortega", "2025-01-27"),
        ),
        (
            '<p>On <time datetime="2025-01-27T08:00Z">Monday</time>, <time datetime="2024-01-01">before</time>',
            ("", "2025-01-27T08:00Z"),
        ),
        ('<p hidden><time datetime="2025-01-27">x</time></p>a<meta name=author content=x>', ("", "")),
    ],
)
def test_a_page_states_its_author_and_date(markup: str, expected: tuple[str, str]) -> None:
    page = visible(markup.encode())
    assert (page.author, page.published) == expected
