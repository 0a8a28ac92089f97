from __future__ import annotations

import pytest

from rag.readers.styles import Look, parse_sheet


def seen(style: str, sheet: str = "", **attributes: str) -> bool:
    parsed = parse_sheet([sheet], linked=False)
    look = parsed.look("p", {"style": style, **attributes}, parsed.initial)
    return look is not None and look.legible


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY : None !important",
        "visibility:hidden",
        "opacity:0",
        "opacity:0.01",
        "font-size:0",
        "font-size:1px",
        "font-size:.1em",
        "max-height:0;overflow:hidden",
        "height:1px;overflow:hidden",
        "position:absolute;left:-9999px",
        "text-indent:-999em",
        "color:#fff;background:#fff",
        "color:white",
        "color:rgb(250,250,250)",
        "color:transparent",
        "color:rgba(0,0,0,0)",
        "mso-hide:all",
        "clip:rect(0,0,0,0)",
        "transform:scale(0)",
        "font:0/0 a",
        "font:1px/1px Arial",
        "font:12px Arial;font-size:1px",
        "display:/**/none",
        "color:#ffffff00",
        "color:#0000",
        "display:none!important;display:block",
        "text-indent:-9999px",
    ],
)
def test_hiding_styles_hide(style: str) -> None:
    assert not seen(style)


@pytest.mark.parametrize(
    "style",
    [
        "",
        "color:#fff;background:#003",
        "color:white;background:url(bar.png)",
        "color:white;background:linear-gradient(#000,#003)",
        "color:navy",
        "font-size:9pt",
        "font-size:80%",
        "max-height:0",
        "overflow:hidden;max-width:600px",
        "left:-10px",
        "opacity:.9",
        "opacity:100%",
        "background:transparent",
        "color:rgba(0,0,0,.8)",
        "background-image:linear-gradient(#000,#003);color:#fff",
        "left:-9999px",
        "font:bold 12px/0 Arial",
        "font:700 .9em Arial",
        "font-size:0;font:12px Arial",
        "color:#000000ff",
        "color:#fffff",
    ],
)
def test_ordinary_styles_do_not_hide(style: str) -> None:
    assert seen(style)


@pytest.mark.parametrize(
    "sheet", [".h{display:none}", "p.h{display:none}", "x,.H { display:none }", "/* } */.h{display:none}"]
)
def test_simple_class_rules_are_followed(sheet: str) -> None:
    assert not seen("", sheet, **{"class": "a h"})


@pytest.mark.parametrize(
    "sheet", ["@media print{.h{display:none}}", "div.h{display:none}", "@import 'x';.g{display:none}"]
)
def test_rules_for_other_screens_and_elements_are_not(sheet: str) -> None:
    assert seen("", sheet, **{"class": "h"})


def test_a_background_that_cannot_be_told_makes_white_text_visible() -> None:
    assert seen("color:white", "table td{background:#003}")


def test_size_is_inherited_and_can_be_set_again() -> None:
    sheet = parse_sheet([], linked=False)
    outer = sheet.look("td", {"style": "font-size:0"}, sheet.initial)
    assert outer is not None
    assert not outer.legible
    inner = sheet.look("div", {"style": "font-size:14px"}, outer)
    assert inner is not None
    assert inner.legible


def test_a_linked_sheet_leaves_the_background_unknown() -> None:
    assert parse_sheet([], linked=True).initial == Look(16.0, (0, 0, 0), None, pre=False)


def test_an_important_rule_beats_the_element_s_own_style() -> None:
    assert not seen("display:block", "p{display:none!important}")
    assert seen("display:block!important", "p{display:none ! important}")


def test_a_rule_beats_a_colour_attribute() -> None:
    assert seen("", "p{color:#000}", color="#ffffff")


def test_a_dialog_that_is_not_open_is_hidden() -> None:
    sheet = parse_sheet([], linked=False)
    assert sheet.look("dialog", {}, sheet.initial) is None
    assert sheet.look("dialog", {"open": None}, sheet.initial) is not None
