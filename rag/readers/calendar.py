"""Calendars: the bytes of an .ics file, or of the invitation in a mail -> a Document with a block an entry.

Lines that are no iCalendar (RFC 5545) are passed over, and a file that was cut gives what is there. It knows no
repetitions and no alarms; a time zone that has no IANA name is told by name, and counts by its winter offset.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from rag.errors import ReadError
from rag.readers.html import visible
from rag.readers.markup import Budget
from rag.readers.parsed import Parsed
from rag.readers.text import as_of, clean, decode, document_id, first_line, invisible, single_line, unseen
from rag.records import Document, SourceFile

MAX_ENTRIES = 1000
MAX_TEXT = 2_000_000

_ENTRIES = frozenset(("VEVENT", "VTODO", "VJOURNAL"))
_LINE = 500
_FOLD = re.compile(r"\r?\n[ \t]")
_MARK = re.compile(r'"[^"]*"?|[:;]')
_ESCAPE = re.compile(r"\\([nN\\,;:\"])")
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z)?)?")
_LASTING = re.compile(r"P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:\d{1,6}S)?)?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")
_HTML = re.compile(r"<(?:html|body|p|br|div|span|a|b|ul|table)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"(?i)(?:mailto:)?([^\s<>:;,\"]{1,256}@[^\s<>:;,\"]{1,256})")


@dataclass(frozen=True, slots=True)
class _Property:
    """A line of an entry, its parameters by upper-case name."""

    parameters: Mapping[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value with its escapes undone."""
        value = self.value
        if self.parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":  # vCalendar 1.0
            value = decode(quopri.decodestring(value.encode("utf-8", "replace")), self.parameters.get("CHARSET", ""))
        return _ESCAPE.sub(lambda escape: "\n" if escape[1] in "nN" else escape[1], value)


_NOTHING = _Property({}, "")


@dataclass(frozen=True, slots=True)
class _Moment:
    """A date, with or without a time of day, as the calendar states it, and in a zone where that is known."""

    local: datetime
    has_time: bool
    zone: tzinfo
    zone_name: str

    @property
    def aware(self) -> datetime:
        """The moment for comparison; without a zone it is taken for UTC."""
        return self.local.replace(tzinfo=self.zone)


@dataclass(slots=True)
class _Calendar:
    """Entries as they were found: the first property of each name; ``zones`` are the offsets of named zones."""

    entries: list[dict[str, _Property]] = field(default_factory=list)
    zones: dict[str, tzinfo] = field(default_factory=dict)
    is_cut: bool = False


def parse(source: SourceFile, raw: bytes) -> Parsed:
    """Read the entries of a calendar. Raises ReadError if it is none, or its HTML is beyond a bound."""
    calendar = _calendar(_FOLD.sub("", decode(raw)))
    budget, hidden = Budget(), 0
    blocks: list[str] = []
    for entry in calendar.entries:
        description, dropped = _description(entry, budget)
        hidden += dropped
        blocks.append(_block(entry, calendar.zones, description))
    written = "\n\n".join(blocks)[:MAX_TEXT]
    text = clean(written)
    first = calendar.entries[0] if calendar.entries else {}
    named, address = _organizer(first)
    stated = (("event", "DTSTART"), ("event", "DUE"), ("stamp", "DTSTAMP"), ("stamp", "CREATED"))
    moments = [(label, _moment(first.get(name), calendar.zones)) for label, name in stated]
    dates = [(label, moment.aware) for label, moment in moments if moment]
    dated_by, date = as_of(dates, text, source.mtime_ns)
    facts = {
        "from": address,
        "domain": address.rpartition("@")[2].lower(),
        "date_source": dated_by,
        **unseen(hidden, invisible(written)),
    }
    document = Document(
        id=document_id(raw),
        path=source.path,
        kind="note",
        title=single_line(first.get("SUMMARY", _NOTHING).text) or first_line(text),
        text=text,
        date=date,
        author=named or None,
        house=None,
        meta={name: single_line(fact, _LINE) for name, fact in facts.items() if fact},
    )
    return Parsed(document, left_out=(f"only the first {MAX_ENTRIES:,} entries are read",) * calendar.is_cut)


def _calendar(text: str) -> _Calendar:
    """Sort the lines into entries; what is inside of an entry, such as an alarm, is no part of it."""
    calendar = _Calendar()
    inside = [""]
    zone = ""
    found = False
    for line in text.splitlines():
        name, prop = _property(line)
        kind = prop.value.strip().upper()
        if name == "BEGIN":
            found |= kind == "VCALENDAR"
            inside.append(kind)
            if kind in _ENTRIES and len(calendar.entries) >= MAX_ENTRIES:
                calendar.is_cut = True
                break
            calendar.entries += [{}] * (kind in _ENTRIES)
        elif name == "END":
            _leave(inside, kind)
        elif inside[-1] in _ENTRIES:
            calendar.entries[-1].setdefault(name, prop)
        elif name == "TZID":
            zone = prop.value
        elif name == "TZOFFSETTO" and inside[-1] == "STANDARD":
            calendar.zones.setdefault(zone, _offset(prop.value))
    if not found:
        raise ReadError("it is not a calendar")
    return calendar


def _leave(inside: list[str], kind: str) -> None:
    """End a component, and with it one in it that was left open."""
    if inside[-1] != kind and len(inside) > 2 and inside[-2] == kind:
        inside.pop()
    if inside[-1] == kind and len(inside) > 1:
        inside.pop()


def _offset(value: str) -> tzinfo:
    match = _OFFSET.match(value)
    if not match:
        return UTC
    shift = timedelta(hours=int(match[2]) % 24, minutes=int(match[3]) % 60)
    return timezone(-shift if match[1] == "-" else shift)


def _property(line: str) -> tuple[str, _Property]:
    """Take a line apart at the marks that stand outside of quotes; its name is empty if it has no value."""
    pieces: list[str] = []
    start = 0
    for mark in _MARK.finditer(line):
        if mark[0] not in (":", ";"):
            continue
        pieces.append(line[start : mark.start()])
        start = mark.end()
        if mark[0] == ":":
            pairs = (piece.partition("=") for piece in pieces[1:])
            parameters = {name.strip().upper(): value.strip('"') for name, _, value in pairs}
            return pieces[0].strip().upper().rpartition(".")[2], _Property(parameters, line[start:])
    return "", _NOTHING


def _block(entry: Mapping[str, _Property], zones: Mapping[str, tzinfo], description: str) -> str:
    named, address = _organizer(entry)
    facts = {
        "Summary": single_line(entry.get("SUMMARY", _NOTHING).text, _LINE),
        "When": _when(entry, zones),
        "Where": single_line(entry.get("LOCATION", _NOTHING).text, _LINE),
        "Organizer": f"{named} <{address}>" if named and address else named or address,
    }
    head = "\n".join(f"{name}: {fact}" for name, fact in facts.items() if fact)
    return "\n".join(filter(None, (head, f"Description: {description}" if description else "")))


def _description(entry: Mapping[str, _Property], budget: Budget) -> tuple[str, int]:
    """The description as text, which some programs write in HTML, and how much of it nobody sees."""
    stated = entry.get("DESCRIPTION", _NOTHING).text.strip() or entry.get("X-ALT-DESC", _NOTHING).text.strip()
    if not _HTML.search(stated):
        return stated, 0
    page = visible(stated.encode("utf-8", "replace"), "utf-8", budget)
    return page.text, page.hidden


def _organizer(entry: Mapping[str, _Property]) -> tuple[str, str]:
    """The name and the address of who invites; either may be empty."""
    stated = entry.get("ORGANIZER", _NOTHING)
    address = _ADDRESS.search(stated.value[:_LINE])
    name = single_line(stated.parameters.get("CN", ""), 80).strip("'\"")
    return "" if "@" in name else name, address[1] if address else ""


def _moment(stated: _Property | None, zones: Mapping[str, tzinfo]) -> _Moment | None:
    match = _MOMENT.match(stated.value.strip()) if stated else None
    if not stated or not match:
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        local = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    name = "UTC" if match[7] else single_line(stated.parameters.get("TZID", ""), 80)
    return _Moment(local, match[4] is not None, UTC if match[7] else _zone(name, zones), name)


def _zone(name: str, zones: Mapping[str, tzinfo]) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # there is none of this name, it is that of a folder, it is "../x"
        return zones.get(name, UTC)


def _when(entry: Mapping[str, _Property], zones: Mapping[str, tzinfo]) -> str:
    """From when to when, with the time zone: ``2025-01-27 10:00 - 11:00 (Europe/London)``."""
    start = _moment(entry.get("DTSTART"), zones)
    end = _moment(entry.get("DTEND") or entry.get("DUE"), zones)
    if not start or not end:
        known = start or end
        if not known:
            return ""
        lasting = _LASTING.fullmatch(entry.get("DURATION", _NOTHING).value.strip())
        weeks, days, hours, minutes = (int(part or 0) for part in (lasting.groups() if lasting else "0000"))
        length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)
        return _span(known, known.local + length) if length <= datetime.max - known.local else _span(known, known.local)
    last = end.local if end.has_time else max(start.local, end.local - timedelta(days=end.local > datetime.min))
    if end.zone_name != start.zone_name and start.has_time and end.has_time:
        return f"{_span(start, start.local)} - {_span(end, end.local)}"
    return _span(start, last)


def _span(start: _Moment, last: datetime) -> str:
    form = "%Y-%m-%d %H:%M" if start.has_time else "%Y-%m-%d"
    first = start.local.strftime(form)
    until = last.strftime("%H:%M" if start.has_time and last.date() == start.local.date() else form)
    zone = f" ({start.zone_name})" if start.zone_name and start.has_time else ""
    return f"{first}{zone}" if last == start.local else f"{first} - {until}{zone}"
