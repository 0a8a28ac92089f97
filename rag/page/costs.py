"""The tab of what the session's answers cost, and what the same tokens would cost at published prices.

In: the costs of a visitor's answers, the rates. Out: tables, a picture, what is counted and how, all of it escaped. It
does not know how anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rag.costs import (
    Cost,
    Rates,
    api_price,
    electricity,
    read_per_second,
    rounded,
    session,
    usd,
    watt_hours,
    written_per_second,
)
from rag.page.markup import QUIET, escaped, notice
from rag.page.shared import PRIVATE, Shared
from rag.sentences import one_line

if TYPE_CHECKING:
    from rag.page.talk import Conversation

_PLACES = range(0, 101, 2)
STYLE = f"""
.rag-costs h2 {{ font-size: 1rem; font-weight: 600; margin: 1.5rem 0 .4rem; }}
.rag-costs .rag-wide {{ overflow-x: auto; }}
.rag-costs table {{ border-collapse: collapse; font-size: .85rem; margin: 0; }}
.rag-costs :is(table, thead, tbody, tfoot, tr) {{ border: 0 !important; }}
.rag-costs caption {{ text-align: left; padding: 0 0 .4rem; }}
.rag-costs caption span {{ display: block; max-width: 78vw; color: {QUIET}; }}
.rag-costs :is(td, th) {{ border: 0 !important; }}
.rag-costs :is(td, th) {{ border-bottom: 1px solid var(--border-color-primary) !important; }}
.rag-costs :is(td, th) {{ padding: .3rem .5rem !important; text-align: right; font-weight: 400; }}
.rag-costs td {{ vertical-align: top; white-space: nowrap; }}
.rag-costs tbody th {{ vertical-align: top; min-width: 9rem; overflow-wrap: anywhere; }}
.rag-costs :is(thead, tfoot) :is(td, th) {{ font-weight: 600; vertical-align: bottom; }}
.rag-costs :is(th:first-child, .rag-prices :is(td, th):last-child) {{ text-align: left; }}
.rag-costs .rag-prices td:last-child {{ white-space: normal; overflow-wrap: anywhere; min-width: 24rem; }}
.rag-costs ul {{ list-style: disc; margin: 0 0 0 1.1rem; font-size: .85rem; }}
.rag-scale {{ max-width: 44rem; }}
.rag-scale p {{ display: flex; gap: .75rem; margin: 0; font-size: .85rem; align-items: center; }}
.rag-scale .rag-whose {{ flex: 0 0 9.5rem; overflow-wrap: anywhere; }}
.rag-track {{ flex: 1; position: relative; height: 1.4rem; margin: 0 .5rem; }}
.rag-track span {{ position: absolute; top: 0; height: 100%; width: 1px; background: var(--border-color-primary); }}
.rag-track .rag-amount {{ top: .35rem; height: .7rem; width: .7rem; margin-left: -.35rem; border-radius: 50%;
  background: var(--color-accent); }}
.rag-scale .rag-usd {{ flex: 0 0 5.5rem; text-align: right; }}
@media (max-width: 799px) {{ .rag-scale p {{ flex-wrap: wrap; gap: 0 .75rem; }}
  .rag-scale .rag-whose {{ flex-basis: 100%; }} }}
{"".join(f".rag-at-{at} {{ left: {at}%; }}" for at in _PLACES)}
"""
_EMPTY = (
    '<section class="rag-costs"><h2>No answer yet</h2><p>Ask something. For each answer this then shows the seconds of'
    " each stage, the tokens, the energy and its price; and what as many tokens would cost at the published prices of"
    " hosted models.</p></section>"
)
_LEAST = 1e-9
"""USD under which nothing is drawn or divided by."""
_STAGES = {"search": "Search", "wait": "Wait", "read": "Read", "write": "Write", "total": "Total"}
_HEADS = (
    *(f"{name}, s" for name in _STAGES.values()),
    "Tokens in",
    "Tokens cached",
    "Tokens of thought",
    "Tokens of answer",
    "Read, tokens/s",
    "Write, tokens/s",
    "Energy, Wh",
    "Electricity, USD",
)


def line(cost: Cost, rates: Rates) -> str:
    """What an answer cost, in one line of text."""
    usage, parts = cost.usage, [cost.model] if cost.model else []
    written = usage.thinking_tokens + usage.answer_tokens
    if written:  # A model that was stopped has told of no tokens.
        cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
        thought = f" ({usage.thinking_tokens:,} thought)" if usage.thinking_tokens else ""
        pace = written_per_second(usage)
        parts.append(f"{usage.prompt_tokens:,} tokens read{cached}")
        parts.append(f"{written:,} written{thought}{f' at {pace:.0f}/s' if pace else ''}")
    if "total" in cost.seconds:
        parts.append(f"{cost.seconds['total']:.1f} s")
    if cost.model:
        how = "" if cost.joules is not None else " (estimate)"
        parts.append(f"{rounded(watt_hours(cost, rates.watts_per_core), 4)} Wh{how}")
        price = f"{usd(electricity(cost, rates))} electricity"
        if written and rates.prices:
            first = rates.prices[0]
            price += f", {usd(api_price(usage, first))} at {first.name}’s price ({first.date:%b %Y})"
        parts.append(price)
    return " · ".join(parts)


def drawing(costs: Sequence[Cost], rates: Rates, *, remote: bool = False) -> str:
    """The whole tab; ``remote`` says that a server writes, whose energy nobody here can count."""
    if not costs:
        return _EMPTY
    total = session(costs)
    return (
        f'<section class="rag-costs">{_answers(costs, total, rates)}{_memory(total)}'
        f"{_published(total, rates)}{_picture(total, rates)}{_explained(total, rates, remote=remote)}</section>"
    )


def _answers(costs: Sequence[Cost], total: Cost, rates: Rates) -> str:
    rows = [_row(_shortened(cost.question), cost, rates) for cost in costs]
    count = f"{len(costs)} answer{'s' if len(costs) > 1 else ''}"
    energy = "and so is the energy" if total.joules is not None else "the energy is estimated"
    caption = f"Seconds and tokens are measured, {energy}"
    table = _table("rag-answers", caption, ("Question", *_HEADS), rows, _row(count, total, rates))
    return f"<h2>What this session took</h2>{table}"


def _row(name: str, cost: Cost, rates: Rates) -> tuple[str, ...]:
    usage = cost.usage
    tokens = (usage.prompt_tokens, usage.cached_tokens, usage.thinking_tokens, usage.answer_tokens)
    paces = (read_per_second(usage), written_per_second(usage))
    return (
        name,
        *("–" if stage not in cost.seconds else f"{cost.seconds[stage]:,.1f}" for stage in _STAGES),
        *(f"{count:,}" for count in tokens),
        *("–" if pace is None else f"{pace:,.0f}" for pace in paces),
        rounded(watt_hours(cost, rates.watts_per_core), 4),
        usd(electricity(cost, rates)),
    )


def _memory(total: Cost) -> str:
    told = []
    if total.memory.resident is not None:
        told.append(f"{total.memory.resident / 1e6:,.0f} MB after the last answer")
    if total.memory.peak is not None:
        told.append(f"{total.memory.peak / 1e6:,.0f} MB at most since the program began")
    return notice(f"Memory of this process, the model’s file included: {', '.join(told)}.") if told else ""


def _published(total: Cost, rates: Rates) -> str:
    ours = electricity(total, rates)
    rows = []
    for price in rates.prices:
        theirs = api_price(total.usage, price)
        amounts = (f"{price.input:,g}", f"{price.cached:,g}", f"{price.output:,g}")
        times = f"{rounded(theirs / ours, 2)} ×" if ours > _LEAST else "–"
        rows.append((price.name, *amounts, usd(theirs), times, f"{price.date:%d %b %Y}", price.source))
    heads = (
        "Model",
        "In, USD a million",
        "Cached",
        "Out",
        "This session, USD",
        "Times our electricity",
        "As of",
        "Source",
    )
    return "<h2>The same tokens at published prices</h2>" + _table(
        "rag-prices", "As many tokens in, cached and out, at the price of a day; arithmetic, not a bill", heads, rows
    )


def _picture(total: Cost, rates: Rates) -> str:
    """A dot for each amount on a logarithmic scale; the table has the figures, so it is left out for who listens."""
    named = [("Our electricity", electricity(total, rates))]
    named += [(price.name, api_price(total.usage, price)) for price in rates.prices]
    amounts = [amount for _, amount in named if amount > _LEAST]
    if len(amounts) < 2:
        return ""
    low = math.floor(math.log10(min(amounts)))
    high = max(math.ceil(math.log10(max(amounts))), low + 1)

    def place(power: float) -> int:
        return round((power - low) / (high - low) * 50) * 2

    ticks = "".join(f'<span class="rag-at-{place(power)}"></span>' for power in range(low, high + 1))
    rows = "".join(
        f'<p><span class="rag-whose">{escaped(name)}</span><span class="rag-track">{ticks}'
        f'<span class="rag-amount rag-at-{place(math.log10(amount))}"></span></span>'
        f'<span class="rag-usd">{usd(amount)}</span></p>'
        for name, amount in sorted(named, key=lambda one: one[1])
        if amount > _LEAST
    )
    legend = notice(
        f"USD for this session, from {usd(10.0**low)} to {usd(10.0**high)}: each line is ten times the last."
    )
    return f'{legend}<div class="rag-scale" aria-hidden="true">{rows}</div>'


def _explained(total: Cost, rates: Rates, *, remote: bool) -> str:
    """What is measured, what is estimated, and what is not counted."""
    estimate = (
        f"Energy is an estimate, for no energy counter can be read here: {total.cpu_seconds:,.1f} CPU seconds of"
        f" this process × {rates.watts_per_core:g} W for a busy core. Yours may take another: set it below."
    )
    measured = (
        "Energy is what the processor’s own counter (RAPL) says of the whole package and its memory: other programs and"
        " what it takes when idle are in it."
    )
    told = [
        "Seconds, tokens and memory are measured. Wait: for the model to load, and for answers of others before.",
        estimate if total.joules is None else measured,
        f"Electricity is taken at {rates.electricity:g} USD for a kilowatt-hour.",
        "Not counted: the price and wear of the machine, what it takes when nobody asks, screen, network, a graphics"
        " card, and the work of indexing. A hosted price pays for its machines and their owners.",
        "The tokens are ours: another model cuts a text into others, and writes more or less. Thought is priced as"
        " output, and what was cached here as if it were cached there. Nothing is said of how good their"
        " answers would be.",
        "While an answer is written, others may search and mail be indexed in this process: that energy is in it.",
        "Prices change. Put yours into a file and name it with RAG_PRICES; RAG_ELECTRICITY and RAG_WATTS_PER_CORE set"
        " the two numbers for good.",
    ]
    if remote:
        told.insert(2, "The model runs on a server: what that takes is not known here, and not in these figures.")
    items = "".join(f"<li>{escaped(one)}</li>" for one in told)
    return f"<h2>How this is counted</h2><ul>{items}</ul>"


def _table(
    kind: str, caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] | None = None
) -> str:
    head = "".join(f'<th scope="col">{escaped(one)}</th>' for one in heads)
    body = "".join(_cells(row) for row in rows)
    last = f"<tfoot>{_cells(foot)}</tfoot>" if foot else ""
    return (
        f'<div class="rag-wide" tabindex="0" role="region" aria-label="{escaped(caption)}">'
        f'<table class="{kind}"><caption><span>{escaped(caption)}</span></caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{last}</table></div>"
    )


def _cells(row: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(f"<td>{escaped(one)}</td>" for one in others)
    return f'<tr><th scope="row">{escaped(first)}</th>{cells}</tr>'


def _shortened(question: str) -> str:
    words = one_line(question)
    return words if len(words) <= 60 else f"{words[:59].rstrip()}…"


def _number(given: float | None, default: float) -> float:
    """What a visitor wrote into a box; ``default`` where that is nothing to count with."""
    return default if given is None or not 0 <= given <= 1000 else float(given)


def draw(shared: Shared) -> None:
    """Draw the tab. Raises SettingsError for a table of prices that cannot be used."""
    import gradio as gr

    usual = Rates.of(shared.assistant.settings)
    with gr.Tab("Costs") as tab:
        shown = gr.HTML(_EMPTY)
        with gr.Row():
            price = gr.Number(
                usual.electricity, label="USD for a kilowatt-hour", minimum=0, maximum=1000, min_width=160
            )
            watts = gr.Number(
                usual.watts_per_core,
                label="Watts of a busy core, if estimated",
                minimum=0,
                maximum=1000,
                min_width=160,
            )

    def draw_anew(conversation: Conversation, price: float | None, watts: float | None) -> str:
        rates = Rates(_number(price, usual.electricity), _number(watts, usual.watts_per_core), usual.prices)
        return drawing(conversation.past.costs, rates, remote="://" in shared.assistant.settings.model)

    triggers = [tab.select, shared.answered.change, price.change, watts.change]
    gr.on(triggers, draw_anew, [shared.conversation, price, watts], [shown], trigger_mode="always_last", **PRIVATE)
