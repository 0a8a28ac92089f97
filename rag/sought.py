"""The kind of figure that a question asks for, and whether a text states one.

In: a `Query`, text. Out: yes or no. It does not know which figure is right.
"""

from __future__ import annotations

import re
from typing import Literal

from rag.questions import Query
from rag.terms import figures

Sought = Literal["date", "share", "count", "amount"]

_YEAR = re.compile(r"(?:19|20)\d\d")

# In this order: "what share of revenue" is a share, "how many dollars" a count of them.
_KINDS: tuple[tuple[Sought, re.Pattern[str]], ...] = (
    ("date", re.compile(r"\bwhen\b|\b(?:what|which)\s(?:year|date|day|month|quarter)\b|\bhow\ssoon\b", re.IGNORECASE)),
    (
        "share",
        re.compile(r"\bper\s?cent|%|\b(?:percentage|share|margins?|growth|probability|odds|weight)\b", re.IGNORECASE),
    ),
    ("count", re.compile(r"\bhow\s(?:many|long|often|old|big|large)\b|\bnumber\sof\b", re.IGNORECASE)),
    (
        "amount",
        re.compile(
            r"\bhow\s(?:much|far|cheap|cheaper|expensive|high|low)\b|\bby\swhat\b|\b(?:prices?|targets?|costs?|revenues?"
            r"|value|valuation|capex|sales|eps|budget|multiple|level|yields?|rates?|premium|discount)\b",
            re.IGNORECASE,
        ),
    ),
)


def sought(query: Query) -> Sought | None:
    """The kind of figure that ``query`` asks for; None if it asks for none."""
    if query.kind not in ("number", "other"):
        return None
    kind = next((kind for kind, pattern in _KINDS if pattern.search(query.text)), None)
    # "In which year", and all that plainly ask for a number; "the price of being late" asks for none.
    return kind if kind == "date" or query.kind == "number" else None


def states(text: str, kind: Sought) -> bool:
    """Whether ``text`` states a figure of ``kind``."""
    found = figures(text)
    if kind == "date":
        return any(one.unit == "date" or (not one.unit and _YEAR.fullmatch(one.value)) for one in found)
    if kind == "share":
        return any(one.unit in ("%", "bp", "x") for one in found)
    outside = ("date", "name", "%", "bp") if kind == "count" else ("date", "name")
    return any(one.unit not in outside for one in found)
