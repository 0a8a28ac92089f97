"""Answers and quotes as HTML, for the chat; everything escaped.

In: records. Out: markup whose only elements and attributes are those written here, and its style sheet.
It does not know which page shows it.

Mail and model output are hostile: EchoLeak's way out of a machine was an image in an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rag.page.markup import QUIET, chip, escaped, notice, prose, shown
from rag.present import place
from rag.prompts import speaker
from rag.records import Answer, Quote, Sentence
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.status import Status

# Gradio adds each rule again as the browser prints it, and no browser can print a shorthand with var() of which
# the same rule overrides a side: hence two rules for a card's border.
STYLE = f"""
.rag-head {{ padding: 0 !important; }}
.rag-head h1 {{ font-size: 1.25rem; font-weight: 600; margin: 0; }}
.rag-head p, .rag-status, .rag-usage {{ font-size: .85rem; margin: .25rem 0 0; }}
.rag-head p, .rag-status, .rag-usage, .rag-path, .rag-draft, .rag-quotes > p {{ color: {QUIET} !important; }}
.rag-head, .rag-draft, .rag-thought, .rag-card {{ overflow-wrap: anywhere; }}
.rag-draft, .rag-thought {{ white-space: pre-wrap; }}
.rag-draft {{ font-style: italic; }}
.rag-thought {{ max-height: 16rem; overflow-y: auto; }}
.rag-fold {{ font-size: .85rem; margin: .25rem 0; }}
.rag-fold summary {{ cursor: pointer; padding: .25rem 0; }}
.rag-fold ul {{ margin: .25rem 0 0 1.1rem; list-style: disc; }}
.rag-quotes h2 {{ font-size: .95rem; font-weight: 600; margin: 0 0 .5rem; }}
.rag-card {{ border: 1px solid var(--border-color-primary) !important; }}
.rag-card {{ border-left: 3px solid var(--color-accent) !important; border-radius: 6px;
  background: var(--block-background-fill); padding: .6rem .8rem; margin: 0 0 .6rem; }}
.rag-card header {{ font-size: .85rem; }}
.rag-card blockquote {{ margin: .4rem 0 !important; padding: 0 !important; border: 0 !important;
  font-style: normal; color: var(--body-text-color); }}
.rag-path {{ font-size: .75rem; margin: 0; }}
"""
NO_QUOTES = '<section class="rag-quotes"><h2>Quotes</h2><p>They appear here at once, before the prose.</p></section>'


def head(status: Status) -> str:
    """What is asked: the corpus, and where the question goes."""
    what = f"{status.documents:,} messages and notes, {status.chunks:,} passages, from {status.corpus}"
    where = f"Model: {shown(status.model)}." if "://" in status.model else "No other service is asked."
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
        f'<article class="rag-card"><header>{chip(quote)} {about}</header>'
        f"<blockquote>{escaped(one_line(quote.text))}</blockquote>"
        f'<p class="rag-path">{escaped(place(quote.hit))}</p></article>'
    )


def about(searched: str, limits: str) -> str:
    """What was searched, where it is not what was asked, and what it was limited to; each may be empty."""
    return (notice(f"Searched: {searched}") if searched else "") + (notice(f"Only: {limits}") if limits else "")


def draft(text: str, seconds: float, *, stage: str, note: str = "") -> str:
    """What the conversation shows while a model works: its prose so far, marked as not yet checked."""
    status = f'<p class="rag-status">{"Not yet checked" if text.strip() else escaped(stage)} · {seconds:.0f} s</p>'
    words = f'<div class="rag-draft">{escaped(text.strip())}</div>' if text.strip() else ""
    return status + words + (notice(note) if note else "")


def final(answer: Answer, cost: str = "") -> str:
    """The checked answer: prose or refusal, what was withheld and why, and what it cost, in a line of text."""
    withheld = [sentence for sentence in answer.sentences if sentence.verdict == "withheld"]
    note = answer.note
    if answer.text:
        words = f'<div role="group" aria-label="Answer">{_said(answer)}</div>'
    elif withheld:
        words = prose("No sentence passed the check: the quotes are the answer.")
    else:
        told = note or ("The quotes are the answer." if answer.quotes else "No passage was found.")
        words, note = prose(told), ""
    parts = [words]
    if answer.refused and answer.quotes:
        parts.append(notice("The nearest quotes are shown."))
    if note:
        parts.append(notice(note))
    if withheld:
        parts.append(_withheld(withheld, len(answer.sentences)))
    if cost:
        parts.append(f'<p class="rag-usage">{escaped(cost)}</p>')
    return "".join(parts)


def thought(text: str, seconds: float) -> str:
    """What the model thought before it wrote, folded."""
    if not text.strip():
        return ""
    summary = f"Thought for {seconds:.0f} s"
    words = f'<div class="rag-thought" tabindex="0" role="group" aria-label="Thought">{escaped(text.strip())}</div>'
    return f'<details class="rag-fold" data-fold="thought"><summary>{summary}</summary>{words}</details>'


def _said(answer: Answer) -> str:
    """The sentences that stand, each with its chips before the full stop; a refusal has none."""
    quotes = {quote.label: quote for quote in answer.quotes}
    said = [sentence for sentence in answer.sentences if sentence.verdict != "withheld"]
    if answer.refused or not said:
        return prose(answer.text)
    return f'<div class="rag-prose">{" ".join(_sentence(sentence, quotes) for sentence in said)}</div>'


def _sentence(sentence: Sentence, quotes: Mapping[int, Quote]) -> str:
    stem = sentence.text.rstrip(".,;: ")
    chips = "".join(chip(quotes[label]) for label in sentence.labels if label in quotes)
    return f"{escaped(stem)} {chips}." if stem != sentence.text else f"{escaped(sentence.text)} {chips}"


def _withheld(withheld: Sequence[Sentence], count: int) -> str:
    rows = "".join(
        f"<li>{escaped(sentence.reason or 'not supported')}: <em>{escaped(sentence.text)}</em></li>"
        for sentence in withheld
    )
    summary = f"{len(withheld)} of {count} sentence{'' if count == 1 else 's'} withheld"
    return f'<details class="rag-fold" data-fold="withheld"><summary>{summary}</summary><ul>{rows}</ul></details>'
