from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from rag.page.shared import told_by

if TYPE_CHECKING:
    import gradio as gr


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"claim": "capex falls"}, "capex falls"),
        ({"claim": None}, ""),
        ({"claim": ["a"]}, ""),
        ({"claim": 7}, ""),
        ({}, ""),
        ([], ""),
        ("claim", ""),
        (None, ""),
    ],
)
def test_whatever_an_event_brings_a_text_is_told_by_it(data: object, told: str) -> None:
    assert told_by(cast("gr.EventData", SimpleNamespace(_data=data)), "claim") == told
