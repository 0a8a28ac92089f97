"""What most tests need: a small corpus, settings that point to it, an assistant without heavy models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import Assistant, Settings, models
from rag.modelfiles import CATALOGUE
from tests.fakes import ScriptedModel, WordEmbedder

BERNSTEIN = """\
From: Stacy Rasgon <stacy.rasgon@bernsteinsg.com>
To: inbox@desk.example
Date: Mon, 27 Jan 2025 08:12:00 -0500
Subject: The five million
Message-ID: <1@bernsteinsg.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

The claim that somebody rebuilt OpenAI for $5M is wrong. The number is 2,048 rented GPUs at $2 an hour.

It leaves out earlier research.
"""

CITI = """\
From: Atif Malik <atif.malik@citi.com>
To: inbox@desk.example
Date: Tue, 28 Jan 2025 09:00:00 +0000
Subject: Advanced chips still matter
Message-ID: <2@citi.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

We doubt that this was done without advanced GPUs. Access to chips stays an advantage.
"""

NOTE = """\
---
title: Prices
date: 2025-01-30
author: Ann Reader
---

The hosted model costs $0.55 per million tokens in. Nobody knows the margin.
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, text in {"bernstein.eml": BERNSTEIN, "citi.eml": CITI, "prices.md": NOTE}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def settings(corpus: Path, tmp_path: Path) -> Settings:
    return Settings.load(folder=tmp_path, corpus=corpus, index=tmp_path / "index")


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def desk(settings: Settings, embedder: WordEmbedder) -> Iterator[Assistant]:
    with Assistant.open(settings, embedder=embedder, model=ScriptedModel()) as assistant:
        assistant.sync()
        yield assistant


@pytest.fixture(scope="session")
def smol() -> Path:
    """The smallest real chat model (98 MB), pulled once and kept in the user's cache."""
    return models.pull(CATALOGUE["smol-135m"])


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the user's settings, writes to the user's folders or reaches a model hub."""
    for name in [name for name in os.environ if name.startswith("RAG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("RAG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
