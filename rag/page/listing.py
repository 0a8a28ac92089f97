"""What is in the index, and what came of each file, as HTML; everything escaped.

In: the records of `rag.contents`, `rag.history` and `rag.upkeep`. Out: markup. It does not know Gradio, nor where the
records come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rag.contents import Entry, HouseCount, Listing, Twin
from rag.errors import RagError
from rag.history import History, PastSync
from rag.indexing import Stopped
from rag.page.markup import QUIET, escaped, failure, notice
from rag.present import changes_text, label
from rag.records import Failure, SyncReport
from rag.upkeep import State

SHOWN = 50
"""Rows of a fold; what is beyond them is counted."""

STYLE = f"""
.rag-inbox {{ overflow-wrap: anywhere; }}
.rag-inbox table {{ width: 100%; border-collapse: collapse; table-layout: fixed; }}
.rag-inbox caption {{ text-align: left; padding: 0 0 .4rem; font-size: .85rem; color: {QUIET}; }}
.rag-inbox table, .rag-inbox tbody, .rag-inbox tr, .rag-inbox th, .rag-inbox td {{
  border: 0 !important; background: none !important; }}
.rag-inbox th, .rag-inbox td {{ padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top;
  color: var(--body-text-color); }}
.rag-inbox th {{ font-weight: 600; }}
.rag-inbox tr {{ border-top: 1px solid color-mix(in srgb, var(--body-text-color) 18%, transparent) !important; }}
.rag-inbox .rag-day th {{ padding-top: 1rem; }}
.rag-inbox .rag-day span, .rag-inbox .rag-with {{ font-weight: 400; font-size: .8rem; color: {QUIET} !important; }}
.rag-inbox .rag-with {{ margin: .1rem 0 0; }}
.rag-inbox .rag-subject {{ width: 42%; }}
.rag-open {{ font: inherit; text-align: left; color: var(--link-text-color); background: none; border: 0; padding: 0;
  cursor: pointer; overflow-wrap: anywhere; }}
.rag-open:hover, .rag-open:focus-visible {{ text-decoration: underline; }}
.rag-inbox progress {{ width: 100%; height: .6rem; accent-color: var(--color-accent); }}
.rag-inbox summary {{ cursor: pointer; padding: .3rem 0; font-weight: 600; }}
.rag-inbox code {{ font-family: ui-monospace, Menlo, monospace; font-size: .85em; }}
.rag-inbox h2 {{ font-size: 1rem; font-weight: 600; margin: .5rem 0 .25rem; }}
.rag-inbox ul {{ margin: .25rem 0 .5rem 1.1rem; list-style: disc; }}
@media (max-width: 799px) {{
  .rag-inbox thead {{ display: none; }}
  .rag-inbox table, .rag-inbox tbody, .rag-inbox caption {{ display: block; }}
  .rag-inbox .rag-count::after {{ content: " passages"; }}
  .rag-inbox tr {{ display: block; padding: .4rem 0; }}
  .rag-inbox td, .rag-inbox th {{ display: inline; padding: 0 .6rem 0 0; }}
  .rag-inbox td.rag-subject {{ display: block; width: auto; }}
  .rag-inbox .rag-open {{ min-height: 44px; }}
  .rag-inbox td:empty {{ display: none; }}
}}
/* On a phone a row is one target: its subject, and below it who wrote. */
@media (max-width: 479px) {{
  .rag-inbox tr {{ position: relative; padding: .3rem 0; min-height: 44px; }}
  .rag-inbox .rag-day {{ min-height: 0; }}
  .rag-inbox .rag-day th {{ padding-top: 0; }}
  .rag-inbox td:not(.rag-subject) {{ font-size: .8rem; color: {QUIET}; }}
  .rag-inbox .rag-open {{ min-height: 0; line-height: 1.3; }}
  .rag-inbox tr .rag-open::after {{ content: ""; position: absolute; inset: 0; }}
  .rag-inbox td.rag-less {{ display: none; }}
}}
"""
_HEADS = ("Subject", "House", "Person", "Kind", "Passages", "Copies")


def table(listing: Listing, limits: str) -> str:
    """A page of documents, day by day; ``limits`` says in words what they are limited to."""
    if not listing.entries:
        return f'<section class="rag-inbox"><p>Nothing matches{escaped(f" {limits}" if limits else "")}.</p></section>'
    last = listing.offset + len(listing.entries)
    only = f" · only {limits}" if limits else ""
    caption = f"{listing.offset + 1:,} to {last:,} of {listing.total:,} messages, notes and attachments{only}"
    heads = "".join(
        f'<th scope="col" class="rag-subject">{head}</th>' if head == "Subject" else f'<th scope="col">{head}</th>'
        for head in _HEADS
    )
    days = "".join(
        f'<tbody><tr class="rag-day"><th scope="rowgroup" colspan="{len(_HEADS)}">{day:%a %d %b %Y}'
        f" <span>{listing.days.get(day, 0):,}</span></th></tr>{''.join(map(_row, entries))}</tbody>"
        for day, entries in groupby(listing.entries, key=lambda entry: entry.date.date())
    )
    return (
        f'<section class="rag-inbox"><table><caption>{escaped(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead>{days}</table></section>"
    )


def _row(entry: Entry) -> str:
    copies = []
    if entry.repeats:
        copies.append(f"{entry.repeats} said elsewhere")
    if entry.copies:
        copies.append(f"repeated by {entry.copies}")
    said = "".join(f"<td>{escaped(label(cell))}</td>" for cell in (entry.house or "", entry.author or ""))
    counts = f'<td class="rag-less rag-count">{entry.passages:,}</td><td>{", ".join(copies)}</td>'
    said += f'<td class="rag-less">{escaped(label(entry.kind))}</td>'
    return f'<tr><td class="rag-subject">{_button(entry)}{_carried(entry)}</td>{said}{counts}</tr>'


def _button(entry: Entry) -> str:
    title = label(entry.title) or "(no subject)"
    return f'<button type="button" class="rag-open" data-passage="{escaped(entry.id)}">{escaped(title)}</button>'


def _carried(entry: Entry) -> str:
    if entry.parent is None:
        return ""
    name = f"{label(entry.attachment)}, " if entry.attachment else ""
    return f'<p class="rag-with">Attachment: {escaped(name)}came with “{escaped(label(entry.parent))}”</p>'


def standing(state: State, counts: Mapping[str, int] | None) -> str:
    """How far a sync is, or what the last one did; ``counts`` are those of the index, None where there is none."""
    if state.syncing:
        words = label(state.doing) or "looking for what is new"
        far = f"{state.done / state.total:.0%}, " if state.total else ""
        bar = (
            f'<progress aria-label="Indexing" max="{state.total}" value="{state.done}"></progress>'
            if state.total
            else '<progress aria-label="Indexing"></progress>'
        )
        return f'<section class="rag-inbox"><p>{escaped(far + words)}</p>{bar}</section>'
    held = "Nothing is indexed yet. Press “Re-index now”."
    if counts is not None:
        documents, files, passages = (
            counted(counts[name], what)
            for name, what in (("documents", "document"), ("files", "file"), ("passages", "passage"))
        )
        held = f"{documents} from {files}, {passages}."
    follows = "New mail shows up by itself." if state.following else "New mail waits until you press “Re-index now”."
    return f'<section class="rag-inbox"><p>{escaped(f"{held} {follows}")}</p>{_outcome(state.outcome)}</section>'


def _outcome(outcome: SyncReport | Exception | None) -> str:
    if outcome is None:
        return ""
    if isinstance(outcome, SyncReport):
        return notice(changes_text(outcome) if outcome else "Nothing new was found.")
    if isinstance(outcome, RagError):
        return failure(outcome)
    if isinstance(outcome, Stopped):
        return notice("Stopped. What was read by then is kept; the next run goes on from there.")
    return notice("This went wrong inside the program; its terminal says where.")


def counted(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def empty(corpus: Path) -> str:
    """What to do with an index that holds nothing."""
    return (
        '<section class="rag-inbox"><h2>No mail yet</h2><ul>'
        "<li>Drop files into the box above, or</li>"
        f"<li>copy mail and notes into <code>{escaped(str(corpus))}</code>, or</li>"
        "<li>connect a mailbox (read-only): end this program, then "
        "<code>rag index --imap imaps://you@host/INBOX --watch</code></li></ul></section>"
    )


def folds(
    latest: Sequence[Entry],
    history: History,
    failures: Sequence[Failure],
    twins: tuple[Sequence[Twin], int],
    houses: Sequence[HouseCount],
) -> str:
    """What arrived last, what failed, what was there already, what was left out, and who wrote."""
    parts = [
        _fold("arrived", "Indexed last", _list(_arrival(entry) for entry in latest) + _syncs(history.syncs)),
        _fold("failed", f"Not readable ({len(failures):,})", _failed(failures)),
        _fold("twins", f"Duplicates ({twins[1]:,})", _list(_twin(one) for one in twins[0]) + _more(twins[1])),
        _fold("skipped", f"Other formats, left out ({history.skipped_count:,})", _skipped(history)),
        _fold("houses", f"By house ({sum(one.house is not None for one in houses):,})", _houses(houses)),
    ]
    return f'<section class="rag-inbox">{"".join(parts)}</section>'


def _fold(name: str, summary: str, content: str) -> str:
    return f'<details data-fold="{name}"><summary>{escaped(summary)}</summary>{content}</details>'


def _list(items: Iterable[str]) -> str:
    """``items`` are HTML already."""
    return "<ul>" + ("".join(f"<li>{item}</li>" for item in items) or "<li>None.</li>") + "</ul>"


def _more(count: int) -> str:
    return notice(f"and {count - SHOWN:,} more") if count > SHOWN else ""


def _arrival(entry: Entry) -> str:
    writer = " · ".join(label(part) for part in (entry.house or "", entry.author or "") if part)
    return f"{escaped(f'{entry.date:%d %b %Y}')} {_button(entry)} {escaped(writer)}{_carried(entry)}"


def _syncs(syncs: Sequence[PastSync]) -> str:
    return f"<h2>Last changes</h2>{_list(escaped(_told(one)) for one in syncs)}" if syncs else ""


def _told(one: PastSync) -> str:
    counts = (
        (one.documents, "new"), (one.changed, "files changed"), (one.duplicates, "duplicates"), (one.gone, "gone"),
        (one.failed, "not readable"),
    )  # fmt: skip
    told = [f"{count:,} {what}" for count, what in counts if count] or ["moved only"]
    told += [f"attachments left out: {count} {label(kind)}" for kind, count in one.left_out.items()]
    return f"{one.at.astimezone():%d %b %Y, %H:%M}: {', '.join(told)}"


def _failed(failures: Sequence[Failure]) -> str:
    if not failures:
        return notice("Every file was read.")
    rows = "".join(
        f"<tr><td>{escaped(label(one.path))}</td><td>{escaped(label(one.reason))}</td>"
        f"<td>{escaped(remedy(one.reason))}</td></tr>"
        for one in failures[:SHOWN]
    )
    heads = '<tr><th scope="col">File</th><th scope="col">Reason</th><th scope="col">What to do</th></tr>'
    return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>{_more(len(failures))}"


# By what stands in the reasons of `rag.readers`; the first that does counts.
_REMEDIES = (
    (("symbolic link", "outside the corpus"), "Copy the file itself into the corpus folder."),
    (("permission",), "Make the file readable for you."),
    (("pictures only",), "Run text recognition (OCR) on it, and put the result in."),
    (("encrypted", "S/MIME", "password"), "Save a copy without a password."),
    (("too large", "larger than", "more than", "too deeply", "nested", "only the first"), "Save it in smaller parts."),
    (("of this kind", "is binary"), "Save it as .eml, .pdf, .docx or .txt."),
    (("no text",), "It holds nothing to read; you may delete it."),
    (("UTF-8",), "Rename the file."),
)


def remedy(reason: str) -> str:
    """What can be done about a file that was not read for this reason."""
    found = (advice for words, advice in _REMEDIES if any(word in reason for word in words))
    return next(found, "Open it in its own program, save it again and put that in.")


def _twin(one: Twin) -> str:
    return f"{escaped(label(one.path))}: the same as {escaped(label(one.of))}"


def _skipped(history: History) -> str:
    return _list(escaped(label(path)) for path in history.skipped) + _more(history.skipped_count)


def _houses(houses: Sequence[HouseCount]) -> str:
    rows = "".join(
        f"<tr><td>{escaped(label(one.house or 'no house known'))}</td><td>{one.documents:,}</td>"
        f"<td>{one.latest:%d %b %Y}</td></tr>"
        for one in houses
    )
    heads = '<tr><th scope="col">House</th><th scope="col">Documents</th><th scope="col">Latest</th></tr>'
    return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>"
