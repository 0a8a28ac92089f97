"""The tab in which questions are asked: the conversation, its box and buttons, the quotes beside it.

In: the screens of `rag.page.talk`. Out: components and their events. It does not know how an exchange goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag.page import cards, markup
from rag.page.filters import Chosen, Limits
from rag.page.markup import QUIET, escaped
from rag.page.shared import COPY, PRIVATE, SAVE, Shared, told_by
from rag.page.talk import Conversation, Screen, converse

if TYPE_CHECKING:
    import gradio as gr

AT_ONCE = 20
"""Visitors who are served at once: each has his quotes, and waits for the model alone."""

STYLE = f"""
#rag-talk {{ height: calc(100vh - 24rem); min-height: 16rem; overflow-y: auto; position: relative; gap: 0;
  flex-wrap: nowrap; border: 1px solid var(--border-color-primary); border-radius: 6px; padding: .75rem 1rem; }}
.rag-exchange {{ padding: 0 0 1.25rem; }}
.rag-exchange h2 {{ font-size: 1rem; font-weight: 600; margin: 0 0 .4rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }}
.rag-empty h2 {{ font-size: 1rem; font-weight: 600; margin: 0 0 .25rem; }}
.rag-empty p {{ color: {QUIET}; margin: 0 0 .75rem; }}
.rag-empty ul {{ list-style: none; margin: 0; padding: 0; }}
.rag-empty button {{ font: inherit; text-align: left; color: var(--body-text-color); cursor: pointer;
  background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 6px;
  padding: .6rem .8rem; margin: 0 0 .5rem; width: 100%; overflow-wrap: anywhere; }}
.rag-empty button:hover {{ border-color: var(--color-accent); }}
#rag-note {{ padding: 0 !important; min-height: 1.4rem; }}
.rag-told {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
@media (max-width: 799px) {{ #rag-talk {{ height: auto; min-height: 9rem; max-height: 56vh; }} }}
@media (min-width: 800px) {{ #rag-quotes {{ max-height: calc(100vh - 7rem); overflow-y: auto; }} }}
"""

# What scrolls must be reachable by keyboard. The end is kept in sight while prose streams, unless the reader has
# scrolled away; a fold that is open stays so, for Gradio takes the attribute away with each new value.
_ON_LOAD = """
const talk = element.closest("#rag-talk"), quotes = document.getElementById("rag-quotes");
for (const [region, name] of [[talk, "Conversation"], [quotes, "Quotes"]]) {
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", name);
}
let atEnd = true, exchanges = 0;
const open = new Set();
talk.addEventListener("scroll", () => { atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40; });
element.addEventListener("toggle", event => {
  const fold = event.target.dataset.fold;
  if (fold) event.target.open ? open.add(fold) : open.delete(fold);
}, true);
element.addEventListener("click", event => {
  const starter = event.target.closest("[data-question]");
  if (starter) trigger("select", {question: starter.dataset.question});
});
watch("value", () => {
  const count = talk.querySelectorAll(".rag-exchange").length;
  if (count !== exchanges) { open.clear(); atEnd = true; exchanges = count; }
  for (const fold of element.querySelectorAll("[data-fold]")) fold.open = open.has(fold.dataset.fold);
  if (atEnd) talk.scrollTop = count ? talk.scrollHeight : 0;
});
"""
_COPY = (
    COPY
    % """(() => {
    const said = [...document.querySelectorAll("#rag-now .rag-prose")].slice(-1);
    const shown = [...said, ...document.querySelectorAll("#rag-quotes .rag-card")];
    return said.length ? shown.map(one => one.innerText).join("\\n\\n") : "";
  })()"""
)


def empty(starters: Sequence[str]) -> str:
    """The conversation before the first question: what can be asked, with ``starters`` to press."""
    buttons = "".join(
        f'<li><button type="button" data-question="{escaped(one)}">{escaped(one)}</button></li>' for one in starters
    )
    return (
        '<section class="rag-empty"><h2>Ask what a house said</h2><p>A house is the bank, broker or paper that speaks.'
        " Quotes come at once, each with who said it and when; then an answer whose every sentence was checked against"
        " them. Press [1] to see where it stands.</p>"
        f"<ul>{buttons}</ul></section>"
    )


def told(words: str) -> str:
    """What a screen reader says when it changes."""
    return f'<p class="rag-told" role="status">{escaped(words)}</p>'


@dataclass(frozen=True, slots=True)
class _Parts:
    """The components: what is shown of the talk, the box with what is said about it, and the buttons."""

    past: gr.HTML
    now: gr.HTML
    status: gr.HTML
    quotes: gr.HTML
    receipt: gr.Textbox
    markdown: gr.Textbox
    box: gr.Textbox
    note: gr.HTML
    ask: gr.Button
    stop: gr.Button
    copy: gr.Button
    save_markdown: gr.Button
    save_receipt: gr.Button
    clear: gr.Button

    @property
    def shows(self) -> list[gr.components.Component]:
        """What a new conversation empties."""
        return [self.past, self.now, self.status, self.quotes, self.receipt, self.markdown, self.note]


def draw(shared: Shared) -> None:
    """Draw the tab."""
    parts = _lay_out()
    asks: dict[str, Any] = {
        "fn": _asking(shared, parts),
        "inputs": [parts.box, shared.conversation, *shared.limits],
        "outputs": [parts.box, *parts.shows, shared.answered],
        "api_visibility": "private",
        "show_progress": "hidden",
        "concurrency_limit": AT_ONCE,
        "concurrency_id": "ask",
        "trigger_mode": "multiple",  # or Enter, while an answer streams, would do nothing and say nothing
    }
    _connect(shared, parts, asks)


def _lay_out() -> _Parts:
    import gradio as gr

    with gr.Tab("Ask"), gr.Row():
        with gr.Column(scale=3, min_width=320):
            with gr.Column(elem_id="rag-talk"):
                past = gr.HTML(visible=False)
                now = gr.HTML(empty(()), elem_id="rag-now", js_on_load=_ON_LOAD)
                status = gr.HTML(told(""))
            with gr.Row(equal_height=True):
                box = gr.Textbox(
                    show_label=False,
                    label="Question",
                    placeholder="Your question",
                    max_lines=6,
                    scale=6,
                    container=False,
                )
                ask = gr.Button("Ask", variant="primary", min_width=64)
                stop = gr.Button("Stop", min_width=64)
            note = gr.HTML(markup.status(""), elem_id="rag-note")
            with gr.Row():
                copy = gr.Button("Copy", size="sm", min_width=70)
                save_markdown = gr.Button("Save as Markdown", size="sm", min_width=130)
                save_receipt = gr.Button("Save receipt", size="sm", min_width=110)
                clear = gr.Button("Clear", size="sm", min_width=70)
            receipt, markdown = gr.Textbox(visible=False), gr.Textbox(visible=False)
        with gr.Column(scale=2, min_width=320):
            quotes = gr.HTML(cards.NO_QUOTES, elem_id="rag-quotes")
    return _Parts(
        past, now, status, quotes, receipt, markdown, box, note, ask, stop, copy, save_markdown, save_receipt, clear
    )


def _blank(parts: _Parts, starters: Sequence[str] = ()) -> dict[Any, Any]:
    import gradio as gr

    return {
        parts.past: gr.update(value="", visible=False),
        parts.now: empty(starters),
        parts.status: told(""),
        parts.quotes: cards.NO_QUOTES,
        parts.receipt: "",
        parts.markdown: "",
        parts.note: markup.status(""),
    }


def _asking(shared: Shared, parts: _Parts) -> Callable[..., Iterator[dict[Any, Any]]]:
    """The event in which a question is asked: each screen of the exchange, as values of the components."""
    import gradio as gr

    def asking(asked: str | None, conversation: Conversation, *limits: Chosen) -> Iterator[dict[Any, Any]]:
        said = conversation.past.said
        before = "".join(said)
        with closing(converse(shared.assistant, asked or "", Limits.of(*limits), conversation)) as screens:
            for screen in screens:
                if conversation.past.said is not said:
                    # Cleared meanwhile. Gradio shows the last yield once more at the end, so that has to be blank,
                    # or nothing where the next question has been asked already.
                    blank = _blank(parts, shared.assistant.starters())  # Seconds, in which somebody may ask.
                    yield {parts.status: gr.skip()} if conversation.begun else blank
                    return
                yield (
                    {parts.note: markup.status(screen.told)} if screen.refused else shown(screen, before, conversation)
                )
        yield {parts.status: gr.skip()}  # Gradio shows the last once more, by when another may have been asked.

    def shown(screen: Screen, before: str, conversation: Conversation) -> dict[Any, Any]:
        values: dict[Any, Any] = {
            parts.now: screen.content,
            parts.status: told(screen.told),
            parts.receipt: screen.receipt,
            parts.markdown: screen.markdown,
            shared.answered: len(conversation.past.costs),
        }
        if screen.accepted:
            past = gr.update(value=before, visible=bool(before))
            values |= {parts.past: past, parts.box: ""}
        if screen.accepted or screen.ended:
            values[parts.note] = markup.status("")
        return values if screen.quotes is None else {**values, parts.quotes: screen.quotes}

    return asking


def _connect(shared: Shared, parts: _Parts, asks: dict[str, Any]) -> None:
    import gradio as gr

    def greet(conversation: Conversation) -> str | dict[str, Any]:
        starters = shared.assistant.starters()  # it may take seconds, in which somebody has asked
        return gr.skip() if conversation.begun else empty(starters)

    def clearing(conversation: Conversation) -> dict[Any, Any]:
        conversation.clear()
        return _blank(parts)

    def picked(event: gr.EventData) -> str:
        return told_by(event, "question")

    picked.__annotations__["event"] = gr.EventData  # Gradio finds it by its type, and cannot resolve the name

    gr.on([parts.ask.click, parts.box.submit], **asks)
    parts.now.select(picked, None, parts.box, **PRIVATE).then(**asks)
    # Neither has `cancels`: that would leave the page as it was, where closing the reply lets `ask` check and
    # show what was written so far; and a cancelled event now and then covers the page with "Error".
    parts.stop.click(Conversation.stop, [shared.conversation], None, **PRIVATE)
    cleared = parts.clear.click(clearing, [shared.conversation], parts.shows, **PRIVATE)
    cleared.then(greet, [shared.conversation], parts.now, **PRIVATE)
    parts.copy.click(None, None, parts.note, js=_COPY, **PRIVATE)
    parts.save_markdown.click(None, [parts.markdown], parts.note, js=SAVE % ("text/markdown", "answer.md"), **PRIVATE)
    parts.save_receipt.click(
        None, [parts.receipt], parts.note, js=SAVE % ("application/json", "receipt.json"), **PRIVATE
    )
    shared.page.load(greet, [shared.conversation], parts.now, **PRIVATE)
