"""Answers and quotes as HTML, for the chat; everything escaped.

In: records. Out: markup whose only elements and attributes are those written here, and its style sheet.
It does not know which page shows it.

Mail and model output are hostile: EchoLeak's way out of a machine was an image in an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.page.markup import escaped, notice, prose
from rag.present import place
from rag.prompts import speaker
from rag.records import Answer, Quote, Sentence
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.assistant import Status

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
"""
NO_QUOTES = '<section class="rag-quotes"><h2>Quotes</h2><p>They appear here at once, before the prose.</p></section>'


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


def draft(text: str, seconds: float, *, stage: str, searched: str = "", note: str = "") -> str:
    """What the conversation shows while a model works: its prose so far, marked as not yet checked."""
    status = f'<p class="rag-status">{"Not yet checked" if text.strip() else escaped(stage)} · {seconds:.0f} s</p>'
    words = f'<div class="rag-draft">{escaped(text.strip())}</div>' if text.strip() else ""
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
    parts = [_searched(answer.searched if answer.searched != answer.question else ""), prose(words)]
    if answer.refused and answer.quotes:
        parts.append(notice("The nearest quotes are shown."))
    if note:
        parts.append(notice(note))
    if withheld:
        parts.append(_fold(withheld, len(answer.sentences)))
    return "".join([*parts, _usage(answer)])


def thought(text: str) -> str:
    """What the model thought before it wrote."""
    return f'<div class="rag-thought">{escaped(text.strip())}</div>'


def _searched(question: str) -> str:
    """The question that was searched, where it is not the one that was asked."""
    return notice(f"Searched: {question}") if question else ""


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
