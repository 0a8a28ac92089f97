"""Chat models: turns in, pieces of text out.

In: turns and the URL of an OpenAI-compatible server. Out: a stream of `Piece`s, thoughts apart from the
answer, the last one with the cost; and what every chat model is (`ChatModel`; `rag.llama` has the one
that runs in this process). It does not know what is asked or whether the answer is true.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

from rag.errors import ModelFailed, PromptTooLong
from rag.records import Turn, Usage

if TYPE_CHECKING:
    import httpx

# A server with a template that opens the thought itself sends a closing tag without an opening one.
_THINKERS = re.compile(r"\br1\b|qwq|think|reason", re.IGNORECASE)
# English in the vocabularies of the time is 4 characters a token, prose full of figures about 3.
_CHARACTERS_PER_TOKEN = 3
# A server reads the whole prompt before its first byte: 4096 tokens of a 7B on a laptop are some minutes.
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 600.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of a thought or of the answer, never half a character.

    The last piece of a finished stream has no text and carries ``usage``. A piece with neither is a sign
    of life: one comes after every slice of the prompt, so that a consumer can stop there.
    """

    text: str
    thought: bool
    usage: Usage | None = None


class PieceStream(Protocol):
    """Pieces to iterate once; a generator of pieces is one."""

    def __iter__(self) -> Iterator[Piece]: ...  # noqa: D105
    def __next__(self) -> Piece: ...  # noqa: D105
    def close(self) -> None:
        """Stop the model; the models of this module allow it from any thread, while a piece is awaited."""


class ChatModel(Protocol):
    """Something that continues a conversation; ``remote`` means that the turns leave this machine."""

    @property
    def name(self) -> str:
        """What to call it in front of the user."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether a thinking budget has any effect."""
        ...

    @property
    def remote(self) -> bool:
        """Whether the turns leave this machine."""
        ...

    def fits(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> bool:
        """Say whether the context has room for the turns, the thought and the answer."""
        ...

    def stream(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> PieceStream:
        """Answer the last turn; iterating raises PromptTooLong and ModelFailed."""
        ...

    def close(self) -> None:
        """Give the memory or the connection back; a running stream is stopped."""
        ...


class Stream:
    """A generator of pieces that may be closed from any thread, also while it is executing."""

    def __init__(self, pieces: Generator[Piece, None, None], interrupt: Callable[[], None]) -> None:
        """Wrap ``pieces``; ``interrupt`` makes whoever awaits one come back at once."""
        self._pieces = pieces
        self._interrupt = interrupt

    def __iter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __next__(self) -> Piece:
        """Wait for the next piece."""
        return next(self._pieces)

    def close(self) -> None:
        """Stop the model; a piece that another thread awaits does not come any more."""
        self._interrupt()
        # "generator already executing": the thread that executes it has just been told to stop.
        with contextlib.suppress(ValueError):
            self._pieces.close()


_TAG = re.compile(r"<(/?)think>")
_TAG_START = re.compile(r"<(?:/?(?:t(?:h(?:i(?:nk?)?)?)?)?)?\Z")


class _Splitter:
    """Tells thought from answer in text that arrives in any pieces; ``thought`` None is not yet known."""

    def __init__(self, thought: bool | None) -> None:
        self._thought = thought
        self._held = ""
        self._unknown = ""

    def feed(self, text: str) -> Iterator[Piece]:
        self._held += text
        while tag := _TAG.search(self._held):
            before, closes = self._held[: tag.start()], bool(tag[1])
            self._held = self._held[tag.end() :]
            # Text before a first closer is a thought that the server's template opened.
            yield from self._emit(before, known=closes)
            self._thought = not closes
        start = _TAG_START.search(self._held)
        cut = start.start() if start else len(self._held)
        text, self._held = self._held[:cut], self._held[cut:]
        if self._thought is None:
            self._unknown += text
        elif text:
            yield Piece(text, self._thought)

    def end(self) -> Iterator[Piece]:
        text, self._held = self._held, ""
        yield from self._emit(text, known=False)

    def _emit(self, text: str, *, known: bool) -> Iterator[Piece]:
        text, self._unknown = self._unknown + text, ""
        if text:
            yield Piece(text, known if self._thought is None else self._thought)


def split_thought(pieces: Iterable[str], *, opened: bool | None) -> Iterator[Piece]:
    """Split ``<think>…</think>`` from the answer, however the text is cut.

    ``opened`` says whether the template has opened the thought: then text without a closer is all thought.
    None means that nobody knows: text is held until the first tag tells, and is an answer if none comes.
    """
    splitter = _Splitter(opened)
    for text in pieces:
        yield from splitter.feed(text)
    yield from splitter.end()


@dataclass(frozen=True, slots=True)
class _Delta:
    """What one event of a server's stream adds; ``usage`` is the server's own count, where it sends one."""

    thought: str = ""
    content: str = ""
    finished: bool = False
    usage: Mapping[str, Any] | None = None


class ServerModel:
    """A model behind ``/v1/chat/completions`` of llama-server, vLLM or their like.

    ``RAG_API_KEY`` is its key. It decides itself whether to think, within thought and answer together.
    """

    def __init__(self, url: str, *, name: str = "", context_tokens: int = 4096, seed: int = 0) -> None:
        """Take a URL with or without ``/v1``; without ``name``, ask the server; raises ModelFailed."""
        import httpx

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ModelFailed(f"{url} is not the URL of a server.", remedy="Write it like http://localhost:8080.")
        self.remote = not _is_loopback(parts.hostname)
        self._url = url.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1") + "/v1"
        key = os.environ.get("RAG_API_KEY", "")
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            # `_Connection` learns of a socket when it is opened, so none is reused.
            limits=httpx.Limits(max_keepalive_connections=0),
            # A proxy of the environment would be handed what was meant for this machine.
            trust_env=self.remote,
        )
        self._context_tokens = context_tokens
        self._seed = seed
        try:
            self.name = name or self._first_model()
        except ModelFailed:
            self._client.close()
            raise
        self.thinks = bool(_THINKERS.search(self.name))

    def fits(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> bool:
        """Estimate whether the context has room: only the server could count."""
        prompt = sum(len(turn.content) for turn in turns) // _CHARACTERS_PER_TOKEN
        return prompt + thinking_tokens + answer_tokens <= self._context_tokens

    def stream(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> Stream:
        """Answer the last turn; iterating raises PromptTooLong and ModelFailed."""
        connection = _Connection()
        body = {
            "model": self.name,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "max_tokens": thinking_tokens + answer_tokens,
            "temperature": 0.6 if thinking_tokens else 0.0,
            "top_p": 0.95,
            "seed": self._seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return Stream(self._pieces(body, connection), connection.interrupt)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _first_model(self) -> str:
        import httpx

        try:
            response = self._client.get(f"{self._url}/models", timeout=_CONNECT_SECONDS)
            self._check(response)
            return str(response.json()["data"][0]["id"])
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except (ValueError, LookupError, TypeError) as error:
            raise ModelFailed(f"{self._url} names no model.", remedy="Pass the model's name.") from error

    def _pieces(self, body: Mapping[str, Any], connection: _Connection) -> Generator[Piece, None, None]:
        import httpx

        started, first = perf_counter(), 0.0
        counts, usage = {True: 0, False: 0}, None
        splitter = _Splitter(None if self.thinks else False)
        try:
            with contextlib.closing(self._deltas(body, connection)) as deltas:
                for delta in deltas:
                    usage = delta.usage or usage
                    if delta.thought:
                        splitter = _Splitter(False)  # the server splits, so what follows is the answer
                    for piece in (*_thought(delta.thought), *splitter.feed(delta.content)):
                        first = first or perf_counter() - started
                        counts[piece.thought] += 1
                        yield piece
        except httpx.HTTPError as error:
            if connection.interrupted:
                return
            raise self._unreachable(error) from error
        if connection.interrupted:
            return
        yield from splitter.end()
        seconds = {"first_token": first, "prose": perf_counter() - started - first}
        yield Piece("", False, _usage(usage or {}, counts[True], counts[False], seconds))

    def _deltas(self, body: Mapping[str, Any], connection: _Connection) -> Generator[_Delta, None, None]:
        """Read the events up to the end that the server declares; raises ModelFailed where it does not."""
        finished = False
        with self._client.stream(
            "POST", f"{self._url}/chat/completions", json=body, extensions={"trace": connection.notice}
        ) as response:
            self._check(response)
            for line in response.iter_lines():
                if not line.startswith("data:"):
                    continue
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    return
                delta = self._delta(data)
                finished = finished or delta.finished
                yield delta
        if not finished and not connection.interrupted:
            raise ModelFailed(f"{self._url} broke off in the middle of an answer.", remedy="See the server's log.")

    def _delta(self, data: str) -> _Delta:
        try:
            event = json.loads(data)
            if error := event.get("error"):
                raise ModelFailed(f"{self._url} failed: {str(error)[:200]}", remedy="See the server's log.")
            choice: dict[str, Any] = next(iter(event.get("choices") or ()), {})
            delta = choice.get("delta") or {}
            thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
            return _Delta(
                str(thought),
                str(delta.get("content") or ""),
                bool(choice.get("finish_reason")),
                event.get("usage"),
            )
        except (ValueError, AttributeError, TypeError) as error:
            raise ModelFailed(
                f"{self._url} sent what is no completion: {data[:200]}",
                remedy="Check that it is an OpenAI-compatible server.",
            ) from error

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        excerpt = next(response.iter_bytes(), b"")[:200].decode("utf-8", "replace")
        if response.status_code == 400 and "context" in excerpt.lower():
            raise PromptTooLong(
                f"The question and its sources do not fit into the context of {self.name}: {excerpt}",
                remedy="Ask for fewer quotes, or start the server with a larger context.",
            )
        raise ModelFailed(
            f"{self._url} answered with status {response.status_code}: {excerpt}",
            remedy="See the server's log; a 401 or 403 wants RAG_API_KEY.",
        )

    def _unreachable(self, error: Exception) -> ModelFailed:
        return ModelFailed(
            f"{self._url} cannot be used: {error or type(error).__name__}.",
            remedy="Check that the server runs and that the URL is right.",
        )


class _Connection:
    """The socket of one request: only shutting it down wakes a thread that waits for the first byte."""

    def __init__(self) -> None:
        self.interrupted = False
        self._socket: socket.socket | None = None

    def notice(self, event: str, info: Mapping[str, Any]) -> None:
        """Take the socket from httpx's trace, plain or wrapped in TLS."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def interrupt(self) -> None:
        self.interrupted = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _thought(text: str) -> tuple[Piece, ...]:
    return (Piece(text, True),) if text else ()


def _usage(sent: Mapping[str, Any], thoughts: int, answers: int, seconds: Mapping[str, float]) -> Usage:
    """Combine the server's count with ours; a server sends a piece a token, and counts both kinds as one."""
    details = sent.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=int(sent.get("prompt_tokens") or 0),
        cached_tokens=int(details.get("cached_tokens") or 0),
        thinking_tokens=thoughts,
        answer_tokens=max(int(sent.get("completion_tokens") or thoughts + answers) - thoughts, 0),
        seconds=seconds,
    )
