"""The four for programs, called by a real client of Gradio's API and one of MCP."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest

import app
from rag import Assistant, Settings
from rag.page.api import AT_ONCE, BUG
from tests.fakes import ScriptedModel, WordEmbedder
from tests.pages import CLOSED_WITHIN, Served, free_port

if TYPE_CHECKING:
    from gradio_client import Client
    from mcp import ClientSession, types

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

QUESTION = "what did Bernstein say about the $5M?"
ANSWER = "Bernstein calls the $5M claim wrong [1]."
FILTERS = {"house", "since", "until", "voice", "kind"}
PARAMETERS = {
    "ask": {"question", "quotes_only", *FILTERS},
    "search": {"query", "k", *FILTERS},
    "compare": {"claim", *FILTERS},
    "sync": set[str](),
}
Given = TypeVar("Given")


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return connected(served.url)


def connected(url: str) -> Client:
    from gradio_client import Client

    return Client(url, verbose=False, analytics_enabled=False)


def over_mcp(url: str, use: Callable[[ClientSession], Awaitable[Given]]) -> Given:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def session() -> Given:
        async with (
            streamablehttp_client(f"{url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as opened,
        ):
            await opened.initialize()
            return await use(opened)

    return asyncio.run(session())


def called(url: str, tool: str, **arguments: object) -> types.CallToolResult:
    return over_mcp(url, lambda session: session.call_tool(tool, arguments))


def words(result: types.CallToolResult) -> str:
    return "".join(getattr(one, "text", "") for one in result.content)


@dataclass(frozen=True)
class Busy:
    url: str
    model: ScriptedModel

    def stopped(self) -> bool:
        """Whether the model was let go of soon."""
        return self.model.stopped.wait(CLOSED_WITHIN)

    def writing(self) -> None:
        deadline = time.monotonic() + 20
        while not self.model.asked and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.model.asked


@pytest.fixture
def busy(swept: None, settings: Settings) -> Iterator[Busy]:
    """A page whose model writes for a minute."""
    model = ScriptedModel("word " * 600, pause=0.1)
    with Assistant.open(settings, embedder=WordEmbedder(), model=model, own=True) as assistant:
        assistant.sync()
        with app.listening(assistant, port=free_port()) as url:
            yield Busy(url, model)


# Gradio's API


def test_the_four_and_nothing_else_are_in_the_api(served: Served) -> None:
    named = httpx.get(f"{served.url}gradio_api/info").json()["named_endpoints"]
    shown = {name[1:]: {one["parameter_name"] for one in facts["parameters"]} for name, facts in named.items()}
    assert shown == PARAMETERS
    assert all(facts["description"] for facts in named.values())


def test_a_client_asks_and_gets_the_checked_answer(client: Client) -> None:
    found = client.predict(QUESTION, api_name="/ask")
    assert found["answer"] == ANSWER
    assert found["quotes"][0]["file"] == "bernstein.eml"


def test_a_client_sees_the_draft_before_the_answer(client: Client) -> None:
    job = client.submit(QUESTION, api_name="/ask")
    job.result()
    assert set(job.outputs()[0]) == {"question", "before", "draft"}


def test_a_client_may_want_quotes_alone(client: Client) -> None:
    found = client.predict(QUESTION, quotes_only=True, api_name="/ask")
    assert (found["answer"], found["model"]) == ("", None)
    assert found["quotes"]


def test_a_client_searches_with_filters(client: Client) -> None:
    everywhere = client.predict("advanced chips", api_name="/search")
    within = client.predict("advanced chips", k=1, house=["Citi"], since="2025-01-28", api_name="/search")
    assert len(everywhere["hits"]) > 1
    assert [hit["house"] for hit in within["hits"]] == ["Citi"]


def test_a_client_compares(client: Client) -> None:
    found = client.predict("the $5M claim is wrong", api_name="/compare")
    assert "Bernstein" in [row["house"] for row in found["rows"]]


def test_a_client_brings_the_index_up_to_date(client: Client, served: Served) -> None:
    note = served.corpus / "new.md"
    note.write_text("---\ntitle: New\ndate: 2025-01-31\nauthor: Ann Reader\n---\n\nNothing new.\n")
    assert client.predict(api_name="/sync")["added"] == ["new.md"]
    note.unlink()
    assert client.predict(api_name="/sync")["removed"] == ["new.md"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"k": 0}, "k must be a number from 1 to 100"),
        ({"k": True}, "k must be a number from 1 to 100"),
        ({"house": "Citi"}, "house must be a list"),
        ({"house": [{}]}, "house must be a list"),
        ({"house": ["x"] * 101}, "at most 100"),
        ({"query": {"path": "/etc/passwd"}}, "query must be a text"),
        ({"query": None}, "query"),
        ({"query": " "}, "The question is empty"),
        ({"query": "x" * 1_000_000}, "more than 2,000 characters"),
        ({"since": "soon"}, "Write it as 2025-01-27"),
        ({"voice": "loud"}, "voice"),
        ({"kind": "poem"}, "kind"),
    ],
)
def test_what_cannot_be_used_is_told_in_words(client: Client, arguments: dict[str, object], told: str) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=told):
        client.predict(**{"query": "chips", **arguments}, api_name="/search")


def test_a_client_that_cancels_stops_the_model(busy: Busy) -> None:
    job = connected(busy.url).submit(QUESTION, api_name="/ask")
    busy.writing()
    job.cancel()
    assert busy.stopped()


def test_a_stream_that_is_left_stops_the_model_and_the_queue_goes_on(busy: Busy) -> None:
    def begin() -> str:
        call = httpx.post(f"{busy.url}gradio_api/call/v2/ask", json={"question": QUESTION}, timeout=20).json()
        return f"{busy.url}gradio_api/call/ask/{call['event_id']}"

    with httpx.stream("GET", begin(), timeout=20) as answer:
        next(line for line in answer.iter_lines() if "draft" in line)
        busy.writing()
    assert busy.stopped()
    with httpx.stream("GET", begin(), timeout=20) as answer:
        assert next(line for line in answer.iter_lines() if "draft" in line)


# MCP


def test_mcp_lists_the_four_with_every_parameter_explained(served: Served) -> None:
    tools = over_mcp(served.url, lambda session: session.list_tools()).tools
    assert {tool.name: set(tool.inputSchema["properties"]) for tool in tools} == PARAMETERS
    assert all(tool.description for tool in tools)
    assert all(one["description"] for tool in tools for one in tool.inputSchema["properties"].values())


@pytest.mark.parametrize(
    ("tool", "arguments", "key"),
    [
        ("ask", {"question": QUESTION}, "answer"),
        ("search", {"query": "chips"}, "hits"),
        ("compare", {"claim": "the $5M claim is wrong"}, "rows"),
        ("sync", {}, "unchanged"),
    ],
)
def test_mcp_answers_in_json(served: Served, tool: str, arguments: dict[str, Any], key: str) -> None:
    result = called(served.url, tool, **arguments)
    assert not result.isError
    assert result.structuredContent is not None
    assert result.structuredContent[key]
    assert json.loads(words(result)) == result.structuredContent


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("search", {"query": "chips", "k": 0}, "k must be a number"),
        ("search", {"query": "chips", "k": "many"}, "integer"),
        ("search", {"query": "chips", "since": "soon"}, "Write it as 2025-01-27"),
        ("search", {"query": "chips", "index": "/etc"}, "unexpected"),
        ("search", {}, "query"),
        ("remove", {}, "There is no tool"),
    ],
)
def test_mcp_tells_what_is_wrong_in_words(served: Served, tool: str, arguments: dict[str, Any], told: str) -> None:
    result = called(served.url, tool, **arguments)
    assert result.isError
    assert told in words(result)


def test_an_mcp_client_that_leaves_stops_the_model(busy: Busy) -> None:
    async def leave(session: ClientSession) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(session.call_tool("ask", {"question": QUESTION}), 2)

    over_mcp(busy.url, leave)
    assert busy.stopped()


def test_more_calls_over_mcp_than_the_desk_takes_are_told_so(swept: None, settings: Settings) -> None:
    held = threading.Event()

    class Held(WordEmbedder):
        def embed(self, texts: Any) -> Any:  # noqa: ANN401 - as in the fake
            held.wait(30)
            return super().embed(texts)

    async def crowd(session: ClientSession) -> list[types.CallToolResult]:
        calls = [asyncio.create_task(session.call_tool("search", {"query": "chips"})) for _ in range(count)]
        first = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert len(first[0]) >= 1
        held.set()
        return await asyncio.gather(*calls)

    count = AT_ONCE["search"] + 3
    held.set()
    with Assistant.open(settings, embedder=Held(), model=ScriptedModel(), own=True) as assistant:
        assistant.sync()
        held.clear()
        with app.listening(assistant, port=free_port()) as url:
            results = over_mcp(url, crowd)
    refused = [words(result) for result in results if result.isError]
    assert len(refused) == 3
    assert all("The desk is full" in one for one in refused)


# What a bug lets out

CANARY = "Zugvogel"


def test_a_bug_is_told_without_its_text_and_no_log_or_file_has_words_of_mail_or_question(
    swept: None, settings: Settings, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from gradio_client.exceptions import AppError

    (settings.corpus / "canary.md").write_text(f"---\ndate: 2025-01-31\nauthor: Ann\n---\n\nThe {CANARY} flies.\n")
    model = ScriptedModel(error=ZeroDivisionError(f"cannot read {CANARY}"))
    with Assistant.open(settings, embedder=WordEmbedder(), model=model, own=True) as assistant:
        assistant.sync()
        with app.listening(assistant, port=free_port()) as url:
            with pytest.raises(AppError, match=BUG):
                connected(url).predict(f"where does the {CANARY} fly?", api_name="/ask")
            told = words(called(url, "ask", question=f"where does the {CANARY} fly?"))
            words(called(url, CANARY))
    out, err = capfd.readouterr()
    assert told == BUG
    assert "ZeroDivisionError" in err + caplog.text
    assert CANARY not in out + err + caplog.text
    kept = [file for file in Path(tempfile.gettempdir(), "gradio").rglob("*") if file.is_file()]
    assert not [file for file in kept if CANARY.encode() in file.read_bytes()]
