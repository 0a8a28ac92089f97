"""What the tabs of the page share: the assistant, the visitor's conversation, the filter bar.

In: components that exist. Out: one record that each tab's ``draw`` takes. It does not know any tab.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant

PRIVATE: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
"""The options of an event that answers at once and is nobody's API."""

_TOLD = """const told = words => {
    const line = document.createElement("p");
    line.className = "rag-note";
    line.setAttribute("role", "status");
    line.textContent = words;
    return line.outerHTML;
  };"""

SAVE = f"""text => {{
  {_TOLD}
  if (!text) return told("There is nothing to save yet.");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {{type: "%s"}}));
  link.download = "%s";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return told("Saved.");
}}"""
"""JavaScript that saves a text as a file, and returns what is to be said; to be given its type and its name."""

COPY = f"""async given => {{
  {_TOLD}
  const text = %s;
  if (!text) return told("There is nothing to copy yet.");
  try {{
    await navigator.clipboard.writeText(text);
    return told("Copied.");
  }} catch {{  // no clipboard where the page came over plain http from another machine
    const box = document.createElement("textarea"), pressed = document.activeElement;
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    pressed?.focus();
    return told(done ? "Copied." : "This browser lets no page copy: mark the text and copy it.");
  }}
}}"""
"""JavaScript that copies a text, and returns what is to be said of it; to be completed with what gives the text."""


def told_by(event: gr.EventData, name: str) -> str:
    """The text that an event of our JavaScript gives by ``name``; empty where a hand-made one has something else."""
    data: object = event._data
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Shared:
    """``page`` is the page being drawn; ``conversation`` the state that holds a `rag.page.talk.Conversation`.

    ``limits`` are the components of the filter bar, in the order that `rag.page.filters.Limits.of` takes their values.
    ``answered`` counts the answers; its ``change`` tells a tab that there is one more.
    """

    page: gr.Blocks
    assistant: Assistant
    conversation: gr.State
    limits: tuple[gr.components.Component, ...]
    answered: gr.State
