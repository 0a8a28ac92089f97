"""Answers, hits and reports as JSON and as text for a terminal.

In: records. Out: strings. All text passes `printable`, so that nothing in a mail, a file name or a
model's output can steer the terminal that shows it (CWE-150). It does not know where the records come from.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rag.costs import written_per_second
from rag.prompts import speaker
from rag.records import Answer, Hit, Quote, SyncReport
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.comparing import Comparison, Row
    from rag.modelfiles import ModelFile
    from rag.status import Status

_DIGEST = 20
_COPIES = 3


def printable(text: str) -> str:
    """``text`` without control, bidirectional and invisible characters; line breaks and tabs stay."""
    return "".join(
        " " if unicodedata.category(char) in ("Zs", "Zl", "Zp") else char
        for char in text
        if char in "\n\t" or unicodedata.category(char)[0] != "C"
    )


def label(text: str) -> str:
    """A name, path or reason in one line: a line break in a file name must not begin a forged quote."""
    return " ".join(printable(text).split())


def write_json(value: object, stream: IO[str]) -> None:
    """Write one JSON value and a line break; everything beyond ASCII is escaped."""
    stream.write(json.dumps(value, default=str) + "\n")
    stream.flush()


def answer_json(answer: Answer) -> dict[str, Any]:
    """The object that ``rag ask --json`` prints."""
    usage = answer.usage
    return {
        "question": answer.question,
        "searched": answer.searched,
        "answer": answer.text,
        "refused": answer.refused,
        "support": round(answer.support, 3),
        "sentences": [
            {"text": one.text, "citations": list(one.labels), "verdict": one.verdict, "reason": one.reason}
            for one in answer.sentences
        ],
        "quotes": [
            {"n": quote.label, **_passage(quote.hit, quote.text, quote.start, quote.end)} for quote in answer.quotes
        ],
        "model": answer.model,
        "thinking": answer.thinking,
        "note": answer.note,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "thinking_tokens": usage.thinking_tokens,
            "answer_tokens": usage.answer_tokens,
            "seconds": {stage: round(seconds, 3) for stage, seconds in usage.seconds.items()},
        },
    }


def answer_markdown(answer: Answer, limits: str) -> str:
    """The answer and its quotes as Markdown, for a note; ``limits`` says what was asked of, and may be empty."""
    parts = [f"**{_inert(answer.question)}**"]
    if answer.searched not in ("", answer.question):
        parts.append(f"Searched: {_inert(answer.searched)}")
    if limits:
        parts.append(f"Only: {_inert(limits)}")
    parts += [_inert(text) for text in (answer.text, answer.note) if text]
    for quote in answer.quotes:
        hit = quote.hit
        source = f"{speaker(hit)}, {hit.date:%d %b %Y}, {hit.document.title} ({place(hit)})"
        parts.append(f"> {_inert(one_line(quote.text))}\n>\n> [{quote.label}] {_inert(label(source))}")
    if answer.model and answer.text and not answer.refused:
        parts.append(f"Written by {_inert(answer.model)}; each sentence was checked against its quote by code.")
    return "\n\n".join(parts) + "\n"


def _inert(text: str) -> str:
    """``text`` in which Markdown sees no image, link, element or heading; citations such as [1] stay."""
    text = re.sub(r"\[(?!\d{1,3}\](?![(\[:]))|[\\`*_<>|~&]", r"\\\g<0>", printable(text))
    text = re.sub(r"(?m)^([^\S\n]*)([#+=-])", r"\1\\\2", text)
    return re.sub(r"(?m)^([^\S\n]*\d{1,9})([.)])(?=\s|$)", r"\1\\\2", text)


def comparison_markdown(found: Comparison, limits: str = "") -> str:
    """What each house says of a claim as a Markdown table, for a note; ``limits`` as in `answer_markdown`."""
    parts = [f"**{_cell(found.claim)}**"]
    if limits:
        parts.append(f"Only: {_cell(limits)}")
    if found.rows:
        rows = (_HEADINGS, ("---",) * len(_HEADINGS), *(tuple(map(_cell, _cells(row))) for row in found.rows))
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in rows))
    if found.silent:
        parts.append(f"Nothing near it from {_cell(', '.join(found.silent))}.")
    return "\n\n".join(parts) + "\n"


def comparison_csv(found: Comparison) -> str:
    """What each house says of a claim as CSV; no cell is a formula to the program that opens it."""
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(_HEADINGS)
    writer.writerows([_no_formula(cell) for cell in _cells(row)] for row in found.rows)
    return stream.getvalue()


_HEADINGS = ("House", "Date", "Stance", "Reason", "Quote", "Title", "File")


def _cells(row: Row) -> tuple[str, ...]:
    hit, stance = row.quote.hit, row.stance
    said, title = label(one_line(row.quote.text)), label(hit.document.title)
    return (
        label(speaker(hit)), f"{hit.date:%Y-%m-%d}", stance.verdict, label(stance.reason), said, title, place(hit)
    )  # fmt: skip


def _cell(text: str) -> str:
    return _inert(label(text))


def _no_formula(text: str) -> str:
    """``text`` that begins no formula: spreadsheets skip blanks before one, and run it (CWE-1236)."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") else text


def search_json(query: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The object that ``rag search --json`` prints."""
    rows = [
        {"rank": rank, **_passage(hit, hit.chunk.text, hit.chunk.start, hit.chunk.end)}
        for rank, hit in enumerate(hits, start=1)
    ]
    return {"query": query, "hits": rows}


def comparison_json(found: Comparison) -> dict[str, Any]:
    """The object that ``rag compare --json`` prints; ``stance`` is "agree", "disagree", "other" or empty."""
    rows = [
        {
            "n": row.quote.label,
            **_passage(row.quote.hit, row.quote.text, row.quote.start, row.quote.end),
            "stance": row.stance.verdict,
            "reason": row.stance.reason,
        }
        for row in found.rows
    ]
    return {"claim": found.claim, "rows": rows, "silent": list(found.silent)}


def _passage(hit: Hit, text: str, start: int, end: int) -> dict[str, Any]:
    voice, document = hit.chunk.voice, hit.document
    return {
        "text": text,
        "document": document.id,
        "path": document.path,
        "title": document.title,
        "house": voice.house,
        "person": voice.person,
        "role": voice.role,
        "date": hit.date.isoformat(),
        "start": start,
        "end": end,
        "score": round(hit.score, 6),
        "confidence": voice.confidence,
        "cue": voice.cue,
        "attachment": document.meta.get("attachment"),
        "parent": document.parent,
        "copies": [{"document": copy.id, "path": copy.path, "title": copy.title} for copy in hit.copies],
    }


def wrapped(text: str, stream: IO[str], indent: str = "") -> str:
    """``text`` as a paragraph: folded to the width of a terminal, in one line for a pipe."""
    line = " ".join(printable(text).split())
    if not stream.isatty():
        return indent + line
    width = min(100, shutil.get_terminal_size().columns)
    return textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _heading(hit: Hit) -> str:
    return label(f"{speaker(hit)}, {hit.date:%d %b %Y}")


def quote_text(quote: Quote, stream: IO[str]) -> str:
    """A quote as three parts: who and when, the verbatim lines, where they stand."""
    lines = wrapped(one_line(quote.text), stream, "    │ ")
    return f"[{quote.label}] {_heading(quote.hit)}\n{lines}\n    {place(quote.hit)}"


def place(hit: Hit) -> str:
    """The file, what in it, and who repeats it."""
    attached = hit.document.meta.get("attachment")
    within = f", {attached}" if attached else ""
    copies = list(dict.fromkeys(copy.path for copy in hit.copies if copy.path != hit.document.path))
    more = f" and {len(copies) - _COPIES} more" if len(copies) > _COPIES else ""
    repeated = f" (also in {', '.join(copies[:_COPIES])}{more})" if copies else ""
    return label(f"{hit.document.path}{within}{repeated}")


def comparison_text(found: Comparison, stream: IO[str]) -> str:
    """What each house says of a claim, a paragraph each, and who says nothing of it."""
    paragraphs = [_row_text(row, stream) for row in found.rows] or ["No house says anything near this claim."]
    if found.silent:
        paragraphs.append(wrapped(f"Nothing near it from {', '.join(found.silent)}.", stream))
    return "\n\n".join(paragraphs)


def _row_text(row: Row, stream: IO[str]) -> str:
    heading, *lines = quote_text(row.quote, stream).split("\n")
    verdict = f": {row.stance.verdict} ({label(row.stance.reason)})" if row.stance.verdict else ""
    return "\n".join((heading + verdict, *lines))


def hit_text(rank: int, hit: Hit, stream: IO[str]) -> str:
    """A hit as ``rag search`` shows it."""
    where = f"    {place(hit)}  ({hit.score:.4f})"
    return f"{rank:2}. {_heading(hit)}\n{wrapped(one_line(hit.chunk.text), stream, '    │ ')}\n{where}"


def footnotes(answer: Answer) -> Iterator[str]:
    """What stands under an answer: what was withheld and why, then what it cost."""
    withheld = [sentence for sentence in answer.sentences if sentence.verdict == "withheld"]
    if withheld:
        count = len(answer.sentences)
        yield f"\n{len(withheld)} of {count} sentence{'' if count == 1 else 's'} withheld by the check:"
        for sentence in withheld:
            yield f"  - {label(sentence.text)} ({label(sentence.reason)})"
    if answer.sentences and not answer.text:
        yield "No sentence passed the check: the quotes are the answer."
    seconds = answer.usage.seconds
    if answer.model and answer.usage.answer_tokens:
        pace = written_per_second(answer.usage) or 0.0
        yield (
            f"\n{answer.model}: {answer.usage.prompt_tokens} tokens read, {answer.usage.answer_tokens} written"
            f" ({pace:.0f} a second), first word after {seconds.get('first_token', 0.0):.1f} s,"
            f" {seconds['total']:.1f} s in all."
        )


def digest_text(report: SyncReport, now: datetime) -> str:
    """What has arrived: who wrote, about what, what was there already, and what could not be read; empty if nothing."""
    told = _counted(
        (report.documents, "new"),
        (len(report.duplicates), "duplicates"),
        (len(report.removed) - len(report.moved), "gone"),
        (len(report.failed), "not readable"),
    )
    if not told:
        return ""
    lines = [f"{now:%H:%M:%S}  {told}"]
    for arrival in report.arrived[:_DIGEST]:
        writer = " ".join(part for part in (arrival.house, f"({arrival.author})" if arrival.author else "") if part)
        carried = f", attached to “{arrival.parent}”" if arrival.parent else ""
        lines.append(f"  {arrival.date:%d %b %Y}  {label(writer or 'unknown')}: {label(arrival.title + carried)}")
    if report.documents > _DIGEST:
        lines.append(f"  and {report.documents - _DIGEST} more")
    lines += [f"  duplicate: {label(path)}" for path in report.duplicates[:_DIGEST]]
    lines += [f"  not readable: {label(failure.path)}: {label(failure.reason)}" for failure in report.failed[:_DIGEST]]
    return "\n".join(lines)


def _counted(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def changes_text(report: SyncReport) -> str:
    """What a sync did, in one line."""
    files = _counted(
        (len(report.added), "added"),
        (len(report.changed), "changed"),
        (len(report.removed), "removed"),
        (len(report.duplicates), "of them duplicates"),
        (len(report.skipped), "of other formats"),
        (len(report.failed), "not readable"),
    )
    chunks = _counted((report.embedded, "embedded"), (report.reused, "known"), (report.copies, "said elsewhere too"))
    return f"Files: {files or 'nothing new'}; chunks: {chunks or 'none new'}."


def report_text(report: SyncReport, status: Status) -> str:
    """What a sync did, and what the index holds now."""
    lines = [changes_text(report)]
    failed = (*report.failed, *report.failed_before)
    lines += [f"  not readable: {label(failure.path)}: {label(failure.reason)}" for failure in failed]
    lines += [f"  duplicate: {label(path)}" for path in report.duplicates]
    lines += [f"  other format: {label(path)}" for path in report.skipped]
    if report.left_out:
        kinds = ", ".join(f"{count} {label(kind)}" for kind, count in report.left_out.items())
        lines.append(f"  attachments of other formats: {kinds}")
    if hidden := _counted((report.hidden, "stretches"), (report.invisible, "invisible characters")):
        lines.append(f"  hidden text left out: {hidden}")
    lines.append(
        f"The index holds {status.documents} documents from {status.files} files in {status.chunks} chunks,"
        f" by {len(status.houses)} houses: {printable(str(status.index))}"
    )
    return "\n".join(lines)


def status_text(status: Status, *, indexed: bool) -> str:
    """``rag status`` for a reader."""
    absent = "" if status.model_is_here else " (not here yet: the first question fetches it)"
    held = f"{status.documents} documents, {status.chunks} chunks" if indexed else "not built yet: rag index"
    return "\n".join(
        (
            f"corpus   {printable(str(status.corpus.resolve()))}",
            f"index    {printable(str(status.index.resolve()))} ({held})",
            f"houses   {printable(', '.join(status.houses)) or '-'}",
            f"model    {label(status.model)}{absent}",
        )
    )


def models_text(catalogue: Iterable[ModelFile], here: Collection[str], folder: Path) -> str:
    """``rag models list`` for a reader."""
    rows = [
        f"{'*' if model.name in here else ' '} {model.name:14} {model.size / 1e9:5.2f} GB"
        f"  {model.licence:10}  {model.reads}"
        for model in catalogue
    ]
    return "\n".join((*rows, f"* is here, in {printable(str(folder))}"))
