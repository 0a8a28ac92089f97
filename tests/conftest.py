"""What most tests need: a small corpus, settings that point to it, an assistant without heavy models."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

import app
from rag import Assistant, Settings, models
from rag.modelfiles import CATALOGUE
from tests.fakes import ScriptedModel, WordEmbedder
from tests.pages import Desk, ScriptedAssistant, Served, free_port, silent, slow

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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


def put_mail(folder: Path) -> Path:
    """Three messages and notes in a new folder."""
    folder.mkdir()
    for name, text in {"bernstein.eml": BERNSTEIN, "citi.eml": CITI, "prices.md": NOTE}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return put_mail(tmp_path / "corpus")


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; of a module and not of the session, for Playwright holds the thread's event loop while it runs."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    quiet = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    quiet += " --disable-component-update --disable-sync"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=quiet.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def scripted(swept: None) -> Iterator[Desk]:
    """A page before a scripted assistant, served with what Gradio would be misled by in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_ALLOWED_PATHS", "/")
        environment.setenv("GRADIO_SHARE", "True")
        environment.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assistant = ScriptedAssistant({"slow": slow, "silent": silent})
        with app.listening(cast("Assistant", assistant), port=free_port()) as url:
            environment.delenv("HTTP_PROXY")
            yield Desk(url, assistant)


@pytest.fixture(scope="module")
def swept() -> Iterator[None]:
    """Let go of the event loops that Gradio leaves open, before another module meets them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.set_event_loop(None)
        gc.collect()


@pytest.fixture(scope="module")
def served(swept: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page before a real assistant, which owns an index of three messages; its model is scripted."""
    here = tmp_path_factory.mktemp("served")
    settings = Settings.load(folder=here, corpus=put_mail(here / "corpus"), index=here / "index")
    model = ScriptedModel("Bernstein calls the $5M claim wrong [1].", thought="Let me look.")
    with Assistant.open(settings, embedder=WordEmbedder(), model=model, own=True) as assistant:
        assistant.sync()
        with app.listening(assistant, port=free_port()) as url:
            yield Served(url, assistant, settings.corpus)
