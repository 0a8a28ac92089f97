from __future__ import annotations

import contextlib
import random
import time
from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from rag.errors import ReadError
from rag.readers.parsed import Parsed
from rag.readers.word import parse
from rag.records import SourceFile

SOURCE = SourceFile("note.docx", "0" * 64, 1, 1_700_000_000_000_000_000)
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
CORE = (
    '<c:coreProperties xmlns:c="a" xmlns:d="b"><d:title>Margins at the turn</d:title><d:creator>Ana Ortega</d:creator>'
    "<d:created>2019-01-01T00:00:00Z</d:created><d:modified>2025-01-27T08:30:00Z</d:modified></c:coreProperties>"
)
STYLES = (
    f'<w:styles {W}><w:style w:styleId="Base"><w:rPr><w:vanish/></w:rPr></w:style><w:style w:styleId="Secret">'
    '<w:basedOn w:val="Base"/></w:style><w:style w:styleId="ListBullet"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr>'
    '</w:pPr></w:style><w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style></w:styles>'
)


def docx(body: str, **parts: str) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", f"<w:document {W}>{body}</w:document>")
        for name, content in parts.items():
            package.writestr({"core": "docProps/core.xml", "styles": "word/styles.xml"}[name], content)
    return file.getvalue()


def read(body: str, **parts: str) -> Parsed:
    return parse(SOURCE, docx(f"<w:body>{body}</w:body>", **parts))


def text(body: str, **parts: str) -> str:
    return read(body, **parts).document.text


def run(said: str, look: str = "") -> str:
    return f'<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{said}</w:t></w:r>'


def paragraph(said: str, look: str = "") -> str:
    return f"<w:p><w:pPr>{look}</w:pPr>{run(said)}</w:p>"


def cell(inner: str, look: str = "") -> str:
    return f"<w:tc><w:tcPr>{look}</w:tcPr>{inner}</w:tc>"


WHITE = '<w:color w:val="FFFFFF"/>'


def test_the_properties_say_title_author_and_date() -> None:
    document = read(paragraph("Words"), core=CORE).document
    assert (document.title, document.author) == ("Margins at the turn", "Ana Ortega")
    assert (document.date, document.kind) == (datetime(2025, 1, 27, 8, 30, tzinfo=UTC), "note")
    assert document.meta == {"date_source": "metadata"}


def test_a_date_in_the_text_comes_first() -> None:
    document = read(paragraph("26 January 2025"), core=CORE).document
    assert (document.date, document.meta["date_source"]) == (datetime(2025, 1, 26, tzinfo=UTC), "text")


def test_paragraphs_lists_and_tables_come_in_their_order() -> None:
    listed = '<w:numPr><w:numId w:val="3"/></w:numPr>'
    row = f"<w:tr>{cell(paragraph('Rent'))}{cell(paragraph('1.5'))}{cell('<w:p/>')}</w:tr>"
    body = paragraph("One") + paragraph("a", listed) + paragraph("b", '<w:pStyle w:val="ListBullet"/>')
    assert text(f"{body}<w:tbl>{row * 2}</w:tbl>" + paragraph("End"), styles=STYLES) == (
        "One\n\n- a\n- b\n\nRent | 1.5\nRent | 1.5\n\nEnd"
    )


def test_a_table_of_long_cells_is_layout() -> None:
    row = f"<w:tr>{cell(paragraph('x' * 150))}{cell(paragraph('y'))}</w:tr>"
    assert text(f"<w:tbl>{row}</w:tbl>") == "x" * 150 + "\n\ny"


def test_tabs_breaks_and_links_are_text() -> None:
    body = f"<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>{run('a')}<w:r><w:tab/><w:t>b</w:t><w:br/></w:r>"
    assert text(f"{body}<w:hyperlink>{run('c')}</w:hyperlink></w:p>") == "a\tb\nc"


@pytest.mark.parametrize(
    "aside",
    [
        f"<w:del>{run('gone')}</w:del>",
        f"<w:moveFrom>{run('gone')}</w:moveFrom>",
        "<w:r><w:instrText>gone</w:instrText></w:r>",
        f"<w:r><w:pict><w:txbxContent>{paragraph('gone')}</w:txbxContent></w:pict></w:r>",
        "<w:r><w:footnoteReference/></w:r>",
    ],
)
def test_deleted_text_and_text_boxes_stay_out(aside: str) -> None:
    assert text(f"<w:p>{run('A')}{aside}<w:ins>{run('B')}</w:ins></w:p>") == "AB"


@pytest.mark.parametrize(
    "look",
    ["<w:vanish/>", '<w:sz w:val="2"/>', WHITE, '<w:rStyle w:val="Secret"/>', WHITE + '<w:shd w:fill="auto"/>'],
)
def test_what_nobody_sees_goes_and_is_counted(look: str) -> None:
    parsed = read(f"<w:p>{run('seen ')}{run('un', look)}{run('seen', look)}</w:p>", styles=STYLES)
    assert (parsed.document.text, parsed.document.meta["hidden"]) == ("seen", "1")


SEEN = f"<w:p>{run('seen', WHITE)}</w:p>"
HIGHLIGHTED = '<w:highlight w:val="black"/>'
DARK = '<w:shd w:fill="000080"/>'
STYLED = '<w:tblPr><w:tblStyle w:val="Dark"/></w:tblPr>'
SHOWN = '<w:vanish w:val="0"/>'


@pytest.mark.parametrize(
    "body",
    [
        f"<w:p>{run('seen', WHITE + HIGHLIGHTED)}</w:p>",
        f"<w:p><w:pPr>{DARK}</w:pPr>{run('seen', WHITE)}</w:p>",
        f"<w:tbl><w:tr>{cell(SEEN, DARK)}</w:tr></w:tbl>",
        f"<w:tbl>{STYLED}<w:tr>{cell(SEEN)}</w:tr></w:tbl>",
        f"<w:p>{run('seen', SHOWN)}</w:p>",
        f"<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr>{run('seen')}</w:p>",
    ],
)
def test_what_can_be_seen_stays(body: str) -> None:
    assert text(body) == "seen"


def test_a_style_that_rests_on_itself_is_no_trap() -> None:
    assert text(paragraph("x", '<w:pStyle w:val="Loop"/>'), styles=STYLES) == "x"


def test_entities_are_refused() -> None:
    file = BytesIO()
    with ZipFile(file, "w") as package:
        package.writestr("word/document.xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')
    with pytest.raises(ReadError, match="entities"):
        parse(SOURCE, file.getvalue())


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(ReadError, match="unpacks to more"):
        read(" " * 51_000_000)


def test_tables_nested_beyond_any_honest_depth_are_refused() -> None:
    with pytest.raises(ReadError, match="nested"):
        read("<w:tbl><w:tr><w:tc>" * 500 + "</w:tc></w:tr></w:tbl>" * 500)


def test_text_beyond_two_million_characters_is_left_out_and_said_to_be() -> None:
    parsed = read(paragraph("word " * 450_000))
    assert len(parsed.document.text) <= 2_000_000
    assert parsed.left_out == ("only the first 2,000,000 characters are read",)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a Word file"),
        (b"PK\x03\x04garbage", "not a Word file"),
        (docx("<w:body>"), "not a Word file"),
        (b"PK\5\6" + b"\0" * 18, "not a Word file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "encrypted"),
    ],
)
def test_what_is_no_word_file_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        parse(SOURCE, raw)


@pytest.mark.parametrize("seed", range(60))
def test_a_mutated_file_is_read_or_refused_in_time(seed: int) -> None:
    chance, raw = random.Random(seed), bytearray(docx(f"<w:body>{paragraph('Words') * 20}</w:body>", core=CORE))
    for _ in range(chance.choice((1, 5, 50))):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    start = time.perf_counter()
    with contextlib.suppress(Exception):
        parse(SOURCE, bytes(raw[: chance.choice((len(raw), chance.randrange(len(raw))))]))
    assert time.perf_counter() - start < 30


def test_more_elements_than_anybody_writes_are_refused() -> None:
    with pytest.raises(ReadError, match="elements"):
        read("<w:p/>" * 1_000_001)


def test_invisible_characters_are_counted() -> None:
    document = read(paragraph("Se\u200bll")).document
    assert (document.text, document.meta["invisible"]) == ("Sell", "1")
