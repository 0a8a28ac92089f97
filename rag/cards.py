"""Answers and quotes as HTML, for the chat; everything escaped.

In: records. Out: markup whose only elements and attributes are those written here, and its style sheet.
It does not know which page shows it.

Mail and model output are hostile: EchoLeak's way out of a machine was an image in an answer.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.errors import RagError
from rag.present import place, printable
from rag.prompts import speaker
from rag.records import Answer, Quote, Sentence
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.assistant import Status
    from rag.comparing import Comparison, Row

# Gradio adds each rule again as the browser prints it, and no browser can print a shorthand with var() of which
# the same rule overrides a side: hence two rules for a card's border.
STYLE = """
.rag-head h1 { font-size: 1.25rem; font-weight: 600; margin: 0; }
.rag-head p, .rag-status, .rag-note, .rag-usage { font-size: .85rem; margin: .25rem 0 0; }
.rag-head p, .rag-status, .rag-note, .rag-usage, .rag-path, .rag-draft, .rag-quotes > p {
  color: color-mix(in srgb, var(--body-text-color) 68%, transparent) !important; }
.rag-head, .rag-prose, .rag-draft, .rag-thought, .rag-note, .rag-card { overflow-wrap: anywhere; }
.rag-prose, .rag-draft, .rag-thought { white-space: pre-wrap; }
.rag-draft { font-style: italic; }
.rag-fold { font-size: .85rem; margin-top: .5rem; }
.rag-fold summary { cursor: pointer; }
.rag-fold ul { margin: .25rem 0 0 1.1rem; list-style: disc; }
.rag-quotes h2 { font-size: .95rem; font-weight: 600; margin: 0 0 .5rem; }
.rag-card { border: 1px solid color-mix(in srgb, var(--body-text-color) 18%, transparent) !important; }
.rag-card { border-left: 3px solid var(--color-accent) !important; border-radius: 6px;
  background: var(--block-background-fill); padding: .6rem .8rem; margin: 0 0 .6rem; }
.rag-card header { font-size: .85rem; }
.rag-card blockquote { margin: .4rem 0 !important; padding: 0 !important; border: 0 !important;
  font-style: normal; color: var(--body-text-color); }
.rag-path { font-size: .75rem; margin: 0; }
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
NO_QUOTES = '<section class="rag-quotes"><h2>Quotes</h2><p>They appear here at once, before the prose.</p></section>'


def escaped(text: str) -> str:
    """``text`` that no browser reads as markup, without the characters that hide or turn others round."""
    return html.escape(printable(text), quote=True)


def head(status: Status) -> str:
    """What is asked: the corpus, and where the question goes."""
    what = f"{status.documents:,} messages and notes, {status.chunks:,} passages, from {status.corpus}"
    where = f"Model: {status.model}." if "://" in status.model else "Nothing leaves this machine."
    return f"<h1>Ask your inbox</h1><p>{escaped(f'{what}. {where}')}</p>"


def quote_cards(quotes: Sequence[Quote], *, refused: bool = False) -> str:
    """The quotes, each with who said it, when and where."""
    if not quotes:
        return '<section class="rag-quotes"><h2>Quotes</h2><p>No passage was found.</p></section>'
    heading = "Nearest quotes" if refused else "Quotes"
    cards = "".join(_card(quote) for quote in quotes)
    return f'<section class="rag-quotes"><h2>{heading}</h2>{cards}</section>'


def _card(quote: Quote) -> str:
    document = quote.hit.document
    about = escaped(f"{speaker(quote.hit)} · {quote.hit.date:%d %b %Y} · {document.title}")
    return (
        f'<article class="rag-card"><header><strong>[{quote.label}]</strong> {about}</header>'
        f"<blockquote>{escaped(one_line(quote.text))}</blockquote>"
        f'<p class="rag-path">{escaped(place(quote.hit))}</p></article>'
    )


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
        f'<tr><td class="rag-who"><strong>[{quote.label}]</strong> {escaped(speaker(quote.hit))}</td>'
        f'<td class="rag-when">{quote.hit.date:%d %b %Y}</td><td class="rag-stance">{verdict}{reason}</td>'
        f"<td>{escaped(one_line(quote.text))}"
        f'<p class="rag-path">{escaped(quote.hit.document.title)} · {escaped(place(quote.hit))}</p></td></tr>'
    )


def draft(prose: str, seconds: float, *, stage: str, searched: str = "", note: str = "") -> str:
    """What the conversation shows while a model works: its prose so far, marked as not yet checked."""
    status = f'<p class="rag-status">{"Not yet checked" if prose.strip() else escaped(stage)} · {seconds:.0f} s</p>'
    words = f'<div class="rag-draft">{escaped(prose.strip())}</div>' if prose.strip() else ""
    return _searched(searched) + status + words + (notice(note) if note else "")


def final(answer: Answer) -> str:
    """The checked answer: prose or refusal, what was withheld and why, and what it cost."""
    withheld = [sentence for sentence in answer.sentences if sentence.verdict == "withheld"]
    note = answer.note
    if answer.text:
        words = answer.text
    elif withheld:
        words = "No sentence passed the check: the quotes are the answer."
    else:
        words, note = note or ("The quotes are the answer." if answer.quotes else "No passage was found."), ""
    parts = [_searched(answer.searched if answer.searched != answer.question else ""), _prose(words)]
    if answer.refused and answer.quotes:
        parts.append(notice("The nearest quotes are shown."))
    if note:
        parts.append(notice(note))
    if withheld:
        parts.append(_fold(withheld, len(answer.sentences)))
    return "".join([*parts, _usage(answer)])


def failure(error: RagError) -> str:
    """What went wrong, and what to do about it."""
    return _prose(str(error)) + (notice(error.remedy) if error.remedy else "")


def notice(text: str) -> str:
    """A sentence of the program's own."""
    return f'<p class="rag-note">{escaped(text)}</p>'


def thought(text: str) -> str:
    """What the model thought before it wrote."""
    return f'<div class="rag-thought">{escaped(text.strip())}</div>'


def _searched(question: str) -> str:
    """The question that was searched, where it is not the one that was asked."""
    return notice(f"Searched: {question}") if question else ""


def _prose(text: str) -> str:
    return f'<div class="rag-prose">{escaped(text)}</div>'


def _fold(withheld: Sequence[Sentence], count: int) -> str:
    rows = "".join(
        f"<li>{escaped(sentence.reason or 'not supported')}: <em>{escaped(sentence.text)}</em></li>"
        for sentence in withheld
    )
    summary = f"{len(withheld)} of {count} sentences withheld"
    return f'<details class="rag-fold"><summary>{summary}</summary><ul>{rows}</ul></details>'


def _usage(answer: Answer) -> str:
    usage = answer.usage
    written = usage.answer_tokens + usage.thinking_tokens
    costs = [answer.model] if answer.model else []
    if written:  # A model that was stopped has told of no tokens.
        costs += [f"{usage.prompt_tokens:,} tokens read", f"{written:,} written"]
    if "total" in usage.seconds:
        costs.append(f"{usage.seconds['total']:.1f} s")
    return f'<p class="rag-usage">{escaped(" · ".join(costs))}</p>' if costs else ""
