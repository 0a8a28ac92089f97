"""The few pieces of HTML that every tab is made of; everything escaped.

In: texts, hostile ones among them. Out: markup whose only elements and attributes are those written here. It does not
know what is being shown.

Mail and model output are hostile: EchoLeak's way out of a machine was an image in an answer.
"""

from __future__ import annotations

import html

from rag.errors import RagError
from rag.present import label, printable
from rag.prompts import speaker
from rag.records import Quote
from rag.server import without_secrets

QUIET = "color-mix(in srgb, var(--body-text-color) 68%, transparent)"
"""The colour of what is not the answer: 4.5 to 1 and more against either theme's background."""

STYLE = f"""
.rag-note, .rag-quiet {{ font-size: .85rem; margin: .25rem 0 0; overflow-wrap: anywhere; color: {QUIET} !important; }}
.rag-chip {{ font: inherit; font-weight: 600; color: var(--link-text-color); background: none; border: 0;
  padding: 0 .1rem; cursor: pointer; }}
.rag-chip:hover, .rag-chip:focus-visible {{ text-decoration: underline; }}
input::placeholder, textarea::placeholder {{ color: {QUIET} !important; opacity: 1; }}
.rag-prose {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
@media (max-width: 799px) {{
  .tab-container button {{ padding-left: .35rem; padding-right: .35rem; }}
  button.sm, button.lg, .rag-empty button, .tab-container button, .rag-reader button:not(.rag-chip), textarea,
  #rag-filters input.scroll-hide {{ min-height: 44px !important; }}
  button.label-wrap {{ padding: 13px 0 !important; margin: -13px 0 !important; }}
  button.label-wrap.open {{ margin-bottom: -5px !important; }}
  summary {{ padding-top: .85rem !important; padding-bottom: .85rem !important; }}
  .rag-chip {{ position: relative; }}
  .rag-chip::after {{ content: ""; position: absolute; inset: -.85rem -.1rem; }}
}}
"""


def escaped(text: str) -> str:
    """``text`` that no browser reads as markup, without the characters that hide or turn others round."""
    return html.escape(printable(text), quote=True)


def notice(text: str) -> str:
    """A sentence of the program's own."""
    return f'<p class="rag-note">{escaped(text)}</p>'


def status(text: str) -> str:
    """A sentence of the program's own that screen readers say when it changes."""
    return f'<p class="rag-note" role="status">{escaped(text)}</p>'


def prose(text: str) -> str:
    """Running text, with its line breaks."""
    return f'<div class="rag-prose">{escaped(text)}</div>'


def failure(error: RagError) -> str:
    """What went wrong, and what to do about it."""
    return prose(str(error)) + (notice(error.remedy) if error.remedy else "")


def chip(quote: Quote) -> str:
    """``[1]`` as a button that opens the quote in its whole document; see `rag.page.passage`."""
    named = label(f"Quote {quote.label}: {speaker(quote.hit)}, {quote.hit.date:%d %b %Y}, in its document")
    where = f"{quote.hit.document.id} {quote.start} {quote.end}"
    return (
        f'<button type="button" class="rag-chip" data-passage="{escaped(where)}" aria-label="{escaped(named)}">'
        f"[{quote.label}]</button>"
    )


def shown(name: str) -> str:
    """A model's name, a file's without its folders, a URL's without user and password."""
    if "://" not in name:
        return name.replace("\\", "/").rsplit("/", 1)[-1]
    return "/".join(without_secrets(name).split("/", 3)[:3])
