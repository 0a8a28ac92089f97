"""The tab that sets the houses side by side on one claim.

In: a claim, or the last question, and the limits of the filter bar. Out: the table of `rag.comparing` and its picture.
It does not know how rows are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag.errors import RagError
from rag.page.filters import Chosen, Limits
from rag.page.markup import QUIET, chip, escaped, failure, notice, status
from rag.page.shared import COPY, PRIVATE, SAVE, Shared, told_by
from rag.page.talk import Conversation, problem
from rag.page.timeline import Point, houses_over_time
from rag.present import comparison_csv, comparison_markdown, label, place
from rag.prompts import speaker
from rag.sentences import one_line

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant
    from rag.comparing import Comparison, Row

AT_ONCE = 4
"""Comparisons at once: each is a search for every house, and there are two cores."""

STYLE = f"""
.rag-houses table {{ width: 100%; border-collapse: collapse; overflow-wrap: anywhere; }}
.rag-houses caption {{ text-align: left; font-weight: 600; padding: 0 0 .5rem; color: var(--body-text-color); }}
.rag-houses table, .rag-houses tbody, .rag-houses tr, .rag-houses th, .rag-houses td {{
  border: 0 !important; background: none !important; }}
.rag-houses th, .rag-houses td {{ padding: .6rem .8rem .6rem 0; text-align: left; vertical-align: top;
  color: var(--body-text-color); }}
.rag-houses th {{ font-weight: 600; }}
.rag-houses tr {{ border-top: 1px solid color-mix(in srgb, var(--body-text-color) 18%, transparent) !important; }}
.rag-houses td p {{ margin: .25rem 0 0; }}
.rag-who {{ width: 11rem; }}
.rag-when {{ width: 6.5rem; }}
.rag-stance {{ width: 9rem; }}
.rag-reason, .rag-houses .rag-path, .rag-houses > p {{ font-size: .8rem; color: {QUIET} !important; }}
.rag-verdict {{ border: 1px solid currentcolor; border-radius: 4px; padding: 0 .35rem; }}
@media (max-width: 799px) {{
  .rag-houses tr {{ display: block; padding: .6rem 0; }}
  .rag-houses th, .rag-houses td {{ display: block; width: auto; padding: .1rem 0; }}
  .rag-houses td:empty, .rag-houses thead {{ display: none; }}
}}
"""
_ON_LOAD = """
element.addEventListener("click", event => {
  const claim = event.target.closest("[data-question]");
  if (claim) trigger("select", {claim: claim.dataset.question});
});
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One moment of a comparison: ``told`` in words, and ``table`` as HTML; the two texts are to be taken away."""

    told: str
    table: str = ""
    markdown: str = ""
    csv: str = ""


def empty(claims: Sequence[str]) -> str:
    """The tab before the first comparison: what it does, with ``claims`` to press."""
    buttons = "".join(
        f'<li><button type="button" data-question="{escaped(one)}">{escaped(one)}</button></li>' for one in claims
    )
    return (
        '<section class="rag-empty"><h2>Set the houses side by side</h2><p>Write a claim, or a few words of a subject:'
        " each house gets a row with its best lines on it. “Agree” or “disagree” stands only where a rule can tell; a"
        f" blank means that you have to read.</p><ul>{buttons}</ul></section>"
    )


def compared(assistant: Assistant, claim: str, limits: Limits) -> Iterator[Shown]:
    """Say that the search is under way, then what each house says of ``claim``; a RagError is shown like an answer."""
    claim = claim.strip()
    if told := problem("claim", claim):
        yield Shown(told)
        return
    yield Shown("Comparing the houses …")
    try:
        found = assistant.compare(claim, **limits.conditions)
    except RagError as error:
        yield Shown(str(error), failure(error))
        return
    yield Shown(
        counted(found) + (f" Only: {limits.words}" if limits.words else ""),
        comparison(found),
        comparison_markdown(found, limits.words),
        comparison_csv(found),
    )


def counted(found: Comparison) -> str:
    """How many houses speak on the claim, and how many of them a rule can place."""
    if not found.rows:
        return "No house says anything near this claim."
    verdicts = [row.stance.verdict for row in found.rows]
    placed = [f"{verdicts.count(one)} {word}" for one, word in _VERDICTS.items() if one in verdicts]
    houses = f"{len(found.rows)} house{'s' if len(found.rows) > 1 else ''}"
    return f"{houses}: {', '.join(placed)}." if placed else f"{houses}; no rule can tell who agrees."


_VERDICTS = {"agree": "agree", "disagree": "disagree", "other": "with another figure"}


def comparison(found: Comparison) -> str:
    """When each house spoke and what it says of a claim, in a row each, and who says nothing of it."""
    silent = f"<p>Nothing near it from {escaped(', '.join(found.silent))}.</p>" if found.silent else ""
    if not found.rows:
        return f'<section class="rag-houses">{notice(_TEACHING)}{silent}</section>'
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("House", "Date", "Stance", "Quote"))
    rows = "".join(_row(row) for row in found.rows)
    table = f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    caption = f"<caption>{escaped(found.claim)}</caption>"
    picture = houses_over_time([_point(row) for row in found.rows])
    return f'<section class="rag-houses">{picture}<table>{caption}{table}</table>{silent}</section>'


_TEACHING = "Try fewer words, a figure or a name; and look whether the filters leave anybody to speak."


def _row(row: Row) -> str:
    quote, stance = row.quote, row.stance
    verdict = f'<span class="rag-verdict">{escaped(stance.verdict)}</span>' if stance.verdict else ""
    reason = f'<p class="rag-reason">{escaped(stance.reason)}</p>' if stance.reason else ""
    return (
        f'<tr><th scope="row" class="rag-who">{chip(quote)} {escaped(speaker(quote.hit))}</th>'
        f'<td class="rag-when">{quote.hit.date:%d %b %Y}</td><td class="rag-stance">{verdict}{reason}</td>'
        f"<td>{escaped(one_line(quote.text))}"
        f'<p class="rag-path">{escaped(quote.hit.document.title)} · {escaped(place(quote.hit))}</p></td></tr>'
    )


def _point(row: Row) -> Point:
    quote, verdict = row.quote, row.stance.verdict
    hit = quote.hit
    named = f"[{quote.label}] {speaker(hit)}, {hit.date:%d %b %Y}{f': {verdict}' if verdict else ''}"
    where = f"{hit.document.id} {quote.start} {quote.end}"
    return Point(hit.chunk.voice.house or "", hit.date.date(), label(named), where, verdict)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The components: the box and its buttons, what is said, and the table with its two texts to be taken away."""

    tab: gr.Tab
    box: gr.Textbox
    button: gr.Button
    last: gr.Button
    copy: gr.Button
    save: gr.Button
    status: gr.HTML
    note: gr.HTML
    table: gr.HTML
    markdown: gr.Textbox
    csv: gr.Textbox

    @property
    def shows(self) -> list[gr.components.Component]:
        """What a comparison changes."""
        return [self.status, self.note, self.table, self.markdown, self.csv]


def draw(shared: Shared) -> None:
    """Draw the tab."""
    _connect(shared, _lay_out())


def _lay_out() -> _Parts:
    import gradio as gr

    with gr.Tab("Compare") as tab:
        with gr.Row(equal_height=True):
            box = gr.Textbox(
                show_label=False,
                label="Claim",
                placeholder="A claim",
                max_lines=6,
                scale=6,
                container=False,
            )
            button = gr.Button("Compare", variant="primary", min_width=110)
        with gr.Row():
            last = gr.Button("Compare the last question", size="sm", min_width=260)
            copy = gr.Button("Copy as Markdown", size="sm", min_width=120)
            save = gr.Button("Download CSV", size="sm", min_width=120)
        said, note = gr.HTML(status("")), gr.HTML(status(""))
        table = gr.HTML(empty(()), js_on_load=_ON_LOAD)
        markdown, csv = gr.Textbox(visible=False), gr.Textbox(visible=False)
        return _Parts(tab, box, button, last, copy, save, said, note, table, markdown, csv)


def _connect(shared: Shared, parts: _Parts) -> None:
    import gradio as gr

    assistant = shared.assistant

    def compare(claim: str | None, conversation: Conversation, *limits: Chosen) -> Iterator[dict[Any, Any]]:
        before, conversation.comparison = conversation.comparison, (this := object())
        drawn = False
        for shown in compared(assistant, claim or "", Limits.of(*limits)):
            if conversation.comparison is not this:
                break  # another was asked for meanwhile, and may have ended first
            drawn = drawn or bool(shown.table)
            texts: dict[Any, Any] = {parts.markdown: shown.markdown, parts.csv: shown.csv}
            changed = {parts.table: shown.table, **texts} if shown.table else {}
            yield {parts.status: status(shown.told), parts.note: status(""), **changed}
        if not drawn and conversation.comparison is this:  # nothing to compare: what stands there stands
            conversation.comparison = before
        yield {parts.status: gr.skip()}  # Gradio shows the last once more, which may then be the older one

    def greet(conversation: Conversation) -> str | dict[str, Any]:
        claims = assistant.claims()  # it may take seconds, in which somebody has compared
        return gr.skip() if conversation.comparison else empty(claims)

    def compare_last(conversation: Conversation, *limits: Chosen) -> Iterator[dict[Any, Any]]:
        if not conversation.past.exchanges:
            yield {parts.status: status("There is no question yet: ask one first.")}
            return
        claim = assistant.subject(conversation.past.exchanges[-1].question)
        yield {parts.box: claim}
        yield from compare(claim, conversation, *limits)

    def picked(event: gr.EventData) -> str:
        return told_by(event, "claim")

    picked.__annotations__["event"] = gr.EventData  # Gradio finds it by its type, and cannot resolve the name

    box, shows = parts.box, parts.shows
    asks = [box, shared.conversation, *shared.limits]
    slow: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress": "hidden",
        "concurrency_limit": AT_ONCE,
        "concurrency_id": "compare",
    }
    # A second claim while one is compared is compared after it, in place of being dropped.
    asked = [parts.button.click, box.submit]
    gr.on(asked, compare, asks, shows, trigger_mode="always_last", **slow)
    parts.last.click(compare_last, [shared.conversation, *shared.limits], [box, *shows], **slow)
    parts.table.select(picked, None, box, **PRIVATE).then(compare, asks, shows, trigger_mode="multiple", **slow)
    parts.tab.select(greet, [shared.conversation], parts.table, **PRIVATE)
    parts.copy.click(None, [parts.markdown], parts.note, js=COPY % "given", **PRIVATE)
    parts.save.click(None, [parts.csv], parts.note, js=SAVE % ("text/csv", "comparison.csv"), **PRIVATE)
