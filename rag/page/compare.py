"""The tab that sets the houses side by side on one claim.

In: a claim and the limits of the filter bar. Out: the table of `rag.comparing`. It does not know how rows are found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.errors import RagError
from rag.page.filters import Chosen, Limits
from rag.page.markup import chip, escaped, failure, notice
from rag.page.shared import PRIVATE, Shared
from rag.page.talk import problem
from rag.present import place
from rag.prompts import speaker
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.assistant import Assistant
    from rag.comparing import Comparison, Row

STYLE = """
.rag-houses table { width: 100%; border-collapse: collapse; overflow-wrap: anywhere; }
.rag-houses caption { text-align: left; font-weight: 600; padding: 0 0 .5rem; color: var(--body-text-color); }
.rag-houses table, .rag-houses tbody, .rag-houses tr, .rag-houses th, .rag-houses td {
  border: 0 !important; background: none !important; }
.rag-houses th, .rag-houses td { padding: .6rem .8rem .6rem 0; text-align: left; vertical-align: top;
  color: var(--body-text-color); }
.rag-houses th { font-weight: 600; }
.rag-houses tr { border-top: 1px solid color-mix(in srgb, var(--body-text-color) 18%, transparent) !important; }
.rag-houses td p { margin: .25rem 0 0; }
.rag-who { width: 11rem; }
.rag-when { width: 6.5rem; }
.rag-stance { width: 9rem; }
.rag-reason, .rag-houses .rag-path, .rag-houses > p {
  font-size: .8rem; color: color-mix(in srgb, var(--body-text-color) 68%, transparent) !important; }
.rag-verdict { border: 1px solid currentcolor; border-radius: 4px; padding: 0 .35rem; }
@media (max-width: 799px) {
  .rag-houses tr { display: block; padding: .6rem 0; }
  .rag-houses td { display: block; width: auto; padding: .1rem 0; }
  .rag-houses td:empty, .rag-houses thead { display: none; }
}
"""
NO_COMPARISON = (
    '<section class="rag-houses"><p>One row a house: its best lines on the claim; “agree” or “disagree” only where a'
    " rule can tell.</p></section>"
)


def compared(assistant: Assistant, claim: str, limits: Limits) -> str:
    """What each house says of ``claim``, as HTML; a RagError is shown like an answer."""
    if told := problem("claim", claim.strip()):
        return notice(told)
    try:
        return comparison(assistant.compare(claim.strip(), **limits.conditions))
    except RagError as error:
        return failure(error)


def comparison(found: Comparison) -> str:
    """What each house says of a claim, in a row each, and who says nothing of it."""
    silent = f"<p>Nothing near it from {escaped(', '.join(found.silent))}.</p>" if found.silent else ""
    if not found.rows:
        return f'<section class="rag-houses"><p>No house says anything near this claim.</p>{silent}</section>'
    heads = "<th>House</th><th>Date</th><th>Stance</th><th>Quote</th>"
    rows = "".join(_row(row) for row in found.rows)
    table = f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    caption = f"<caption>{escaped(found.claim)}</caption>"
    return f'<section class="rag-houses"><table>{caption}{table}</table>{silent}</section>'


def _row(row: Row) -> str:
    quote, stance = row.quote, row.stance
    verdict = f'<span class="rag-verdict">{escaped(stance.verdict)}</span>' if stance.verdict else ""
    reason = f'<p class="rag-reason">{escaped(stance.reason)}</p>' if stance.reason else ""
    return (
        f'<tr><td class="rag-who">{chip(quote)} {escaped(speaker(quote.hit))}</td>'
        f'<td class="rag-when">{quote.hit.date:%d %b %Y}</td><td class="rag-stance">{verdict}{reason}</td>'
        f"<td>{escaped(one_line(quote.text))}"
        f'<p class="rag-path">{escaped(quote.hit.document.title)} · {escaped(place(quote.hit))}</p></td></tr>'
    )


def draw(shared: Shared) -> None:
    """Draw the tab."""
    import gradio as gr

    with gr.Tab("Compare houses"):
        with gr.Row():
            claim = gr.Textbox(show_label=False, label="Claim", placeholder="A claim", lines=1, max_lines=6, scale=5)
            button = gr.Button("Compare", variant="primary", min_width=110)
        table = gr.HTML(NO_COMPARISON)

    def compare(asked: str | None, *limits: Chosen) -> str:
        return compared(shared.assistant, asked or "", Limits.of(*limits))

    gr.on([button.click, claim.submit], compare, [claim, *shared.limits], [table], **PRIVATE)
