"""The reader: a passage in its whole document, over whatever tab it was opened from.

In: ``data-passage`` of the element that was pressed, which anybody can forge. Out: the document as HTML, the passage
marked, who speaks where, and why we think so. It does not know what a passage is cited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rag.errors import PassageGone, RagError
from rag.page.markup import QUIET, escaped, failure, notice
from rag.passages import Opened
from rag.prompts import named
from rag.records import Document, Voice

if TYPE_CHECKING:
    from rag.assistant import Assistant
    from rag.page.shared import Shared

STYLE = f"""
dialog.rag-reader {{ position: fixed; inset: 0 0 0 auto; width: min(46rem, 100vw); max-width: 100vw; height: 100dvh;
  max-height: 100dvh; margin: 0; padding: 0; border: 0; border-left: 1px solid var(--border-color-primary);
  background: var(--body-background-fill); color: var(--body-text-color); overflow: hidden; }}
dialog.rag-reader[open] {{ display: flex; flex-direction: column; }}
dialog.rag-reader::backdrop {{ background: rgb(0 0 0 / 35%); }}
.rag-reader-bar {{ display: flex; gap: .5rem; justify-content: flex-end; padding: .6rem 1rem;
  border-bottom: 1px solid var(--border-color-primary); }}
.rag-reader button:not(.rag-chip) {{ font: inherit; color: var(--body-text-color); text-align: left; cursor: pointer;
  background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 6px;
  padding: .4rem .8rem; min-height: 2.5rem; overflow-wrap: anywhere; }}
.rag-reader button:hover {{ border-color: var(--color-accent); }}
.rag-reader-body {{ display: flex; flex-direction: column; flex: 1; min-height: 0; overflow-wrap: anywhere; }}
.rag-reader-body > * {{ padding: .75rem 1.25rem; }}
.rag-reader-body header {{ border-bottom: 1px solid var(--border-color-primary); }}
.rag-reader-body header p {{ margin: .15rem 0 0; font-size: .85rem; }}
.rag-reader-body header .rag-also {{ display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; margin-top: .4rem;
  font-size: .85rem; max-height: 6rem; overflow-y: auto; }}
.rag-also button {{ max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.rag-reader-text {{ flex: 1; overflow-y: auto; overscroll-behavior: contain; padding-bottom: 3rem; }}
.rag-reader h2 {{ font-size: 1.1rem; font-weight: 600; margin: 0; }}
.rag-reader h2:focus {{ outline: none; }}
.rag-facts {{ display: grid; grid-template-columns: 6.5rem 1fr; gap: .2rem .75rem; margin: 0 0 1rem;
  font-size: .85rem; }}
.rag-facts dt {{ color: {QUIET}; }}
.rag-facts dd {{ margin: 0; }}
.rag-voice {{ border-left: 3px solid var(--color-accent); padding: .1rem 0 .1rem .9rem; margin: 0 0 .75rem;
  white-space: pre-wrap; }}
.rag-voice-quoted {{ border-left-style: dashed; margin-left: 1rem; }}
.rag-voice-aside {{ border-left-color: var(--border-color-primary); color: {QUIET}; font-size: .85rem; }}
.rag-voice p {{ font-size: .75rem; margin: 0 0 .2rem; color: {QUIET}; white-space: normal; }}
.rag-voice mark {{ background: color-mix(in srgb, var(--color-accent) 25%, transparent); color: inherit;
  padding: .1rem 0; }}
.rag-voice u {{ text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px; }}
.rag-raw {{ white-space: pre-wrap; font-family: var(--font-mono); font-size: .8rem; }}
@media (max-width: 799px) {{ dialog.rag-reader {{ width: 100vw; border: 0; }}
  .rag-facts {{ grid-template-columns: 1fr; gap: 0; }} .rag-facts dd {{ margin: 0 0 .4rem; }} }}
"""

AROUND = 30_000
"""Letters of a document that are drawn before a passage, and behind its beginning."""

_FRAME = (
    '<dialog class="rag-reader" aria-label="Document"><div class="rag-reader-bar">'
    '<button type="button" data-close>Close</button></div>'
    '<div class="rag-reader-body"></div></dialog>'
)
# A modal dialog keeps the focus inside, closes with Esc and gives the focus back to the chip, without a line of ours.
_ON_LOAD = """
const dialog = element.querySelector("dialog"), body = dialog.querySelector(".rag-reader-body");
let latest = 0;
const tell = words => {
  body.innerHTML = '<header><h2 tabindex="-1"></h2></header>';
  body.querySelector("h2").textContent = words;
};
const show = async (read, asked) => {
  const mine = ++latest;
  if (!dialog.open) { tell("Opening the document …"); dialog.showModal(); }
  let drawn = null;
  try { drawn = await read(asked); } catch (error) { drawn = null; }
  if (mine !== latest) return;
  if (typeof drawn === "string") body.innerHTML = drawn;
  else tell("The program did not answer. Is it still running in its terminal?");
  const mark = body.querySelector("mark"), title = body.querySelector("h2");
  dialog.setAttribute("aria-label", title.textContent);
  title.focus({preventScroll: true});
  if (mark) mark.scrollIntoView({block: "center"});
};
document.addEventListener("click", event => {
  const passage = event.target.closest("[data-passage]"), source = event.target.closest("[data-source]");
  if (source) show(server.source, source.dataset.source);
  else if (passage) show(server.passage, passage.dataset.passage);
});
// Words that are marked up to beyond the edge end in a click on the dialog, too: only one that began there closes it.
let began = null, ended = null;
dialog.addEventListener("pointerdown", event => { began = event.target; });
dialog.addEventListener("pointerup", event => { ended = event.target; });
dialog.addEventListener("click", event => {
  const beside = [event.target, began, ended].every(one => one === dialog);
  if (beside || event.target.closest("[data-close]")) dialog.close();
});
"""


def passage(assistant: Assistant, asked: object) -> str:
    """The document that ``asked`` ("<id>" or "<id> <start> <end>") names, as HTML; what is wrong with it, in words."""
    try:
        document_id, start, end = _place(asked)
        return drawn(assistant.passage(document_id, start, end))
    except RagError as error:
        return _laid_out("This cannot be shown", "", failure(error))


def source(assistant: Assistant, asked: object) -> str:
    """The document with this id as it was sent, as HTML; what is wrong, in words."""
    try:
        document_id, start, end = _place(asked)
        text = assistant.source(document_id)
    except RagError as error:
        return _laid_out("This cannot be shown", "", failure(error))
    place = escaped(f"{document_id} {start} {end}")
    back = f'<button type="button" data-passage="{place}">As it is read</button>'
    return _laid_out("As it was sent", "", f'{back}<pre class="rag-raw">{escaped(text)}</pre>')


def _laid_out(title: str, head: str, text: str) -> str:
    return (
        f'<header><h2 tabindex="-1">{escaped(title)}</h2>{head}</header>'
        f'<div class="rag-reader-text" tabindex="0" role="group" aria-label="The document">{text}</div>'
    )


def _place(asked: object) -> tuple[str, int, int]:
    # A lone surrogate is a string that SQLite does not take.
    words = asked.split() if isinstance(asked, str) and len(asked) < 200 and asked.isascii() else []
    if len(words) == 1:
        return words[0], 0, 0
    if len(words) != 3 or not all(word.isdecimal() for word in words[1:]):
        raise PassageGone("This is no place in a document.", remedy="Press a citation.")
    return words[0], int(words[1]), int(words[2])


def drawn(found: Opened) -> str:
    """The document, its passage marked."""
    document, text = found.document, found.document.text
    first, last = max(0, found.start - AROUND), min(len(text), max(found.start, 0) + AROUND)
    before = notice(f"{first:,} letters before this are not shown.") if first else ""
    behind = notice(f"{len(text) - last:,} letters behind this are not shown.") if last < len(text) else ""
    voices = document.voices or (found.voice,)
    shown = "".join(_voice(found, voice, first, last) for voice in voices if voice.end > first and voice.start < last)
    return _laid_out(document.title or document.path, _speaker(found), f"{_facts(found)}{before}{shown}{behind}")


def _speaker(found: Opened) -> str:
    """Who says the passage, when, why we think so, and who else says it."""
    if found.end == found.start:
        return ""
    voice, document = found.voice, found.document
    role = " · own words" if voice.role == "author" else ""
    said = f"{named(voice, document)}{role} · {voice.date or document.date:%d %b %Y}"
    also = f'<div class="rag-also"><span>Also in</span>{_documents(found.copies)}</div>' if found.copies else ""
    return f"<p><strong>{escaped(said)}</strong></p>{notice(found.why)}{also}"


def _facts(found: Opened) -> str:
    document = found.document
    place = escaped(f"{document.id} {found.start} {found.end}")
    facts = [
        ("From", escaped(" · ".join(filter(None, [document.author, document.house])) or "nobody named")),
        ("Date", f"{document.date:%d %b %Y}"),
        ("Kind", escaped(document.kind)),
        ("File", escaped(document.path)),
        ("Came with", _documents([found.parent] if found.parent else [])),
        ("Attached", _documents(found.attached)),
        ("Also in", _documents(found.copies) if found.start == found.end else ""),
        ("Original", f'<button type="button" data-source="{place}">As it was sent</button>'),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value)
    return f'<dl class="rag-facts">{rows}</dl>'


def _documents(documents: Sequence[Document]) -> str:
    return " ".join(
        f'<button type="button" data-passage="{escaped(one.id)}">{escaped(_titled(one))}</button>' for one in documents
    )


def _titled(document: Document) -> str:
    """Copies have one title, so who sent each comes first."""
    return ": ".join(filter(None, [document.house or document.author, document.title or document.path]))


def _voice(found: Opened, voice: Voice, first: int, last: int) -> str:
    """One voice's words between ``first`` and ``last``, with who it is above them."""
    kind = "aside" if not voice.prose else "own" if voice.role == "author" else "quoted"
    speaker = voice.stretch if not voice.prose else named(voice, found.document)
    words = "".join(_pieces(found, max(voice.start, first), min(voice.end, last))).strip("\n")
    return f'<div class="rag-voice rag-voice-{kind}"><p>{escaped(speaker)}</p>{words}</div>'


def _pieces(found: Opened, start: int, end: int) -> Iterator[str]:
    """The text from ``start`` to ``end``, the passage marked and the words underlined that tell who speaks in it."""
    text = found.document.text
    cue = found.voice.cue or (0, 0)
    edges = sorted({start, end, *(at for at in (found.start, found.end, *cue) if start < at < end)})
    for begin, stop in pairwise(edges):
        piece = escaped(text[begin:stop])
        if cue[0] <= begin < cue[1]:
            piece = f'<u title="This says who speaks in the passage">{piece}</u>'
        yield f"<mark>{piece}</mark>" if found.start <= begin < found.end else piece


def draw(shared: Shared) -> None:
    """Draw the reader, closed."""
    import gradio as gr

    def server_passage(asked: object) -> str:
        return passage(shared.assistant, asked)

    def server_source(asked: object) -> str:
        return source(shared.assistant, asked)

    server_passage.__name__, server_source.__name__ = "passage", "source"
    gr.HTML(_FRAME, elem_id="rag-reader", js_on_load=_ON_LOAD, server_functions=[server_passage, server_source])
