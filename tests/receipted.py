"""A small index, asked once, with all that a receipt is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from rag import Assistant, Settings, receipts
from rag.answering import Reply
from rag.conditions import Conditions
from rag.gate import Judgement
from rag.records import Answer, Turn
from tests.conftest import BERNSTEIN, CITI, NOTE
from tests.fakes import ScriptedModel, WordEmbedder

QUESTION = "what does Bernstein say about the $5M?"
PROSE = "Bernstein calls the $5M claim wrong [1]. It was $9M [1]."

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Asked:
    """What a receipt is made of, and the receipt."""

    settings: Settings
    answer: Answer
    gate: Judgement
    index: Mapping[str, str | int]
    conditions: Conditions
    turns: tuple[Turn, ...]
    digest: str | None = "0" * 64

    def model_digest(self) -> str | None:
        return self.digest

    @property
    def facts(self) -> dict[str, Any]:
        return receipts.receipt(cast(Reply, self))


def ask(settings: Settings, question: str = QUESTION, **limits: str) -> Asked:
    with Assistant.open(settings, embedder=WordEmbedder(), model=ScriptedModel(PROSE)) as desk:
        desk.sync()
        reply = desk.ask(question, as_of="2025-02-01", **limits)  # type: ignore[arg-type]
        return Asked(settings, reply.answer, reply.gate, reply.index, reply.conditions, reply.turns)


def ask_in(folder: Path) -> Asked:
    """The answer of an index of three documents in ``folder``."""
    (folder / "corpus").mkdir()
    for name, text in {"bernstein.eml": BERNSTEIN, "citi.eml": CITI, "prices.md": NOTE}.items():
        (folder / "corpus" / name).write_text(text, encoding="utf-8")
    return ask(Settings(corpus=folder / "corpus", index=folder / "index"))


def sealed(facts: dict[str, Any]) -> dict[str, Any]:
    """What a forger makes of an edited receipt: every sha256 in it is computed anew."""
    for quote, seal in zip(facts["quotes"], facts["receipt"]["quotes"], strict=True):
        seal |= {name: quote[name] for name in ("n", "document", "start", "end")}
        seal["sha256"] = receipts.sha256_of(quote["text"])
    facts["receipt"]["sha256"] = receipts._whole(facts)
    return facts
