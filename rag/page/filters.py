"""What a question is limited to, and the bar in which it is chosen.

In: the houses and days of the index; a visitor's choice. Out: `Limits`. It does not know who asks what with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag.page.shared import PRIVATE

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant

Chosen = list[str] | str | None
"""The value of one component of the bar."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The houses and the dates that a question is limited to; empty means all."""

    houses: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @property
    def conditions(self) -> dict[str, Any]:
        """What the assistant takes."""
        return {"house": self.houses or None, "since": self.since or None, "until": self.until or None}

    @property
    def words(self) -> str:
        """What is set, in words; empty where nothing is."""
        since, until = (f"{word} {day}" if day else "" for word, day in (("since", self.since), ("until", self.until)))
        return " · ".join(filter(None, [", ".join(self.houses), since, until]))

    @classmethod
    def of(cls, houses: Chosen, since: Chosen, until: Chosen) -> Limits:
        """The limits that the components of the bar hold; an empty one holds None."""
        return cls(tuple(houses or ()), str(since or "").strip(), str(until or "").strip())


def draw(page: gr.Blocks, assistant: Assistant) -> tuple[gr.components.Component, ...]:
    """Draw the bar; its components, in the order that `Limits.of` takes their values."""
    import gradio as gr

    with gr.Accordion("Filters", open=False), gr.Row():
        houses = gr.Dropdown([], label="Houses", multiselect=True, min_width=200)
        since = gr.Textbox(label="Since", placeholder="2025-01-20", min_width=120)
        until = gr.Textbox(label="Until", placeholder="2025-02-20", min_width=120)

    def known() -> dict[str, Any]:
        return gr.update(choices=list(assistant.status().houses))

    page.load(known, None, houses, **PRIVATE)
    return houses, since, until
