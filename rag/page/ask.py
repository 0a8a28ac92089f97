"""The tab in which questions are asked: the conversation, its box and buttons, the quotes beside it.

In: the screens of `rag.page.talk`. Out: components and their events. It does not know how an exchange goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag.page import cards
from rag.page.filters import Chosen, Limits
from rag.page.shared import PRIVATE, Shared
from rag.page.talk import Conversation, converse, messages

STYLE = """
#rag-thought .rag-thought { font-size: .85rem; max-height: 16rem; overflow-y: auto; }
#rag-chat .user .md { white-space: pre-wrap; overflow-wrap: anywhere; }
#rag-chat .message-row { padding-top: .75rem; padding-bottom: .75rem; }
#rag-chat .message { margin-bottom: 0; }
@media (max-width: 799px) { #rag-chat { height: auto !important; min-height: 9rem; max-height: 56vh; } }
@media (min-width: 800px) { #rag-quotes { max-height: calc(100vh - 7rem); overflow-y: auto; } }
"""
_DOWNLOAD = """(receipt) => {
  if (!receipt) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([receipt], {type: "application/json"}));
  link.download = "receipt.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""
_COPY = """() => {
  const said = document.querySelectorAll("#rag-chat .rag-prose");
  if (said.length) navigator.clipboard.writeText(said[said.length - 1].innerText);
}"""


def draw(shared: Shared) -> None:
    """Draw the tab."""
    import gradio as gr

    with gr.Tab("Ask"), gr.Row():
        with gr.Column(scale=3, min_width=320):
            chat = gr.Chatbot(
                show_label=False,
                elem_id="rag-chat",
                height="56vh",
                # Our own HTML, escaped here and sanitised again there; Markdown would add images and links.
                render_markdown=False,
                latex_delimiters=[],
                buttons=[],  # Gradio's copy button copies the markup, its share button publishes.
                feedback_options=None,
                layout="panel",
                placeholder="Ask what a house said.",
            )
            with gr.Accordion("Thought", open=False, visible=False, elem_id="rag-thought") as fold:
                thought = gr.HTML()
            box = gr.Textbox(show_label=False, label="Question", placeholder="Your question", lines=1, max_lines=6)
            with gr.Row():
                ask = gr.Button("Ask", variant="primary", min_width=80)
                stop = gr.Button("Stop", min_width=80)
                copy = gr.Button("Copy", min_width=80)
                save = gr.Button("Receipt", min_width=80)
            receipt = gr.Textbox(visible=False)
        with gr.Column(scale=2, min_width=320):
            quotes = gr.HTML(cards.NO_QUOTES, elem_id="rag-quotes")

    def blank() -> dict[Any, Any]:
        return {chat: [], receipt: "", quotes: cards.NO_QUOTES, fold: gr.update(visible=False)}

    def asking(asked: str | None, conversation: Conversation, *limits: Chosen) -> Iterator[dict[Any, Any]]:
        question = asked or ""
        said = conversation.messages
        before = list(said)
        for screen in converse(shared.assistant, question, Limits.of(*limits), conversation):
            if conversation.messages is not said:
                # Cleared meanwhile. Gradio shows the last yield once more at the end, so that has to be blank.
                yield blank()
                return
            shown = {
                chat: before + messages(question, screen.content),
                fold: gr.update(visible=bool(screen.thought)),
                thought: cards.thought(screen.thought),
                box: "" if screen.accepted else gr.skip(),
                receipt: screen.receipt,
            }
            yield shown if screen.quotes is None else {**shown, quotes: screen.quotes}

    def clear(conversation: Conversation) -> dict[Any, Any]:
        conversation.clear()
        return blank()

    gr.on(
        [ask.click, box.submit],
        asking,
        [box, shared.conversation, *shared.limits],
        [chat, fold, thought, box, quotes, receipt],
        api_name="ask",
        show_progress="hidden",
        concurrency_limit=1,
    )
    # Neither has `cancels`: that would leave the page as it was, where closing the reply lets `ask` check and
    # show what was written so far; and a cancelled event now and then covers the page with "Error".
    stop.click(Conversation.stop, [shared.conversation], None, **PRIVATE)
    chat.clear(clear, [shared.conversation], [chat, quotes, fold, receipt], **PRIVATE)
    copy.click(None, js=_COPY, **PRIVATE)
    save.click(None, [receipt], js=_DOWNLOAD, **PRIVATE)
