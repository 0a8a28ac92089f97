"""Which lines of a mail are its author's own, and which repeat an earlier message.

In: the text of a mail. Out: its parts in order, each with the person and address that the lines above it
name, and the date that they give. It knows the attribution lines and header blocks of the usual mail programs
in fifteen languages, and neither houses nor what is being said.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr

from rag.sentences import Line
from rag.sentences import lines as split_lines

# Outlook writes three to seven header lines; a forward with many recipients wraps to a few more.
_HEADER_LINES = 12
# Mail programs wrap at 72 to 78 columns; a long name, address and date make four such lines.
_WRAPPED_LINES = 4
_LINE_LIMIT = 300


def _labels(words: str) -> str:
    return "|".join(re.escape(word.strip()) for word in words.split("|"))


_RULES = _labels("""
    Begin forwarded message|Forwarded message|Original Message|Original Appointment|
    Ursprüngliche Nachricht|Originalnachricht|Original-Nachricht|Weitergeleitete Nachricht|
    Anfang der weitergeleiteten Nachricht|Anfang der weitergeleiteten E-Mail|
    Message d'origine|Message d’origine|Message original|Message transféré|Début du message transféré|
    Début du message réexpédié|Mensaje original|Mensaje reenviado|Inicio del mensaje reenviado|
    Messaggio originale|Messaggio inoltrato|Inizio messaggio inoltrato|
    Oorspronkelijk bericht|Doorgestuurd bericht|Begin doorgestuurd bericht|
    Mensagem original|Mensagem encaminhada|Mensagem reencaminhada|Início da mensagem encaminhada|
    Início da mensagem reencaminhada|Ursprungligt meddelande|Originalmeddelande|Vidarebefordrat meddelande|
    Vidarebefordrat brev|Opprinnelig melding|Videresendt melding|Start på videresendt melding|
    Oprindelig meddelelse|Videresendt meddelelse|Start på videresendt besked|
    Wiadomość oryginalna|Oryginalna wiadomość|Wiadomość przekazana|Przekazana wiadomość|
    Początek przekazywanej wiadomości|Исходное сообщение|Пересылаемое сообщение|Пересланное сообщение|
    Начало переадресованного сообщения|原始邮件|原始郵件|转发的邮件|轉寄的郵件|转发邮件信息|下面是被转发的邮件|
    開始轉寄郵件|元のメッセージ|転送メッセージ|転送されたメッセージ|원본 메시지|원본 메일|전달된 메시지
""")
_RULED = re.compile(rf"[-_=\s]*(?:{_RULES})\s?[:：]?[-_=\s]*$", re.IGNORECASE)
_RULE = re.compile(r"[-_=*–—]{4,}$")
_FROM_LABELS = _labels(
    "From|Von|De|Da|Van|Från|Fra|Od|От|От кого|发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람"
)
_WHEN_LABELS = _labels(
    "Sent|Date|Gesendet|Datum|Envoyé|Envoyé le|Enviado|Enviado el|Enviada|Enviada em|Enviado em|Fecha|Inviato|Data|"
    "Verzonden|Skickat|Sendt|Dato|Wysłano|Отправлено|Дата|发送时间|日期|寄件日期|傳送時間|送信日時|日時|日付|"
    "보낸 날짜|날짜"
)
_OTHER_LABELS = _labels(
    "To|Cc|Bcc|Subject|Reply-To|Importance|Attachments|An|Kopie|Betreff|Antwort an|Wichtigkeit|Anlagen|À|Objet|Pièces "
    "jointes|Para|Asunto|Assunto|A|Oggetto|Aan|Onderwerp|CC|Till|Kopia|Ämne|Til|Kopi|Emne|Do|DW|Temat|Кому|Копия|Тема|"
    "收件人|收件者|抄送|副本|主题|主旨|宛先|件名|받는 사람|받는사람|참조|제목"
)
_FIELD = re.compile(
    rf"[*_]*(?:(?P<writer>{_FROM_LABELS})|(?P<when>{_WHEN_LABELS})|{_OTHER_LABELS})[*_]*\s?(?::[*_]*(?:\s+|$)|：[*_]*\s*)"
    r"[*_]*(?P<value>.*)"
)
_ADDRESS = re.compile(r"[<\[(]*(?:mailto:)?([\w.+'-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8})[>\])]*")

_ON_BEHALF = re.compile(r"\s(?:On Behalf Of|Im Auftrag von|De la part de|En nombre de|Namens|Per conto di)\s")

# The verb closes the line, or a date in brackets does: "Ann Lee <ann@example.com> escreveu (segunda, 27/01/2025):".
_LAST_VERB = (
    r"(?:\b(?:wrote|writes|a\sécrit|escribió|ha\sscritto|escreveu|napisał(?:\(a\)|a)?|pisze|написал(?:\(а\)|а)?|пишет|"
    r"(?:Folgendes\s)?geschrieben|(?:het\svolgende\s)?geschreven)|"
    r"写道|寫道|が書いたメール|のメール|님이\s?작성|작성)"
)
# Here the name, or the date, may follow the verb.
_MIDDLE_VERB = (
    r"\b(?:schrieb|schreef|skrev|wrote\son|escribió\sel|a\sécrit\sle|ha\sscritto\sil|napisał(?:\(a\)|a)?\sw)\b"
)
_MIDDLE = re.compile(_MIDDLE_VERB)
_CLOSES = re.compile(rf"{_LAST_VERB}\s?(?:\([^<>]{{4,60}}\)\s?)?[:：]$")
_WEEKDAYS = (
    r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tag|Mittwoch|"
    r"Mo|Di|Mi|Do|Fr|Sa|So|lun|mar|mer|mié|jeu|jue|ven|vie|gio|sam|sáb|sab|dim|dom|seg|ter|qua|qui|sex|ma|wo|vr|za|zo|mån|"
    r"tis|ons|tors?|tirs?|fre|lør|lör|søn|sön|man|pon|wt|śr|czw|pt|sob|niedz|пн|вт|ср|чт|пт|сб|вс|lundi|mardi|mercredi|"
    r"jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo|segunda(?:-feira)?|"
    r"terça(?:-feira)?|quarta(?:-feira)?|quinta(?:-feira)?|sexta(?:-feira)?|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|"
    r"domenica|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|måndag|mandag|tisdag|tirsdag|onsdag|torsdag|"
    r"fredag|lördag|lørdag|söndag|søndag)\b\.?"
)
_LEADS = r"(?:On|At|In\sa\smessage\sdated|Am|Le|El|Il(?:\sgiorno)?|Op|Em|No\sdia|Den|På|W\sdniu|Dnia|В|在)(?=[\s\d])"
_DATED = re.compile(
    rf"(?:(?:---\s)?{_LEADS}\s*(?:the\s)?)?"
    rf"(?:{_WEEKDAYS}|\d{{1,4}}\s?[-./,年년]|\d{{1,2}}\s?[^\W\d_]|[^\W\d_]{{3,10}}\.?\s\d)"
)
_TIME = re.compile(r"\d{1,2}\s?[:.h時点]\s?\d{2}")
_SENTENCE_END = re.compile(r"[^\W\d_]{4,}[.!?]\s+[A-ZÀ-Þ]")
# What is left of the date once its digits are gone.
_CLOCK = re.compile(
    rf"^(?:[\s,;:.、，|()–-]|{_LEADS}|{_WEEKDAYS}|(?:AM|PM|am|pm|a\.m\.|p\.m\.|Uhr|um|à|h|at|às|om|kl|ore|alle|klo|hrs?|o|г|в|hat|heeft|A\.M\.|P\.M\.|"
    r"от|пользователь|UTC|GMT|CET|CEST|MEZ|EST|EDT|BST|PST|PDT|the)(?![\w@]))+"
)
_NOBODY = re.compile(r"(?:[Hh]e|[Ss]he|[Tt]hey|[Ii]t|[Ww]e|I|[Yy]ou|[Ww]ho|[Tt]he|an?|er|sie|es|wir|ils?|elle|nous)\b")
_BEGINS = re.compile(
    rf"(?:{_DATED.pattern}|[\"“«'<]?[^\W\d_][^<>@:]{{0,60}}(?:{_LAST_VERB}|{_MIDDLE_VERB})|"
    rf"(?:---\s)?(?:[\"“«']?[^\W\d_a-z][^<>@:]{{0,60}}[\"”»']?\s?|\S{{1,64}}@\S{{1,64}}\s)?{_ADDRESS.pattern}[\s,]*(?:\([^()]{{1,60}}\)\s?)?"
    rf"(?:{_LAST_VERB}|{_MIDDLE_VERB}|[于於]))"
)

_MONTHS = {
    start: number
    for number, starts in enumerate(
        (
            "jan ene gen sty янв",
            "feb fev fév lut фев",
            "mar mär mrz mrt maa мар",
            "apr avr abr kwi апр",
            "may mai maj mei mag мая май",
            "jun juin giu cze июн",
            "jul juil lug lip июл",
            "aug aoû aou ago sie авг",
            "sep set wrz сен",
            "oct okt out ott paź окт",
            "nov lis ноя",
            "dec dez déc dic des gru дек",
        ),
        start=1,
    )
    for start in starts.split()
}
_YEAR = r"(?P<year>\d{4})(?!\d)"
_NAMED = r"(?P<name>[^\W\d_]{3,12})"
_YEAR_FIRST = re.compile(
    r"(?<!\d)(?P<year>\d{4})\s?[-/.年년]\s?(?P<month>\d{1,2})\s?[-/.月월]\s?(?P<day>\d{1,2})(?!\d)"
)
_DAY_FIRST = re.compile(
    rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?[\s-](?:of\s|de\s)?{_NAMED}\.?,?[\s-](?:del?\s)?{_YEAR}"
)
_MONTH_FIRST = re.compile(rf"(?<!\w){_NAMED}\.?\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s{_YEAR}")
_NUMBERS = re.compile(rf"(?<!\d)(?P<day>\d{{1,2}})(?P<mark>[./-])(?P<month>\d{{1,2}})(?P=mark){_YEAR}")
_CLOCKED = re.compile(
    r"(?P<early>上午|午前|오전)?(?P<late>下午|午後|오후)?\s?(?<!\d)(?P<hour>\d{1,2})\s?[:.h時]\s?(?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2}))?(?!\d)\s?(?P<half>[AaPp])?(?(half)\.?[Mm]\b\.?)"
)
_ZONE = re.compile(
    r"\s?\(?(?:(?:UTC|GMT)?(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?|(?P<name>[A-Z]{1,4})\b)"
)
# RFC 2822 defines the American ones; "IST" and "CST" beyond it mean several places each.
_ZONES = {
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "UT": 0,
    "CET": 1,
    "MEZ": 1,
    "CEST": 2,
    "EST": -5,
    "EDT": -4,
    "PST": -8,
    "PDT": -7,
}
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Part:
    """``text[start:end]`` was written by ``person`` (``address``), or by the mail's author where not ``quoted``.

    A part that is only ``announcing`` holds the lines that say who wrote the next one. ``cue`` is where those
    lines stand for this part, ``date`` what they say of its time, ``confidence`` how surely they name somebody.
    """

    start: int
    end: int
    depth: int
    quoted: bool
    person: str | None
    address: str | None
    announcing: bool = False
    date: datetime | None = None
    cue: tuple[int, int] | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class _Owner:
    quoted: bool
    person: str | None = None
    address: str | None = None
    announcing: bool = False
    date: datetime | None = None
    cue: tuple[int, int] | None = None
    confidence: float = 1.0


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
    lines = split_lines(text, 0, len(text))
    owners = _owners(text, lines)
    return [_part(lines[first:last], owners[first]) for first, last in _runs(lines, owners)]


def _owners(text: str, lines: list[Line]) -> list[_Owner]:
    """Who owns each line: attribution lines and header blocks name the owner of what follows them."""
    depths, named = [0], [_Owner(quoted=False)]
    owners: list[_Owner] = []
    index = 0
    while index < len(lines):
        # A quoted run that no line announced belongs to the level around it.
        around = named[bisect_right(depths, lines[index].depth) - 1]
        length, owner = _announced(lines, index)
        owners.extend([replace(around, announcing=True)] * length or [around])
        if owner:
            first, last = lines[index].start, lines[index + length - 1]
            owner = replace(owner, cue=(first, last.start + len(text[last.start : last.end].rstrip())))
            target = lines[index].depth + _deeper(lines, index, index + length)
            kept = bisect_right(depths, target - 1)
            depths[kept:], named[kept:] = [target], [owner]
        index += max(length, 1)
    return owners


def _deeper(lines: list[Line], index: int, after: int) -> bool:
    """Tell whether what follows an announcement is quoted one level deeper than it."""
    rest = (lines[at] for at in range(after, len(lines)))
    return next((line.depth for line in rest if line.content), 0) > lines[index].depth


def _announced(lines: list[Line], index: int) -> tuple[int, _Owner | None]:
    """The number of lines that announce a quotation here, and whose it is; (0, None) if they do not."""
    content, depth = lines[index].content, lines[index].depth
    if not content:
        return 0, None
    length, owner = _attribution(lines, index)
    if owner:
        return length, owner
    ruled = len(content) <= _LINE_LIMIT and bool(_RULED.match(content))
    start = index
    if ruled or _RULE.match(content):
        start = next((at for at in range(index + 1, min(index + 4, len(lines))) if lines[at].content), index)
    if lines[start].depth == depth and (block := _header(lines, start, fields=2 if ruled else 3)):
        return start - index + block[0], block[1]
    return (1, _Owner(quoted=True, confidence=0.5)) if ruled else (0, None)


def _header(lines: list[Line], start: int, fields: int) -> tuple[int, _Owner] | None:
    """The header block that begins here: its length, and who wrote the message below it.

    It has ``fields`` fields at least, one of them the writer; an address and a date are enough.
    """
    writer, when, count, length = "", "", 0, 0
    english = True
    for offset, line in enumerate(lines[start : start + _HEADER_LINES], start=1):
        field = _FIELD.match(line.content[:_LINE_LIMIT]) if line.depth == lines[start].depth else None
        if field:
            writer = writer or (field["value"] if field["writer"] else "")
            if field["when"] and not when:
                when, english = field["value"], field["when"] in ("Date", "Sent")
            count, length = count + 1, offset
        elif not count or (line.content and not writer) or (not line.content and count > 1):
            break
    if not writer:
        return None
    owner = replace(_sender(writer), date=_date(when, english))
    return (length, owner) if count >= fields or (owner.address and owner.date) else None


def _sender(value: str) -> _Owner:
    found = _ADDRESS.search(value)
    value = _ON_BEHALF.split(value, maxsplit=1)[0]
    name = person_name(_ADDRESS.sub(" ", value).strip()) or person_name(parseaddr(value)[0])
    return _Owner(True, name, found[1].lower() if found else None)


def _attribution(lines: list[Line], index: int) -> tuple[int, _Owner | None]:
    """The lines of an ``On <date>, Name <address> wrote:`` that begins here, in whatever language."""
    begin = lines[index]
    if not _BEGINS.match(begin.content):
        return 0, None
    said = ""
    for length, line in enumerate(lines[index : index + _WRAPPED_LINES], start=1):
        said = f"{said} {line.content}" if said else line.content
        # Where the bracket of the address was wrapped, "> wrote:" looks like a quoted line.
        inside = line.depth == begin.depth or _CLOSES.match(line.content)
        if not line.content or not inside or len(said) > _LINE_LIMIT:
            break
        if said[-1] in ":：":
            owner, sure = _writer(said)
            # A name alone, with a weekday or nothing, may begin any paragraph; quoted lines below it do not.
            return (length, owner) if owner and (sure or _deeper(lines, index, index + length)) else (0, None)
    return 0, None


def _writer(said: str) -> tuple[_Owner | None, bool]:
    """Whom an attribution line names, and whether its address or time of day leaves no doubt that it is one."""
    address, clock = _ADDRESS.search(said), _TIME.search(said)
    last, middle = _CLOSES.search(said), _MIDDLE.search(said)
    if _SENTENCE_END.search(said):
        return None, False
    if last:
        body, between = said[: last.start()], said[address.end() : last.start()] if address else ""
    elif middle:
        before, behind = said[: middle.start()], said[middle.end() :].rstrip(" :：")
        body, between = (before if re.search(r"\d", _ADDRESS.sub("", behind)) or not behind else behind), ""
    elif address and clock and _DATED.match(said) and _date(said, english=False):
        body, between = said[:-1], said[address.end() : -1]
    else:
        return None, False
    inside = _ADDRESS.search(body)
    name = person_name(_CLOCK.sub("", re.split(r"\d", body[: inside.start()] if inside else body)[-1]).strip(" ,;<("))
    bracketed = re.match(r"\s*\(([^()\d]{2,60})\)", between)
    name = name or person_name(bracketed[1] if bracketed else None)
    if len(between.strip(' ,()>"')) > 40 or (name and (len(name) > 80 or len(name.split()) > 7)):
        return None, False
    if address is None and (name is None or _NOBODY.match(name)):
        return None, False
    date = _date(said, english=said.startswith("On ") or " wrote" in said)
    owner = _Owner(True, name, address[1].lower() if address else None, False, date, None, 1.0 if address else 0.9)
    return owner, bool(address or clock)


def _date(said: str, english: bool) -> datetime | None:
    """The date that a line gives, in UTC; None where it has none, or one that may be read in two ways.

    A time of day without a zone counts as UTC, and ``english`` decides whether 02/03 may be either order.
    """
    for form in (_YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST, _NUMBERS):
        if found := form.search(said):
            break
    else:
        return None
    named = found.groupdict()
    day = int(named["day"])
    month = _month(named["name"]) if "name" in named else int(named["month"])
    if form is _NUMBERS and english and named["mark"] != ".":
        if day <= 12 and month <= 12 and day != month:
            return None
        day, month = (month, day) if month > 12 else (day, month)
    try:
        date = datetime(int(named["year"]), month, day, tzinfo=UTC)
        date = _timed(date, f"{said[: found.start()]} {said[found.end() :]}")
    except (ValueError, OverflowError):
        return None
    return date if _EARLIEST <= date <= datetime.now(UTC) + _CLOCK_SKEW else None


def _month(name: str) -> int:
    return next((_MONTHS[name[:size].lower()] for size in (4, 3) if name[:size].lower() in _MONTHS), 0)


def _timed(date: datetime, said: str) -> datetime:
    """The date with the time of day and the zone that ``said`` gives; raises ValueError for one that no clock has."""
    clock = _CLOCKED.search(said)
    if clock is None:
        return date
    hour, half = int(clock["hour"]), (clock["half"] or "").lower()
    if hour <= 12 and (half or clock["early"] or clock["late"]):
        hour = hour % 12 + (12 if half == "p" or clock["late"] else 0)
    date = date.replace(hour=hour, minute=int(clock["minute"]), second=int(clock["second"] or 0))
    zone = _ZONE.match(said, clock.end())
    if zone is None:
        return date
    minutes = 60 * int(zone["hours"] or _ZONES.get(zone["name"] or "", 0)) + int(zone["minutes"] or 0)
    return (date - timedelta(minutes=-minutes if zone["sign"] == "-" else minutes)).astimezone(UTC)


def _runs(lines: list[Line], owners: list[_Owner]) -> Iterator[tuple[int, int]]:
    first = 0
    for index in range(1, len(lines)):
        changed = owners[index] is not owners[first]
        if changed and lines[index].content:
            yield first, index
            first = index
    if lines:
        yield first, len(lines)


def _part(lines: list[Line], owner: _Owner) -> Part:
    depth = min((line.depth for line in lines if line.content), default=0)
    return Part(
        lines[0].start,
        lines[-1].end,
        depth,
        owner.quoted,
        owner.person,
        owner.address,
        owner.announcing,
        owner.date,
        owner.cue,
        owner.confidence,
    )
