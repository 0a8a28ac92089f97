"""The tab that shows what is in the index, and that brings new mail in.

In: files that are dropped, the buttons, the limits of the filter bar. Out: the lists of `rag.page.listing`, the same
for every visitor. It does not know how files are read or indexed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag import uploads
from rag.contents import PAGE, Listing
from rag.errors import CorpusMissing, IndexMissing, RagError
from rag.page import listing
from rag.page.arrivals import MOST_FILES, add, came_of, dropped
from rag.page.filters import Chosen, Limits
from rag.page.markup import failure
from rag.page.shared import PRIVATE, Shared
from rag.present import label
from rag.readers.names import SUFFIXES
from rag.scanning import require_corpus

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant

TICK, BUSY_TICK = 3000, 1000
"""Milliseconds between two looks at the state, which cost a query of one row; and while a sync is under way."""

_LATEST = 10

STYLE = (
    listing.STYLE
    + """
#rag-upkeep button { white-space: nowrap; }
@media (max-width: 799px) {
  #rag-upkeep { display: grid !important; grid-template-columns: 1fr 1fr; }
  #rag-upkeep > :last-child { grid-column: 1 / 3; }
  #rag-upkeep button { min-width: 0 !important; width: 100% !important; padding-left: .5rem; padding-right: .5rem; }
}
.rag-drop { display: block; border: 1px dashed color-mix(in srgb, var(--body-text-color) 45%, transparent);
  border-radius: 6px; padding: 1rem; text-align: center; cursor: pointer; position: relative; }
.rag-drop:hover, .rag-drop.rag-over { border-color: var(--color-accent); }
.rag-drop:focus-within { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.rag-drop input { position: absolute; inset: 0; opacity: 0; cursor: pointer; width: 100%; }
.rag-drop small { display: block; }
"""
)

_DROP = f"""<label class="rag-drop">Drop mail and notes here, or choose files
<small>{", ".join(SUFFIXES)}; {uploads.MAX_BYTES // 1_000_000} MB each at most</small>
<input type="file" multiple accept="{",".join(SUFFIXES)}"></label>
<p class="rag-note" role="status"></p>"""

# Gradio alters the names of what it is sent, so each goes under one of ours and its own is told beside it.
_DROP_ON_LOAD = f"""
const box = element.querySelector(".rag-drop"), told = element.querySelector("[role=status]");
const send = async files => {{
  const sent = [], taken = files.slice(0, {MOST_FILES});
  for (const file of taken) {{
    told.textContent = `Sending ${{sent.length + 1}} of ${{taken.length}}`;
    const large = file.size > {uploads.MAX_BYTES};
    let path = "";
    try {{ if (!large) path = (await upload(new File([file], "file"))).path; }} catch (error) {{ path = ""; }}
    sent.push({{name: file.name, path, large}});
  }}
  told.textContent = taken.length < files.length ? "Only the first {MOST_FILES} were taken." : "";
  trigger("upload", {{files: sent}});
}};
const input = element.querySelector("input");
input.addEventListener("change", async () => {{ await send([...input.files]); input.value = ""; }});
for (const kind of ["dragenter", "dragover"]) box.addEventListener(kind, event => {{
  event.preventDefault(); box.classList.add("rag-over"); }});
for (const kind of ["dragleave", "drop"]) box.addEventListener(kind, () => box.classList.remove("rag-over"));
box.addEventListener("drop", event => {{ event.preventDefault(); send([...event.dataTransfer.files]); }});
"""

# A fold that is open stays so, for Gradio takes the attribute away with each new value.
_FOLDS_ON_LOAD = """
const open = new Set();
element.addEventListener("toggle", event => {
  const fold = event.target.dataset.fold;
  if (fold) event.target.open ? open.add(fold) : open.delete(fold);
}, true);
watch("value", () => {
  for (const fold of element.querySelectorAll("[data-fold]")) fold.open = open.has(fold.dataset.fold);
});
"""


# The page looks again by itself only while the tab is seen.
_LOOK_ON_LOAD = f"""
let looked = Date.now();
const timer = setInterval(() => {{
  if (!element.isConnected) return clearInterval(timer);
  const pause = element.querySelector("progress") ? {BUSY_TICK} : {TICK};
  if (document.hidden || !element.offsetParent || Date.now() - looked < pause) return;
  looked = Date.now();
  trigger("select");
}}, 500);
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a visitor has on his page: which state of the upkeep, and which index."""

    upkeep: int = -1
    index: int = -2
    done: int = 0


def draw(shared: Shared) -> None:
    """Draw the tab."""
    import gradio as gr

    with gr.Tab("Inbox") as tab:
        with gr.Row(equal_height=True, elem_id="rag-upkeep"):
            again = gr.Button("Re-index now", variant="primary", min_width=160, scale=0)
            stop = gr.Button("Stop indexing", min_width=160, scale=0, interactive=False)
            follow = gr.Checkbox(label="Index new mail by itself", container=False, min_width=200)
        standing = gr.HTML(js_on_load=_LOOK_ON_LOAD)
        drop = gr.HTML(_DROP, js_on_load=_DROP_ON_LOAD)
        came = gr.HTML(came_of(""))
        folds = gr.HTML(js_on_load=_FOLDS_ON_LOAD)
        search = gr.Textbox(label="Title or author", placeholder="Part of a title or a name", max_lines=1)
        rows = gr.HTML(elem_id="rag-documents")
        with gr.Row():
            newer = gr.Button("Newer", min_width=120, scale=0, interactive=False)
            older = gr.Button("Older", min_width=120, scale=0, interactive=False)
        seen, offset = gr.State(Seen()), gr.State(0)

    desk, upkeep = _Desk(shared.assistant), shared.assistant.upkeep
    asked, place = [search, *shared.limits], [offset, search, *shared.limits]
    state, shown = [standing, again, stop, follow], [rows, newer, older, offset]

    def begin() -> list[Any]:
        upkeep.begin()
        return desk.stands()

    def switch(wanted: bool) -> list[Any]:
        upkeep.follow(wanted is True)
        return desk.stands()

    def receive(event: gr.EventData) -> Iterator[str]:
        from gradio.utils import get_upload_folder

        sent = event._data.get("files") if isinstance(event._data, dict) else None
        yield from add(shared.assistant, dropped(sent, Path(get_upload_folder())))

    receive.__annotations__["event"] = gr.EventData  # Gradio finds it by its type, and cannot resolve the name

    drawn = [*state, seen, folds, *shown]
    gr.on([tab.select, standing.select], desk.look, [seen, *place], drawn, **PRIVATE)
    narrowed = [search.change, *(limit.change for limit in shared.limits if hasattr(limit, "change"))]
    gr.on(narrowed, lambda *asked: desk.lists(0, *asked), asked, shown, trigger_mode="always_last", **PRIVATE)
    newer.click(lambda at, *asked: desk.lists(at - PAGE, *asked), place, shown, **PRIVATE)
    older.click(lambda at, *asked: desk.lists(at + PAGE, *asked), place, shown, **PRIVATE)
    again.click(begin, None, state, **PRIVATE)
    stop.click(upkeep.stop, None, None, **PRIVATE)
    follow.input(switch, [follow], state, **PRIVATE)
    # Gradio would drop what is sent while an earlier file is being indexed.
    receiving: dict[str, Any] = {**PRIVATE, "queue": True, "concurrency_limit": 4, "trigger_mode": "multiple"}
    drop.upload(receive, None, came, **receiving).then(desk.look, [seen, *place], drawn, **PRIVATE)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the tab shows, as values for its components, whether or not there is an index."""

    assistant: Assistant

    def look(self, before: Seen, at: int, text: str | None, *limits: Chosen) -> list[Any]:
        """Everything, or what has changed: this is asked every few seconds, by every visitor."""
        import gradio as gr

        state = self.assistant.upkeep.state
        now = Seen(state.number, self._generation(), state.done)
        if now == before:
            return [gr.skip()] * 10
        rows = self.lists(at, text, *limits) if now.index != before.index else [gr.skip()] * 4
        folds = self._folds() if (now.upkeep, now.index) != (before.upkeep, before.index) else gr.skip()
        return [*self.stands(), now, folds, *rows]

    def stands(self) -> list[Any]:
        """How things stand, the two buttons, the switch."""
        import gradio as gr

        state, counts = self.assistant.upkeep.state, None
        if self._generation() >= 0:
            status = self.assistant.status()
            counts = {"documents": status.documents, "files": status.files, "passages": status.chunks}
        return [
            listing.standing(state, counts),
            gr.update(interactive=not state.syncing),
            gr.update(interactive=state.syncing),
            state.following,
        ]

    def lists(self, at: int, text: str | None, *limits: Chosen) -> list[Any]:
        """The page of documents from ``at`` on, whether there are newer and older ones, where it begins."""
        import gradio as gr

        drawn, first, total = self._rows(text or "", at, Limits.of(*limits))
        return [drawn, gr.update(interactive=first > 0), gr.update(interactive=first + PAGE < total), first]

    def _rows(self, text: str, at: int, limits: Limits) -> tuple[str, int, int]:
        corpus = self.assistant.settings.corpus
        try:
            found = self.assistant.entries(text, offset=at, **limits.conditions)
        except IndexMissing:
            found = Listing()
        except RagError as error:
            return failure(error), 0, 0
        if not found.total and not (text.strip() or limits.words):
            try:
                require_corpus(corpus)
            except CorpusMissing as error:
                return failure(error), 0, 0
            return listing.empty(corpus), 0, 0
        words = " · ".join(filter(None, [limits.words, f"“{label(text)}”" if text.strip() else ""]))
        return listing.table(found, words), found.offset, found.total

    def _folds(self) -> str:
        with suppress(IndexMissing):
            contents, history = self.assistant.contents, self.assistant.history()
            failures = (*contents.failures(), *history.unopened)
            twins = contents.twins(listing.SHOWN)
            return listing.folds(contents.latest(_LATEST), history, failures, twins, contents.houses())
        return ""

    def _generation(self) -> int:
        with suppress(IndexMissing):
            return self.assistant.contents.generation()
        return -1
