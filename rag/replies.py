"""Which lines of a mail are its author's own, and which repeat an earlier message.

In: the text of a mail. Out: its parts in order, each with the person and address that the lines above it
name. It knows reply and forward headers in six languages, and neither houses nor what is being said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parseaddr

# Outlook writes three to seven header lines; a forward with many recipients wraps to a few more.
_HEADER_LINES = 12

_PREFIX = re.compile(r"[ \t]*(?:>[ \t]?)*")
_WROTE = re.compile(
    r"(?:On\s.{6,300}\swrote|Am\s.{6,300}\sschrieb.{0,200}|Le\s.{6,300}\sa\sécrit|El\s.{6,300}\sescribió|"
    r"Il\s.{6,300}\sha\sscritto|Op\s.{6,300}\sschreef.{0,200}|Em\s.{6,300}\sescreveu)\s?:$",
    re.DOTALL,
)
_WROTE_BEGIN = re.compile(r"(?:On|Am|Le|El|Il|Op|Em)\s.*\d")
_RULED = re.compile(
    r"[-_\s]*(?:Begin forwarded message:?|Forwarded message|Original Message|Original Appointment|"
    r"Ursprüngliche Nachricht|Weitergeleitete Nachricht|Anfang der weitergeleiteten Nachricht:?|"
    r"Message d['’]origine|Message transféré|Début du message transféré\s?:|Mensaje original|Mensaje reenviado|"
    r"Inicio del mensaje reenviado:?|Messaggio originale|Oorspronkelijk bericht)[-_\s]*$",
    re.IGNORECASE,
)
_FROM = re.compile(r"[*_]*(?:From|Von|De|Da|Van)\s?:[*_]*\s*(?P<who>\S.*)")
_FIELD = re.compile(
    r"[*_]*(?:Sent|Date|To|Cc|Bcc|Subject|Reply-To|Importance|Attachments|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|"
    r"Enviado(?: el)?|Fecha|Para|Asunto|Inviato|Data|A|Oggetto|Verzonden|Aan|Onderwerp|CC)\s?:[*_]*(?:\s|$)"
)
_ADDRESS = re.compile(r"[<\[(]*(?:mailto:)?([\w.+'-]+@[\w-]+(?:\.[\w-]+)+)[>\])]*")
_VERB = re.compile(r"\b(?:wrote|schrieb|a\sécrit|escribió|ha\sscritto|schreef|escreveu)\b")
# What is left of the date once its digits are gone.
_CLOCK = re.compile(r"^(?:[\s,;:|)(–-]|(?:AM|PM|am|pm|a\.m\.|p\.m\.|Uhr|at|um|à|h|UTC|GMT|CET|EST|EDT|BST|PST)\b)+")
_SIGNATURE = re.compile(r"--\s*$")
# Name, title, firm, street, city, telephone, mail, web: what is longer is no name block.
_NAME_LINES = 8
_NAME_LINE = 80
_LINE_LIMIT = 300
_SIGN_OFF = re.compile(
    r"(?:(?:(?:kind|best|warm|many)\s+)?(?:regards|wishes|thanks)|best|cheers|thanks|thank you|sincerely|"
    r"(?:mit\s+)?(?:freundlichen|besten|viele)\s+grüßen?|cordialement|bien à vous|saludos(?: cordiales)?)[,.!]?$",
    re.IGNORECASE,
)

_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|good\s+(?:morning|afternoon|evening|day)|morning|afternoon|evening|all|team|folks|"
    r"hallo|guten\s+(?:tag|morgen)|liebe[rs]?|sehr\s+geehrte[rs]?|bonjour|hola|buenos\s+d[ií]as)\b[^.!?:]{0,40}[.!:]?$",
    re.IGNORECASE,
)
_ABBREVIATED = re.compile(
    r"(?:\b(?:Inc|Corp|Co|Ltd|Bros|Jr|Sr|Str|Ave|St|Dr|Mr|Mrs|Ms|Prof|[Tt]el|[Mm]ob|[Ff]ax|No|[A-Z]))\."
)
# The end of a sentence, money or a share of something, or words that no name, title or address has.
_SAYS = re.compile(
    r"[.!?…][\"”’)*_]*(?:\s|$)|[$€£¥%]|^[a-zß-ÿ]+(?:\s[a-zß-ÿ]+){2}|(?:\b[a-zß-ÿ]+,?\s){5}[a-zß-ÿ]+\b|"
    r"\b(?:to|is|are|was|were|will|would|has|have|had|[Ww]e|[Oo]ur|[Yy]our?|that|[Tt]his|but|not|than|[Pp]lease)\b"
)


@dataclass(frozen=True, slots=True)
class Part:
    """``text[start:end]`` was written by ``person`` (``address``), or by the mail's author where not ``quoted``.

    From ``signature`` on (``end`` if there is none) it is a name block, not prose; a part that is only
    ``announcing`` holds the lines that say who wrote the next one. ``signed`` is where its last name block
    stands, even if prose follows (a disclaimer, a postscript); it is empty if there is none.
    """

    start: int
    end: int
    depth: int
    quoted: bool
    person: str | None
    address: str | None
    signature: int
    signed: tuple[int, int]
    announcing: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    depth: int
    content: str


@dataclass(frozen=True, slots=True)
class _Owner:
    quoted: bool
    person: str | None = None
    address: str | None = None
    announcing: bool = False


def person_name(name: str | None) -> str | None:
    """A display name as people say it: no quotes, no bracketed firm, ``Doe, Jane`` turned round; None if empty."""
    bare = re.sub(r"\s*[(\[].*?[)\]]", "", name or "").strip().strip("\"'“”‘’*_ ")
    bare = " ".join(bare.split())
    last, comma, first = bare.partition(", ")
    credential = re.fullmatch(r"(?:CFA|PhD|Ph\.D\.?|MBA|FSA|Jr\.?|Sr\.?|M\.?D\.?|Inc\.?|LLC|Ltd\.?)", first)
    if comma and first and not credential and "," not in first:
        bare = f"{first} {last}"
    return bare if bare and "@" not in bare else None


def parts(text: str) -> list[Part]:
    """Cut a mail into parts that cover it exactly; a quoted run that nobody is named for stays where it is."""
    lines = _lines(text)
    owners = _owners(lines)
    return [_part(lines[first:last], owners[first]) for first, last in _runs(lines, owners)]


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for raw in text.splitlines(keepends=True):
        prefix = _PREFIX.match(raw)
        marks = prefix[0] if prefix else ""
        lines.append(_Line(start, start + len(raw), marks.count(">"), raw[len(marks) :].strip()))
        start += len(raw)
    return lines


def _owners(lines: list[_Line]) -> list[_Owner]:
    """Who owns each line: attribution lines and header blocks name the owner of what follows them."""
    named: dict[int, _Owner] = {0: _Owner(quoted=False)}
    owners: list[_Owner] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        # A quoted run that no line announced belongs to the level around it.
        level = max(depth for depth in named if depth <= line.depth)
        length, owner = _announced(lines, index)
        owners.extend([replace(named[level], announcing=True)] * length or [named[level]])
        index += max(length, 1)
        if owner:
            rest = (lines[at] for at in range(index, len(lines)))
            below = next((after.depth for after in rest if after.content), line.depth)
            target = line.depth + 1 if below > line.depth else line.depth
            named = {depth: known for depth, known in named.items() if depth < target} | {target: owner}
    return owners


def _announced(lines: list[_Line], index: int) -> tuple[int, _Owner | None]:
    """The number of lines that announce a quotation here, and whose it is; (0, None) if they do not."""
    content, depth = lines[index].content, lines[index].depth
    if _WROTE_BEGIN.match(content):
        for length in (1, 2, 3):
            joined = " ".join(line.content for line in lines[index : index + length])
            if _WROTE.match(joined):
                return length, _writer(joined)
    start = index
    if _RULED.match(content) or re.fullmatch(r"[_-]{8,}", content):
        start = next((i for i in range(index + 1, min(index + 4, len(lines))) if lines[i].content), index)
    sender = _FROM.match(lines[start].content)
    if sender and lines[start].depth == depth:
        length = _header_length(lines, start)
        if length:
            return start - index + length, _sender(sender["who"])
    return (1, _Owner(quoted=True)) if _RULED.match(content) else (0, None)


def _header_length(lines: list[_Line], start: int) -> int:
    """The length of the header block that begins with a From line; 0 unless two more fields follow it."""
    fields, length = 0, 1
    for offset, line in enumerate(lines[start + 1 : start + _HEADER_LINES], start=1):
        if _FIELD.match(line.content):
            fields, length = fields + 1, offset + 1
        elif not line.content and fields:
            break
    return length if fields >= 2 else 0


def _writer(line: str) -> _Owner:
    """The person in ``On <date>, Name <address> wrote:``, whatever the language."""
    found = _ADDRESS.search(line)
    before, *rest = _VERB.split(_ADDRESS.sub(" ", line).rstrip(" :"), maxsplit=1)
    name = rest[0] if rest and rest[0].strip() else re.split(r"\d", before)[-1]
    return _Owner(True, person_name(_CLOCK.sub("", name).strip(" ,;")), found[1].lower() if found else None)


def _sender(value: str) -> _Owner:
    value = value[:_LINE_LIMIT]
    found = _ADDRESS.search(value)
    name = person_name(_ADDRESS.sub(" ", value).strip()) or person_name(parseaddr(value)[0])
    return _Owner(True, name, found[1].lower() if found else None)


def _runs(lines: list[_Line], owners: list[_Owner]) -> Iterator[tuple[int, int]]:
    first = 0
    for index in range(1, len(lines)):
        changed = owners[index] is not owners[first]
        if changed and lines[index].content:
            yield first, index
            first = index
    if lines:
        yield first, len(lines)


def _part(lines: list[_Line], owner: _Owner) -> Part:
    depth = min((line.depth for line in lines if line.content), default=0)
    start, end = lines[0].start, lines[-1].end
    signed = (end, end) if owner.announcing else _name_block(lines, depth)
    signature = signed[0] if signed[1] == end else end
    return Part(start, end, depth, owner.quoted, owner.person, owner.address, signature, signed, owner.announcing)


def _name_block(lines: list[_Line], depth: int) -> tuple[int, int]:
    """The last sign-off with the names under it.

    People write "Thanks!" or "Best" above a whole mail, and ``--`` between two items of a list: a sign-off has
    prose before it and names behind it, and a ``--`` is the only one.
    """
    end = lines[-1].end
    spoken = next((index for index, line in enumerate(lines) if _is_prose(line)), len(lines))
    rules = sum(line.depth == depth and bool(_SIGNATURE.fullmatch(line.content)) for line in lines)
    found = (end, end)
    for mark in range(len(lines) - 1, spoken, -1):
        line = lines[mark]
        if line.depth != depth or not _signs_off(line) or (rules > 1 and _SIGNATURE.fullmatch(line.content)):
            continue
        behind = _names(lines, mark + 1)
        if behind == len(lines) or found == (end, end):
            found = (line.start, lines[behind - 1].end)
        if behind < len(lines):
            break
    return found


def _names(lines: list[_Line], first: int) -> int:
    """The index of the first line from ``first`` on that belongs to no name block."""
    count = 0
    for index in range(first, len(lines)):
        content = lines[index].content
        count += bool(content)
        if count > _NAME_LINES or (not _signs_off(lines[index]) and _says_something(content)):
            return index
    return len(lines)


def _signs_off(line: _Line) -> bool:
    return bool(_SIGNATURE.fullmatch(line.content) or _SIGN_OFF.fullmatch(line.content))


def _says_something(content: str) -> bool:
    """Tell a line of prose from one of a name block."""
    return len(content) > _NAME_LINE or bool(_SAYS.search(_ABBREVIATED.sub("", content)))


def _is_prose(line: _Line) -> bool:
    content = line.content
    return bool(content) and not (content.endswith(",") or _GREETING.match(content) or _signs_off(line))
