"""The tab of the models: what is told of each, what its buttons do, and how a visitor pulls one and uses it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

import app
from rag import Assistant, Settings
from rag.loading import Choice
from rag.modelfiles import Generation
from rag.models import Kept, models_folder
from rag.page import models
from rag.page.modeljobs import Job, ModelJobs
from rag.speeds import Speed
from rag.tuning import Threads
from tests import tiny_gguf
from tests.conftest import BERNSTEIN
from tests.fakes import ScriptedModel, WordEmbedder
from tests.hub import Exchange, hub, model_file
from tests.pages import free_port, put, vectors
from tests.test_loading import file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

# Gradio, in this very process, leaves event loops open and counts its events with options that pandas 3 calls
# deprecated; as an error either would stop the page.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
MODEL = model_file()
HERE = Kept(True, MODEL.size, datetime(2026, 1, 2, tzinfo=UTC))


def card(kept: Kept = HERE, **changes: object) -> models.Card:
    return replace(models.Card(MODEL, kept, 400_000_000), **changes)  # type: ignore[arg-type]  # fields of the card


def shelf(*cards: models.Card, foreign: str = "", told: str = "") -> str:
    return models.shelf(cards, foreign, told=told, memory=300_000_000, disk=2_000_000_000)


class Drawing(HTMLParser):
    """The elements, attributes and words of a drawing."""

    def __init__(self, drawn: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.words = ""
        self.feed(drawn)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


def hostile(text: str) -> str:
    model = replace(
        MODEL, name=text, repo=text, file=text, licence=text, sha256=text, reads=text, terms=text, wheels=(text, text)
    )
    used = Choice(text, told=text)
    running = Job("pull", text, done=1, total=2, rate=1.0, told=text)
    foreign = models.foreign_card(text, used)
    cards = (
        models.Card(model, HERE, 1, Speed(1, 1, Threads(1, 1), text, date.today()), used, running),
        models.Card(model, HERE, 1),
    )
    return shelf(*cards, foreign=foreign, told=text)


@hypothesis.settings(deadline=None)
@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    assert Drawing(hostile(f"x{text}")).shape == Drawing(hostile("x")).shape


@pytest.mark.parametrize("attack", vectors("http://127.0.0.1:9"))
def test_no_attack_becomes_markup(attack: str) -> None:
    assert Drawing(hostile(attack)).shape == Drawing(hostile("x")).shape


def test_a_card_tells_what_there_is_to_know_of_a_model() -> None:
    words = Drawing(shelf(card(speed=Speed(120.4, 19.26, Threads(2, 2), "b", date(2026, 1, 3))))).words
    for part in (
        "tiny", "Tests only.", "0.00 GB", "MIT", MODEL.sha256, MODEL.sha256[:12], "team/tiny on the model hub",
        "verified on", "about 0.4 GB – more than there is", "reads 120, writes 19.3 tokens/s", "2 threads",
        "03 Jan 2026", "0.3 GB of memory", "2.0 GB of disk",
    ):  # fmt: skip
        assert part in words


def test_a_card_tells_threads_that_read_from_those_that_write() -> None:
    words = Drawing(shelf(card(speed=Speed(120.4, 19.26, Threads(4, 1), "b", date(2026, 1, 3))))).words
    assert "(4 to read, 1 thread to write, 03 Jan 2026)" in words


@pytest.mark.parametrize(
    ("shown", "actions"),
    [
        (card(), ("use", "measure", "verify", "remove")),
        (card(choice=Choice("tiny", ready=True)), ("measure", "verify")),
        (card(choice=Choice("tiny", failed=True)), ("use", "measure", "verify")),
        (card(Kept()), ("pull",)),
        (card(Kept(bytes=5)), ("pull", "remove")),
        (card(Kept(True, 5, damaged=True)), ("pull", "remove")),
        (card(model=replace(MODEL, generation=Generation(prose=False))), ("measure", "verify", "remove")),
        (card(Kept(), job=Job("pull", "tiny")), ("cancel",)),
    ],
)
def test_only_what_can_be_done_has_a_button(shown: models.Card, actions: tuple[str, ...]) -> None:
    assert tuple(re.findall(r'data-action="(\w+)"', shelf(shown))) == actions


def test_what_a_button_is_for_is_said_in_full() -> None:
    assert 'aria-label="Remove tiny"' in shelf(card())


def test_only_a_removal_asks_first() -> None:
    drawn = shelf(card(), card(Kept()))
    assert re.findall(r'data-action="(\w+)" data-name="tiny" data-confirm="Delete', drawn) == ["remove"]
    assert drawn.count("data-confirm") == 1


def test_a_pull_tells_percent_megabytes_rate_and_seconds_left() -> None:
    words = Drawing(shelf(card(Kept(), job=Job("pull", "tiny", 250_000_000, 1_000_000_000, 12_500_000)))).words
    assert "25% · 250 of 1,000 MB · 12.5 MB/s · 60 s left" in words


# ------------------------------------------------------------------------------------------------ jobs

SLOW = 0.02


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models-tab")


@pytest.fixture(scope="module")
def served(swept: None, place: Path) -> Iterator[tuple[str, Assistant]]:
    """A page before an assistant that can pull one model, slowly, and has another one.

    As each test has other settings in its environment, those of this one are set by `settled`.
    """
    corpus = place / "corpus"
    corpus.mkdir()
    (corpus / "bernstein.eml").write_text(BERNSTEIN, encoding="utf-8")
    (place / "files").mkdir()
    away = replace(file("away", tiny_gguf.write_r1(place / "away.gguf")), repo="team/away")
    here = file("here", tiny_gguf.write_chatml(place / "files/here.gguf"))
    catalogue = MappingProxyType({"away": away, "here": here})
    settings = Settings.load(folder=place, corpus=corpus, index=place / "index")
    scripted = ScriptedModel("The claim of $5M is wrong [1].")
    with Assistant.open(settings, embedder=WordEmbedder(), model=scripted, models=catalogue, own=True) as desk:
        desk.sync()
        with app.listening(desk, port=free_port()) as url:
            yield url, desk


@pytest.fixture
def settled(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The environment of the page: its models folder, and a hub that sends the model in small pieces."""
    ranges: list[str] = []

    def slowly(exchange: Exchange) -> None:
        body = (place / "away.gguf").read_bytes()
        asked = exchange.headers.get("Range") or "bytes=0-"
        ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        place_of = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        exchange.head(206 if start else 200, {"Content-Length": str(len(body) - start), "ETag": '"one"', **place_of})
        for at in range(start, len(body), 20_000):
            exchange.wfile.write(body[at : at + 20_000])
            time.sleep(SLOW)

    with hub(slowly) as running:
        monkeypatch.setenv("RAG_MODELS", str(place / "files"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield ranges


def ended(jobs: ModelJobs) -> Job:
    deadline = time.monotonic() + 30
    while not (jobs.job and jobs.job.ended) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert jobs.job
    return jobs.job


def begun(jobs: ModelJobs) -> None:
    deadline = time.monotonic() + 30
    while not (jobs.job and jobs.job.done) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_pull_that_is_cancelled_goes_on_where_it_was(served: tuple[str, Assistant], settled: list[str]) -> None:
    desk = served[1]
    jobs = ModelJobs(desk)
    jobs.start("pull", "away")
    begun(jobs)
    assert "away is being pulled" in models.act(desk, jobs, "verify", "here")
    assert "away is being pulled" in models.act(desk, jobs, "remove", "away")
    jobs.cancel("here")  # whose job may have ended a moment ago
    assert jobs.job
    assert jobs.job.told != "Stopping"
    jobs.cancel("away")
    assert "What has come is kept" in ended(jobs).told
    jobs.start("pull", "away")
    assert ended(jobs).told == "away is here, and its sha256 is right."
    assert settled[0] == "bytes=0-"
    assert int(settled[1].removeprefix("bytes=").removesuffix("-")) > 0
    assert models.act(desk, jobs, "remove", "away") == "away was removed."


def test_without_a_network_the_remedy_is_told(
    served: tuple[str, Assistant], settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    jobs = ModelJobs(served[1])
    jobs.start("pull", "away")
    job = ended(jobs)
    assert "cannot be had" in job.told
    assert "by hand" in job.remedy
    assert "by hand" in models.drawn(served[1], job)


def test_a_damaged_file_is_found_and_can_be_pulled_again(
    served: tuple[str, Assistant], settled: list[str], place: Path
) -> None:
    jobs, path = ModelJobs(served[1]), models_folder() / "away.gguf"
    path.write_bytes(bytes(len((place / "away.gguf").read_bytes())))
    jobs.start("verify", "away")
    assert "not that of the catalogue" in ended(jobs).told
    assert 'aria-label="Pull again away"' in models.drawn(served[1], jobs.job)
    path.unlink()


def test_a_right_file_is_verified(served: tuple[str, Assistant], settled: list[str]) -> None:
    jobs = ModelJobs(served[1])
    jobs.start("verify", "here")
    assert ended(jobs).told == "here: the sha256 is right."
    assert "verified on" in models.drawn(served[1], jobs.job)


@pytest.mark.parametrize("action", ["use", "pull", "verify", "measure", "remove"])
@pytest.mark.parametrize("name", ["/etc/passwd", "http://127.0.0.1:9", "../index", "r1-7b"])
def test_names_from_outside_are_refused(
    served: tuple[str, Assistant], settled: list[str], action: str, name: str
) -> None:
    jobs = ModelJobs(served[1])
    assert "No model is called" in models.act(served[1], jobs, action, name)
    assert jobs.job is None


def test_what_is_not_here_is_not_used(served: tuple[str, Assistant], settled: list[str]) -> None:
    assert "Pull it first" in models.act(served[1], ModelJobs(served[1]), "use", "away")


def test_what_another_visitor_removes_meanwhile_is_not_used(
    served: tuple[str, Assistant], settled: list[str], place: Path
) -> None:
    jobs, path, told = ModelJobs(served[1]), models_folder() / "here.gguf", list[str]()
    kept, before = path.read_bytes(), served[1].loader.choice
    using = threading.Thread(target=lambda: told.append(models.act(served[1], jobs, "use", "here")))
    with jobs._lock:  # as `remove` holds it
        using.start()
        using.join(0.3)
        path.unlink()
    using.join(20)
    path.write_bytes(kept)
    assert "Pull it first" in told[0]
    assert served[1].loader.choice.name == before.name


def test_how_a_job_ended_is_told_for_a_minute(served: tuple[str, Assistant], settled: list[str]) -> None:
    job = Job("verify", "here", ended=time.monotonic(), told="here: the sha256 is right.")
    assert job.told in models.drawn(served[1], job)
    assert job.told not in models.drawn(served[1], replace(job, ended=job.ended - models.TOLD - 1))
    both = models.drawn(served[1], job, "away is being pulled: one at a time.")
    assert job.told in both
    assert "one at a time" in both


@pytest.mark.parametrize("data", [None, 7, [], {"action": {}, "name": 7}])
def test_a_press_that_was_made_by_hand_does_nothing(
    served: tuple[str, Assistant], settled: list[str], data: object
) -> None:
    events = httpx.get(f"{served[0]}config").json()["dependencies"]
    pressed = next(one for one in events if one["api_name"] == "pressed")
    body = {"data": [""] * len(pressed["inputs"]), "fn_index": pressed["id"], "event_data": data, "session_hash": "x"}
    assert httpx.post(f"{served[0]}gradio_api/run/predict", json=body, timeout=20).status_code == 200


# ------------------------------------------------------------------------------------------------ browser


@pytest.fixture
def tab(browser: Browser, served: tuple[str, Assistant], settled: list[str]) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(served[0])
    page.get_by_role("tab", name="Models").click()
    page.locator(".rag-model").first.wait_for()
    yield page
    page.close()


def test_a_visitor_pulls_a_model_and_sees_how_far_it_is_then_uses_it(
    tab: Page, browser: Browser, served: tuple[str, Assistant]
) -> None:
    other = browser.new_page()
    other.goto(served[0])
    other.get_by_role("tab", name="Models").click()
    tab.get_by_role("button", name="Pull away").press("Enter")
    tab.get_by_role("progressbar", name="away").wait_for()
    other.get_by_role("button", name="Cancel away").wait_for()
    other.close()
    tab.get_by_role("status").get_by_text("away is here, and its sha256 is right.").wait_for()
    tab.get_by_role("button", name="Use away").click()
    tab.get_by_role("article", name="away").get_by_text("In use").wait_for()
    tab.get_by_role("tab", name="Ask").click()
    put(tab, "what does Bernstein say about the $5M?")
    tab.locator(".rag-usage", has_text="away").wait_for()
    assert served[1].settings.model == "away"


def test_a_measured_speed_is_shown_and_a_fold_stays_open(tab: Page) -> None:
    article = tab.get_by_role("article", name="here")
    article.locator("summary").click()
    tab.get_by_role("button", name="Measure here").click()
    article.get_by_text("tokens/s").wait_for()
    assert article.locator("details").get_attribute("open") is not None


def test_a_removal_that_is_not_confirmed_removes_nothing(tab: Page) -> None:
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    tab.once("dialog", refuse)
    tab.get_by_role("button", name="Remove here").click()
    tab.wait_for_timeout(300)
    assert "Delete here" in asked[0]
    assert (models_folder() / "here.gguf").exists()


def test_the_models_fit_on_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    heights = tab.locator(".rag-model button").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert min(heights) >= 44


def test_what_was_told_is_gone_when_the_tab_is_opened_again(tab: Page) -> None:
    told = tab.locator(".rag-said")
    tab.get_by_role("button", name="Use here").click()
    told.get_by_text("It answers from the next question on.").wait_for()
    tab.get_by_role("tab", name="Ask").click()
    tab.get_by_role("tab", name="Models").click()
    told.get_by_text("It answers").wait_for(state="detached")
    assert told.get_attribute("role") == "status"


def test_a_model_of_ones_own_is_shown_as_the_one_in_use() -> None:
    assert "In use" in models.foreign_card("/home/me/own.gguf", Choice("own.gguf", ready=True))
