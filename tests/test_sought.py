from __future__ import annotations

from datetime import date

import pytest

from rag.questions import understand
from rag.sought import Sought, sought, states


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the model released?", "date"),
        ("In which year were the controls introduced?", "date"),
        ("What share of revenue comes from China?", "share"),
        ("How many chips did they rent?", "count"),
        ("How long did the training take?", "count"),
        ("How much did the training cost?", "amount"),
        ("By how much did the shares fall?", "amount"),
        ("What price target does Citi have for Tesla?", "amount"),
        ("What does Citi say about chips?", None),
        ("Who doubts the $5M?", None),
    ],
)
def test_a_question_seeks_a_kind_of_figure(question: str, kind: Sought | None) -> None:
    assert sought(understand(question, today=date(2025, 2, 1))) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Released on 20 January.", "date"),
        ("It was founded in 2015.", "date"),
        ("A fifth, 20%, comes from there.", "share"),
        ("They rented 2,048 of them.", "count"),
        ("It cost $5M.", "amount"),
        ("They fell 17%.", "amount"),
    ],
)
def test_a_text_states_a_figure_of_its_kind(text: str, kind: Sought) -> None:
    assert states(text, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("It was founded long ago.", "date"),
        ("They rented 2,048 of them.", "share"),
        ("They rented 20% of them.", "count"),
        ("The R1 came on 20 January.", "amount"),
    ],
)
def test_another_kind_of_figure_is_none(text: str, kind: Sought) -> None:
    assert not states(text, kind)
