"""A chat model behind an OpenAI-compatible server.

In: turns and the server's URL. Out: a stream of `rag.llm.Piece`s. It does not know what is asked.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rag.errors import ModelFailed, PromptTooLong
from rag.llm import Piece, Stream
from rag.records import Turn, Usage

if TYPE_CHECKING:
    import httpx

# A server with a template that opens the thought itself sends a closing tag without an opening one.
_THINKERS = re.compile(r"\br1\b|qwq|think|reason", re.IGNORECASE)
# English in the vocabularies of the time is 4 characters a token, prose full of figures about 3.
_CHARACTERS_PER_TOKEN = 3
# A server reads the whole prompt before its first byte: 4096 tokens of a 7B on a laptop are some minutes.
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 600.0
# A server thinks as long as its model likes: with 256 tokens for both, R1 had none left for the answer.
_SERVER_THOUGHT_TOKENS = 1024

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

    def end(self, *, thought: bool = False) -> Iterator[Piece]:
        text, self._held = self._held, ""
        yield from self._emit(text, known=thought)
        self._thought = False

    def _emit(self, text: str, *, known: bool) -> Iterator[Piece]:
        text, self._unknown = self._unknown + text, ""
        if text:
            yield Piece(text, known if self._thought is None else self._thought)


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event of a server's stream adds; its ``usage`` counts thought and answer as one.

    ``cut`` says that the tokens were used up.
    """

    content: str = ""
    thought: str = ""
    finished: bool = False
    usage: Usage | None = None
    cut: bool = False


def split_thought(deltas: Iterable[Delta], *, opened: bool | None) -> Iterator[Piece]:
    """Tell thought from answer: by the server's own split, and by ``<think>…</think>``, however it is cut.

    What is cut off before any tag is a thought: an answer would have been shorter than the room for both.

    ``opened`` says whether the template has opened the thought: then text without a closer is all thought.
    None means that nobody knows: text is held until the first tag tells, and is an answer if none comes.
    """
    splitter = _Splitter(opened)
    cut = False
    for delta in deltas:
        cut = cut or delta.cut
        if delta.thought:
            yield from splitter.end()  # the server splits, so what follows is the answer
            yield Piece(delta.thought, True)
        yield from splitter.feed(delta.content)
    yield from splitter.end(thought=cut)


def server_host(url: str) -> str:
    """The host of an http or https URL; raises ModelFailed for what is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:
        host = None
    if not host:
        raise ModelFailed(f"{url} is not the URL of a server.", remedy="Write it like http://localhost:8080.")
    return host


def without_secrets(model: str) -> str:
    """A model's name or path as it is; a URL without user, password and query, for whoever reads of it elsewhere."""
    if "://" not in model:
        return model
    try:
        parts = urlsplit(model)
    except ValueError:
        return "a server"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


class ServerModel:
    """A model behind ``/v1/chat/completions`` of llama-server, vLLM or their like.

    ``RAG_API_KEY`` is its key. It decides itself whether to think, within thought and answer together.
    """

    def __init__(self, url: str, *, name: str = "", context_tokens: int = 4096, seed: int = 0) -> None:
        """Take a URL with or without ``/v1``; without ``name``, ask the server; raises ModelFailed."""
        self.remote = not _is_loopback(server_host(url))
        self._url = url.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1") + "/v1"
        self._shown = without_secrets(self._url)
        self._client = self._open()
        self._lock = threading.Lock()
        self._connections: set[_Connection] = set()
        self._closed = False
        self._context_tokens = context_tokens
        self._seed = seed
        self.name = name or self._first_model()
        self.thinks = bool(_THINKERS.search(self.name))

    def fits(self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int) -> bool:
        """Estimate whether the context has room: only the server could count."""
        prompt = sum(len(turn.content) for turn in turns) // _CHARACTERS_PER_TOKEN
        return prompt + self._thought_tokens(thinking_tokens) + answer_tokens <= self._context_tokens

    def stream(
        self, turns: Sequence[Turn], *, thinking_tokens: int, answer_tokens: int, temperature: float = 0.0
    ) -> Stream:
        """Answer the last turn; iterating raises PromptTooLong and ModelFailed."""
        connection = _Connection()
        thinking_tokens = self._thought_tokens(thinking_tokens)
        body = {
            "model": self.name,
            "messages": [{"role": turn.role, "content": _encodable(turn.content)} for turn in turns],
            "max_tokens": thinking_tokens + answer_tokens,
            "temperature": 0.6 if thinking_tokens else temperature,
            "top_p": 0.95,
            "seed": self._seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return Stream(self._pieces(body, connection), connection.interrupt)

    def close(self) -> None:
        """Stop what is running and close the connections; may be called twice."""
        with self._lock:
            self._closed = True
            for connection in tuple(self._connections):
                connection.interrupt()
        self._client.close()

    def _thought_tokens(self, wanted: int) -> int:
        """Room for a thought, which no request can forbid a server's model."""
        return max(wanted, _SERVER_THOUGHT_TOKENS) if self.thinks else wanted

    def _open(self) -> httpx.Client:
        import httpx

        key = os.environ.get("RAG_API_KEY", "").strip()
        if not key.isprintable():
            raise ModelFailed("RAG_API_KEY holds what no key does.", remedy="Write the key alone, without line breaks.")
        try:
            httpx.URL(self._url)
            return httpx.Client(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
                # `_Connection` learns of a socket when it is opened, so none is reused.
                limits=httpx.Limits(max_keepalive_connections=0),
                # A proxy of the environment would be handed what was meant for this machine.
                trust_env=self.remote,
            )
        except (httpx.InvalidURL, ImportError, ValueError, OSError) as error:
            raise ModelFailed(
                f"{self._shown} cannot be asked ({type(error).__name__}): {str(error)[:200]}.",
                remedy="Mend the URL, RAG_API_KEY (ASCII only) or the proxy of the environment (http only).",
            ) from error

    def _first_model(self) -> str:
        import httpx

        try:
            response = self._client.get(f"{self._url}/models", timeout=_CONNECT_SECONDS)
            self._check(response)
            return str(response.json()["data"][0]["id"])
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ModelFailed(f"{self._shown} names no model.", remedy="Pass the model's name.") from error

    def _pieces(self, body: Mapping[str, Any], connection: _Connection) -> Generator[Piece, None, None]:
        import httpx

        started, first = perf_counter(), 0.0
        counts = {True: 0, False: 0}
        with self._lock:
            if self._closed:
                raise ModelFailed(f"{self.name} has been closed.", remedy="Open it again.")
            self._connections.add(connection)
        try:
            with contextlib.closing(self._deltas(body, connection)) as deltas:
                for piece in split_thought(deltas, opened=None if self.thinks else False):
                    first = first or perf_counter() - started
                    counts[piece.thought] += 1
                    yield piece
        except (httpx.HTTPError, RuntimeError, ValueError) as error:
            if connection.interrupted:
                return
            if isinstance(error, httpx.HTTPError):
                raise self._unreachable(error) from error
            raise
        finally:
            self._connections.discard(connection)
        if connection.interrupted:
            return
        sent, thoughts = connection.usage, counts[True]
        answers = max(sent.answer_tokens - thoughts, 0) if sent.answer_tokens else counts[False]
        seconds = {"first_token": first, "prose": perf_counter() - started - first}
        used = replace(sent, thinking_tokens=thoughts, answer_tokens=answers, seconds=seconds)
        yield Piece("", False, used, "budget" if connection.cut else "done")

    def _deltas(self, body: Mapping[str, Any], connection: _Connection) -> Generator[Delta, None, None]:
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
                connection.usage = delta.usage or connection.usage
                connection.cut = connection.cut or delta.cut
                yield delta
        if not finished and not connection.interrupted:
            raise ModelFailed(f"{self._shown} broke off in the middle of an answer.", remedy="See the server's log.")

    def _delta(self, data: str) -> Delta:
        try:
            event = json.loads(data)
            if error := event.get("error"):
                raise ModelFailed(f"{self._shown} failed: {str(error)[:200]}", remedy="See the server's log.")
            choice: dict[str, Any] = next(iter(event.get("choices") or ()), {})
            delta = choice.get("delta") or {}
            thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
            return Delta(
                content=_encodable(str(delta.get("content") or "")),
                thought=_encodable(str(thought)),
                finished=bool(choice.get("finish_reason")),
                usage=_usage(event.get("usage")),
                cut=choice.get("finish_reason") == "length",
            )
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
            raise ModelFailed(
                f"{self._shown} sent what is no completion: {data[:200]}",
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
            f"{self._shown} answered with status {response.status_code}: {excerpt}",
            remedy="See the server's log; a 401 or 403 wants RAG_API_KEY.",
        )

    def _unreachable(self, error: Exception) -> ModelFailed:
        return ModelFailed(
            f"{self._shown} cannot be used: {error or type(error).__name__}.",
            remedy="Check that the server runs and that the URL is right.",
        )


class _Connection:
    """One request: its socket (only shutting it down wakes who waits for the first byte) and its cost."""

    def __init__(self) -> None:
        self.interrupted = self.cut = False
        self.usage = Usage()
        self._socket: socket.socket | None = None

    def notice(self, event: str, info: Mapping[str, Any]) -> None:
        """Take the socket from httpx's trace, plain or wrapped in TLS."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.interrupted:
                self.interrupt()

    def interrupt(self) -> None:
        """Wake who waits; first the mark, then the socket: `notice`, in another thread, goes the other way."""
        self.interrupted = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # untrusted text may hold lone surrogates


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _usage(sent: Mapping[str, Any] | None) -> Usage | None:
    if not sent:
        return None
    details = sent.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=int(sent.get("prompt_tokens") or 0),
        cached_tokens=int(details.get("cached_tokens") or 0),
        answer_tokens=int(sent.get("completion_tokens") or 0),
    )
