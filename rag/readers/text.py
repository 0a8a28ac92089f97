"""What every reader does to text: decode it, clean it, title it, date it.

In: bytes with a doubtful charset, strings from anybody. Out: strings that SQLite, JSON and a terminal can
take, and dates that are plausible. It does not know mail, Markdown or HTML.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

# The codecs module also knows "hex", "zlib", "rot13", "idna" and "undefined", and a mail may name any of
# them; only these turn bytes into text.
_TEXT_CODEC = re.compile(
    r"utf-(?:7|8|8-sig|(?:16|32)(?:-[lb]e)?)|iso8859-\d+|cp\d+|koi8-[ru]|mac-(?:roman|cyrillic)|tis-620"
    r"|gb2312|gbk|gb18030|hz|big5(?:hkscs)?|shift_jis|euc_(?:jp|kr)|iso2022_(?:jp(?:_[12])?|kr)|johab"
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the one of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Mail programs name the older set and send the newer one: one character beyond it would cost the whole text.
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso2022_jp": "iso2022_jp_2",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
}
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]")

_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\u2028\u2029]")
_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # C0, DEL, C1: terminal escapes begin here
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000effff"  # tags and variation selectors, which smuggle whole sentences
    "\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff"  # private use
    + "".join(chr(plane * 0x10000 + last) for plane in range(15) for last in (0xFFFE, 0xFFFF))
    + "]"
)
# Joiners shape Arabic, Indic and emoji; between Latin letters they only hide a word from search.
_JOINED = "\u0600-\u1cff\u2190-\u2bff\ufb50-\ufdff\ufe0f\ufe70-\ufefc\U0001f000-\U0001fbff"
_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")
# What hides or forges something: marks inside a word, tags, and what turns the order of letters round.
_SMUGGLED = re.compile(
    rf"(?<=[^\W_])(?<![{_JOINED}])[\u200b-\u200d\u2060-\u2064\ufeff]++(?=[^\W_])"
    "|[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]++"
)
_ASCII = re.compile("[\x00-\x7f]+")
_EMOJI_STYLE = re.compile("(?<![\u203c-\u2bff\u3030-\u3299\xa9\xae\U0001f000-\U0001fbff])\ufe0f")
# Marks are never letters, spaces or Latin; what else is none of these does not combine.
_UNLETTERED = re.compile(r"[^\w\s\x00-\u02ff]{31,}")
_MARKS = 30
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){3,}")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATES = (
    re.compile(r"\b(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})(?![\d-])"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH},?\s(?P<year>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>\d{{4}})\b", re.IGNORECASE),
)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(days=2)


def document_id(raw: bytes) -> str:
    """The identity of a document: a copy or a renamed file has the same."""
    return hashlib.sha256(raw).hexdigest()[:32]


def decode(data: bytes, charset: str = "") -> str:
    """Decode with a byte order mark, the named charset, UTF-8 or Windows-1252, whichever first succeeds."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return data.decode(codec, "replace")
    codec = _text_codec(charset)
    if codec in ("utf-8", "cp1252") and _ISO_2022_JP.search(data):
        codec = "iso2022_jp_2"
    # Nothing but UTF-8 is valid UTF-8 by chance, and as Windows-1252 nearly all bytes are valid.
    codecs_by_trust = ("utf-8", codec) if codec == "cp1252" else (codec, "utf-8")
    for name in codecs_by_trust:
        try:
            return data.decode(name)
        except UnicodeError:
            continue
    for name in codecs_by_trust:
        text = data.decode(name, "replace")
        if _is_mostly_right(text):
            return text
    return data.decode("cp1252", "replace")


def clean(text: str) -> str:
    """Normalise to NFC, and drop what no reader sees: control, bidi, zero-width, tag and private characters.

    Lines end in ``\\n``, exotic spaces are spaces, and more than two blank lines are two.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = _LINE_END.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    text = _EMOJI_STYLE.sub("", text)
    while (joined := _JOINER.sub("", text)) != text:
        text = joined
    # NFC sorts the marks on a letter in quadratic time, 20 s for 320 kB of them. Composed letters bring marks of
    # their own, so the limit is kept again behind it.
    text = _UNLETTERED.sub(_unstacked, unicodedata.normalize("NFC", _UNLETTERED.sub(_unstacked, _SPACE.sub(" ", text))))
    return _BLANK_LINES.sub("\n\n\n", text).strip()


def invisible(text: str) -> int:
    """How many of the characters that `clean` drops cut a word, smuggle text or turn its order round.

    Soft hyphens, byte order marks and the padding of newsletters are not among them.
    """
    return sum(len(stretch[0]) for stretch in _SMUGGLED.finditer(text))


def unseen(hidden: int, invisible: int) -> dict[str, str]:
    """What a document says of that which nobody sees: stretches of hidden text and `invisible` characters."""
    counts = {"hidden": hidden, "invisible": invisible}
    return {name: str(count) for name, count in counts.items() if count}


def single_line(text: str, limit: int = 200) -> str:
    """Clean ``text`` into one line of at most ``limit`` characters, cut at a word."""
    line = " ".join(clean(text[: limit * 10]).split())
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[limit // 2 :] else head).rstrip() + "…"


def first_line(text: str) -> str:
    """The first line that says something, without list and heading marks, cut at 80 characters."""
    for line in text.splitlines():
        if any(character.isalnum() for character in line):
            return single_line(line.lstrip("#>*-_ \t"), 80)
    return single_line(text, 80)


def date_in(text: str) -> datetime | None:
    """The first full date that is written out in ``text``: 27 January 2025, Jan 27, 2025 or 2025-01-27."""
    found = sorted((match for form in _DATES for match in form.finditer(text)), key=lambda match: match.start())
    for match in found:
        parts = match.groupdict()
        month = _MONTHS.index(parts["month"][:3].lower()) + 1 if "month" in parts else int(parts["number"])
        try:
            return datetime(int(parts["year"]), month, int(parts["day"]), tzinfo=UTC)
        except ValueError:
            continue
    return None


def as_of(candidates: Iterable[tuple[str, datetime | None]], text: str, mtime_ns: int) -> tuple[str, datetime]:
    """Choose the date of a document: the first plausible candidate, one in the text, else the file's.

    Plausible is 1970 to two days from now: a mail that is dated 2099 must not be the latest for ever.
    Returns the name of the source and an aware UTC date.
    """
    now = datetime.now(UTC)
    for source, date in (*candidates, ("text", date_in(text[:1000]))):
        try:
            utc = date and (date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC))
        except OverflowError:
            continue
        if utc and _EARLIEST <= utc <= now + _CLOCK_SKEW:
            return source, utc
    return "file", datetime.fromtimestamp(min(max(mtime_ns / 1e9, 0), now.timestamp()), UTC)


def _unstacked(run: re.Match[str]) -> str:
    """The run with at most 30 combining marks on one letter, as the stream-safe format of UAX #15 has it."""
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)


def _is_mostly_right(text: str) -> bool:
    """Whether at most a fifth of the characters beyond ASCII could not be decoded: a letter cut in half, say."""
    foreign = len(_ASCII.sub("", text))
    return 5 * text.count("\ufffd") <= foreign


def _text_codec(charset: str) -> str:
    try:
        name = codecs.lookup(charset.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return "utf-8"
    if name in ("iso8859-1", "ascii"):
        # Mail programs say Latin-1 or ASCII and send Windows-1252; ASCII may as well be UTF-8.
        return "cp1252" if name == "iso8859-1" else "utf-8"
    return _SUPERSETS.get(name, name) if _TEXT_CODEC.fullmatch(name) else "utf-8"
