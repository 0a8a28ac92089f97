"""What a question is limited to, and the bar in which it is chosen.

In: the houses, days, voices and kinds of the index; a visitor's choice. Out: `Limits`. It does not know who asks what
with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from rag.facets import Facets
from rag.page.markup import QUIET
from rag.page.shared import PRIVATE, told_by
from rag.page.timeline import STYLE as BARS
from rag.page.timeline import timeline

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant

Chosen = list[str] | str | None
"""The value of one component of the bar."""

_VOICES = {"own": "Own words", "quoted": "Quoted"}
_KINDS = {"email": "Mail", "note": "Notes and files"}

# Houses that the line names: it has to fit a phone's two lines, and a visitor may choose hundreds.
_NAMED = 4

# While the bar is open its counts follow the inbox.
_SECONDS = 10

# Gradio's own grey of a choice that is not made is 2.6 to 1 in light.
_CONTRAST = f"#rag-filters input.subdued {{ color: {QUIET} !important; }}\n"

STYLE = f"{BARS}#rag-filters .rag-row {{ align-items: flex-end; }}\n{_CONTRAST}"

# A click chooses a bar's days, a drag those of all bars from the first to the last. The bars are Gradio's to replace,
# so it is their place that listens; a finger that leaves them sideways still holds on to the nearest.
_ON_LOAD = """
let from = null, to = null;
const columns = () => [...element.querySelectorAll(".rag-bar")];
const nearest = event => {
  const all = columns(), box = all[0].parentElement.getBoundingClientRect();
  const place = Math.floor((event.clientX - box.left) / box.width * all.length);
  return Math.max(0, Math.min(all.length - 1, place));
};
const mark = () => columns().forEach((column, place) => column.classList.toggle("rag-dragged",
  from !== null && place >= Math.min(from, to) && place <= Math.max(from, to)));
element.addEventListener("pointerdown", event => {
  if (event.button || !event.target.closest(".rag-bars")) return;
  from = to = nearest(event);
  element.setPointerCapture(event.pointerId);
  mark();
});
element.addEventListener("pointermove", event => {
  if (from === null) return;
  to = nearest(event);
  mark();
});
element.addEventListener("pointerup", () => {
  if (from === null) return;
  const all = columns(), first = all[Math.min(from, to)], last = all[Math.max(from, to)];
  from = to = null;
  mark();
  trigger("select", {since: first.dataset.first, until: last.dataset.last});
});
element.addEventListener("pointercancel", () => { from = to = null; mark(); });
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The houses, days, voice and kind that a question is limited to; empty means all."""

    houses: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    voice: str = ""
    kind: str = ""

    @property
    def conditions(self) -> dict[str, Any]:
        """What the assistant takes."""
        single = {name: getattr(self, name) or None for name in ("since", "until", "voice", "kind")}
        return {"house": self.houses or None, **single}

    @property
    def words(self) -> str:
        """What is set, in one line; empty where nothing is."""
        named = list(self.houses) if len(self.houses) <= _NAMED else [*self.houses[: _NAMED - 1]]
        more = len(self.houses) - len(named)
        houses = ", ".join(named) + (f" and {more} more" if more else "")
        voice, kind = (names.get(one, one).lower() for names, one in ((_VOICES, self.voice), (_KINDS, self.kind)))
        return " · ".join(filter(None, [houses, _days(self.since, self.until), voice, kind]))

    @classmethod
    def of(
        cls, houses: Chosen, since: Chosen = "", until: Chosen = "", voice: Chosen = "", kind: Chosen = ""
    ) -> Limits:
        """The limits that the components of the bar hold; an empty one holds None."""
        names = (houses,) if isinstance(houses, str) else tuple(houses or ())
        return cls(names, *(str(one or "").strip() for one in (since, until, voice, kind)))


def _days(since: str, until: str) -> str:
    """The range in words; what is no date stands as it was typed, and is told where the question is asked."""
    first, last = _date(since), _date(until)
    if first and last and first <= last:
        if first == last:
            return _written(first)
        begin = f"{first.day} {first:%b}" if first.year == last.year else _written(first)
        return f"{begin} – {_written(last)}"
    ends = (("since", since, first), ("until", until, last))
    return " · ".join(f"{word} {_written(day) if day else text}" for word, text, day in ends if text)


def _written(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def label(limits: Limits) -> str:
    """The line that the closed bar is."""
    return f"Filters: {limits.words or 'all mail'}"


def of_houses(counts: Mapping[str, int], chosen: Iterable[str]) -> list[tuple[str, str]]:
    """Houses with their counts, most mail first; one that is chosen stays, though it has gone from the index."""
    counted = {**dict.fromkeys(chosen, 0), **counts}
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0].casefold()))
    return [(f"{name} ({count:,})", name) for name, count in ordered]


def one_of(every: str, names: Mapping[str, str], counts: Mapping[str, int], chosen: str) -> list[tuple[str, str]]:
    """No condition, then what the index holds, with counts, by the names that people use."""
    counted = {**({chosen: 0} if chosen else {}), **counts}
    return [(every, ""), *((f"{names.get(one, one)} ({counted[one]:,})", one) for one in sorted(counted))]


def draw(page: gr.Blocks, assistant: Assistant) -> tuple[gr.components.Component, ...]:
    """Draw the bar; its components, in the order that `Limits.of` takes their values."""
    import gradio as gr

    with gr.Accordion(label(Limits()), open=False, elem_id="rag-filters") as bar:
        houses = gr.Dropdown([], label="Houses (banks, brokers, research firms)", multiselect=True)
        days = gr.HTML(timeline({}), js_on_load=_ON_LOAD)
        with gr.Row(elem_classes="rag-row"):
            since = gr.Textbox(label="Since", placeholder="2025-01-20", max_lines=1, min_width=120)
            until = gr.Textbox(label="Until", placeholder="2025-02-20", max_lines=1, min_width=120)
            voice = gr.Dropdown(one_of("Anyone", _VOICES, {}, ""), value="", label="Whose words", min_width=140)
            kind = gr.Dropdown(one_of("Anything", _KINDS, {}, ""), value="", label="Kind", min_width=140)
            clear = gr.Button("Clear filters", min_width=110)
    following, drawn = gr.Timer(_SECONDS, active=False), gr.State(Facets())
    shown = (houses, since, until, voice, kind)

    def counted(before: Facets, *values: Chosen) -> dict[Any, Any]:
        limits, found = Limits.of(*values), assistant.facets()
        if found == before:
            return {drawn: gr.skip()}
        return {
            drawn: found,
            houses: gr.update(choices=of_houses(found.houses, limits.houses)),
            voice: gr.update(choices=one_of("Anyone", _VOICES, found.voices, limits.voice)),
            kind: gr.update(choices=one_of("Anything", _KINDS, found.kinds, limits.kind)),
            days: timeline(found.days, _date(limits.since), _date(limits.until)),
        }

    def redrawn(first: str | None, last: str | None) -> str:
        limits = Limits.of([], first, last)
        return timeline(assistant.facets().days, _date(limits.since), _date(limits.until))

    def told(*values: Chosen) -> dict[str, Any]:
        return gr.update(label=label(Limits.of(*values)))

    def dragged(event: gr.EventData) -> tuple[str, str]:
        return told_by(event, "since"), told_by(event, "until")

    dragged.__annotations__["event"] = gr.EventData  # Gradio finds it by its type, and cannot resolve the name

    for refreshes in (page.load, bar.expand, following.tick):
        refreshes(counted, [drawn, *shown], [drawn, houses, voice, kind, days], **PRIVATE)
    bar.expand(lambda: gr.Timer(active=True), None, following, **PRIVATE)
    bar.collapse(lambda: gr.Timer(active=False), None, following, **PRIVATE)
    gr.on([one.change for one in shown], told, shown, bar, **PRIVATE)
    gr.on([since.change, until.change], redrawn, [since, until], days, **PRIVATE)
    days.select(dragged, None, [since, until], **PRIVATE)
    clear.click(lambda: ([], "", "", "", ""), None, shown, **PRIVATE)
    return shown
