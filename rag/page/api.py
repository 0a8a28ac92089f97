"""What programs may call: `ask`, `search`, `compare` and `sync`, through Gradio's API and its MCP server.

In: arguments that anybody may have sent. Out: the objects that ``rag … --json`` prints, with ``file`` for ``path``;
what went wrong, in words. It does not know the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial, wraps
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from rag.errors import RagError, SettingsError
from rag.present import answer_json, comparison_json, label, search_json

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant
    from rag.records import Answer

AT_ONCE = {"ask": 20, "search": 4, "compare": 4, "sync": 1}
"""Calls of each that are answered at once, of the API and of MCP alike; questions wait for the one model."""

BEAT = 0.5
"""Seconds between two drafts of an answer: how soon a caller who has gone is noticed."""

BUG = "This went wrong inside the program; its terminal says where."
FULL = "The desk is full: as many calls as it takes at once are being answered. Try again in a minute."

Given = TypeVar("Given")
Result = dict[str, Any]
Tool = Callable[..., AsyncGenerator[Result, None]]


class Tools:
    """The four; each yields at least one object, of which the last is the result, and raises RagError.

    Closing one stops what it does.
    """

    def __init__(self, assistant: Assistant) -> None:
        """Let ``assistant`` do the work."""
        self._assistant = assistant
        self._threads = ThreadPoolExecutor(2 * sum(AT_ONCE.values()), thread_name_prefix="api")

    async def ask(
        self,
        question: str,
        house: list[str] = [],  # noqa: B006 - the schema that programs are shown is made of it; nobody writes to it
        since: str = "",
        until: str = "",
        voice: str = "",
        kind: str = "",
        quotes_only: bool = False,
    ) -> AsyncGenerator[Result, None]:
        """Answer a question from this desk's mail and notes: sentences whose citations were checked, and the quotes.

        Args:
            question: the question, in English, of at most 2,000 characters
            house: only what these houses say, by name ("Bernstein"); empty means all of them
            since: only notes of this day or later, like 2025-01-27; empty means from the first
            until: only notes of this day or earlier, like 2025-02-20; empty means up to the last
            voice: "own" for what authors say, "quoted" for what they pass on of others; empty means both
            kind: "email" or "note"; empty means both
            quotes_only: true for the quotes alone, which takes no model and no time

        Returns:
            question, searched, answer (with citations like [1]), refused, sentences, quotes, model, usage
        """
        limits = _limits(house, since, until, voice, kind)
        reply = await self._aside(partial(self._assistant.ask, question, quotes_only=quotes_only, **limits))
        draft: list[str] = []

        def write() -> Answer:
            for piece in reply.stream():
                draft.append("" if piece.thought else piece.text)
            return reply.answer

        try:
            writing = self._aside(write)
            while not writing.done():
                await asyncio.wait([writing], timeout=BEAT)
                yield {"question": question, "before": reply.before, "draft": "".join(draft)}
            yield answer_json(await writing)
        finally:
            reply.close()

    async def search(
        self,
        query: str,
        k: int = 10,
        house: list[str] = [],  # noqa: B006
        since: str = "",
        until: str = "",
        voice: str = "",
        kind: str = "",
    ) -> AsyncGenerator[Result, None]:
        """Find the passages of this desk's mail and notes that match best, with who said each, when and where.

        Args:
            query: what to look for, of at most 2,000 characters
            k: how many passages, from 1 to 100
            house: only what these houses say, by name ("Bernstein"); empty means all of them
            since: only notes of this day or later, like 2025-01-27; empty means from the first
            until: only notes of this day or earlier, like 2025-02-20; empty means up to the last
            voice: "own" for what authors say, "quoted" for what they pass on of others; empty means both
            kind: "email" or "note"; empty means both

        Returns:
            query, hits (text, house, person, role, date, title, file, document, score)
        """
        limits = _limits(house, since, until, voice, kind)
        yield search_json(query, await self._aside(partial(self._assistant.search, query, k, **limits)))

    async def compare(
        self,
        claim: str,
        house: list[str] = [],  # noqa: B006
        since: str = "",
        until: str = "",
        voice: str = "",
        kind: str = "",
    ) -> AsyncGenerator[Result, None]:
        """Set the houses side by side on one claim: the best lines of each, and if they agree, where a rule can tell.

        Args:
            claim: what houses may agree or disagree with, of at most 2,000 characters
            house: only these houses, by name ("Bernstein"); empty means all of them
            since: only notes of this day or later, like 2025-01-27; empty means from the first
            until: only notes of this day or earlier, like 2025-02-20; empty means up to the last
            voice: "own" for what authors say, "quoted" for what they pass on of others; empty means both
            kind: "email" or "note"; empty means both

        Returns:
            claim, rows (a quote, its house and its stance), silent (the houses that say nothing near it)
        """
        limits = _limits(house, since, until, voice, kind)
        yield comparison_json(await self._aside(partial(self._assistant.compare, claim, **limits)))

    async def sync(self) -> AsyncGenerator[Result, None]:
        """Make the index equal the folder of mail and notes; say what arrived, failed or was a duplicate.

        Returns:
            added, changed, removed, duplicates, failed, documents, arrived
        """
        stop = Event()
        try:
            report = asdict(await self._aside(partial(self._assistant.sync, stop=stop)))
            yield json.loads(json.dumps(report, default=str))
        finally:
            stop.set()

    def _aside(self, work: Callable[[], Given]) -> asyncio.Future[Given]:
        """Do it in a thread: the loop serves everybody else meanwhile."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work)


def expose(assistant: Assistant) -> None:
    """Let programs call the four through Gradio's API; nothing is drawn."""
    from gradio.events import api

    tools = Tools(assistant)
    for tool in (tools.ask, tools.search, tools.compare, tools.sync):
        name = tool.__name__
        api(_in_words(tool), api_name=name, concurrency_limit=AT_ONCE[name], concurrency_id=f"api-{name}")


def take_over(page: gr.Blocks) -> None:
    """Answer what is called over MCP here, instead of in Gradio's own handler; ``page`` has been launched.

    That one calls the page back over HTTP, without the caller's login; it does not notice that a caller has gone; and
    its results are Python's repr of a dictionary, which no program can read.
    """
    import gradio as gr

    assert page.mcp_server_obj is not None, page.mcp_error
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # Its warnings quote what was sent to it.
    public = {one.api_name: one.fn for one in page.fns.values() if one.fn and one.api_name in AT_ONCE}
    free = dict(AT_ONCE)

    @page.mcp_server_obj.mcp_server.call_tool()  # type: ignore[untyped-decorator]
    async def call(name: str, arguments: dict[str, Any]) -> Result:
        if name not in public:
            raise LookupError(f"There is no tool of the name {label(name)}; there are {', '.join(AT_ONCE)}.")
        if not free[name]:
            raise LookupError(FULL)
        free[name] -= 1
        try:
            return await _last(public[name](**arguments))
        except gr.Error as error:
            raise LookupError(error.message) from None
        finally:
            free[name] += 1


async def _last(results: AsyncGenerator[Result, None]) -> Result:
    last: Result = {}
    async with contextlib.aclosing(results):
        async for result in results:
            last = result
    return last


def _in_words(tool: Tool) -> Tool:
    """``tool`` as a stranger may call it: arguments checked, failures as words that a client shows."""
    import gradio as gr

    @wraps(tool)
    async def told(*given: object, **named: object) -> AsyncGenerator[Result, None]:
        try:
            async with contextlib.aclosing(tool(**_checked(tool, given, named))) as results:
                async for result in results:
                    yield _named(result)
        except RagError as error:
            raise gr.Error(f"{error} {error.remedy}".strip(), print_exception=False) from None
        except Exception as error:
            # Its message may hold words of a mail or of the question, which no log is to have.
            where = "".join(traceback.format_tb(error.__traceback__))
            logging.getLogger(__name__).error("%s\n%s", type(error).__name__, where)
            raise gr.Error(BUG, print_exception=False) from None

    told.__annotations__ = {**tool.__annotations__, "return": Result}  # what Gradio shows of an iterator is "Any"
    return told


def _named(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """``value`` with each ``path`` called ``file``: Gradio's client takes an object with a path for one to download."""
    if isinstance(value, Mapping):
        return {"file" if name == "path" else name: _named(one) for name, one in value.items()}
    return [_named(one) for one in value] if isinstance(value, list | tuple) else value


def _checked(tool: Tool, given: tuple[object, ...], named: Mapping[str, object]) -> dict[str, Any]:
    """The arguments by name; those that are None are left out. Raises SettingsError for what the schema forbids."""
    signature = inspect.signature(tool)
    try:
        bound = signature.bind(*given, **named).arguments
        bound = {name: value for name, value in bound.items() if value is not None}
        signature.bind(**bound)
    except TypeError as error:
        raise SettingsError(label(f"{tool.__name__}: {error}.")) from error
    for name, value in bound.items():
        wanted, fits = _SHAPES[signature.parameters[name].annotation]
        if not fits(value):
            raise SettingsError(f"{name} must be {wanted}.")
    return bound


_SHAPES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "str": ("a text", lambda value: isinstance(value, str)),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a number from 1 to 100", lambda value: type(value) is int and 1 <= value <= 100),
    "list[str]": (
        "a list of at most 100 names",
        lambda value: isinstance(value, list) and len(value) <= 100 and all(isinstance(one, str) for one in value),
    ),
}


def _limits(house: list[str], *others: str) -> dict[str, Any]:
    return {"house": house, **dict(zip(("since", "until", "voice", "kind"), others, strict=True))}
