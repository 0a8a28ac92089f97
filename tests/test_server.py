from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ModelFailed, PromptTooLong
from rag.llm import Piece
from rag.records import Turn
from rag.server import Delta, ServerModel, split_thought

HELLO = (Turn("user", "Hello"),)
DONE = b"data: [DONE]\n\n"


def joined(pieces: Sequence[Piece]) -> tuple[str, str]:
    """Thought and answer."""
    return tuple("".join(piece.text for piece in pieces if piece.thought == want) for want in (True, False))  # type: ignore[return-value]


def split(*texts: str, opened: bool | None = False) -> tuple[str, str]:
    return joined(list(split_thought([Delta(text) for text in texts], opened=opened)))


def test_a_tagged_thought_is_split_from_the_answer() -> None:
    assert split("<think>hm</think>yes") == ("hm", "yes")


def test_tags_may_be_cut_anywhere() -> None:
    assert split("<th", "ink>h", "m<", "/thi", "nk", ">yes") == ("hm", "yes")


def test_a_thought_opened_by_the_template_needs_no_opener() -> None:
    assert split("hm</think>yes", opened=True) == ("hm", "yes")


def test_a_thought_that_is_never_closed_leaves_no_answer() -> None:
    assert split("hm and hm", opened=True) == ("hm and hm", "")


def test_what_came_before_a_stray_closer_is_thought() -> None:
    assert split("hm", " hm</think>yes", opened=None) == ("hm hm", "yes")


def test_text_without_tags_is_the_answer_where_nobody_knows() -> None:
    assert split("yes ", "<b>", opened=None) == ("", "yes <b>")


def test_an_answer_is_not_held_back_where_no_thought_can_come() -> None:
    pieces = split_thought(iter([Delta("yes"), Delta(" and no")]), opened=False)
    assert next(iter(pieces)) == Piece("yes", False)


def test_what_was_held_when_the_server_turns_out_to_split_is_not_lost() -> None:
    deltas = [Delta("so <"), Delta(thought="hm"), Delta("yes")]
    assert joined(list(split_thought(deltas, opened=None))) == ("hm", "so <yes")


TEXTS = st.lists(st.sampled_from(["<think>", "</think>", "<thin", "</", "<", ">", "a", " ", "é"])).map("".join)


@given(TEXTS, st.lists(st.integers(0, 60)), st.sampled_from([True, False, None]))
def test_any_cutting_gives_the_same_thought_and_answer(text: str, cuts: list[int], opened: bool | None) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in pairwise(edges)]
    assert split(*parts, opened=opened) == split(text, opened=opened)


@given(TEXTS, st.sampled_from([True, False, None]))
def test_no_tag_is_shown_and_nothing_else_is_lost(text: str, opened: bool | None) -> None:
    shown = "".join(piece.text for piece in split_thought([Delta(text)], opened=opened))
    assert shown == text.replace("</think>", "").replace("<think>", "")


Write = Callable[[bytes], object]


class Script:
    """What a server is to answer, and what it was asked."""

    def __init__(self, answer: Callable[[Write], object], status: int = 200) -> None:
        self.answer = answer
        self.status = status
        self.body: dict[str, Any] = {}
        self.key: str | None = None
        self.models = b'{"data": [{"id": "some-model"}]}'


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


@contextlib.contextmanager
def serving(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._begin(200)
            self.wfile.write(script.models)

        def do_POST(self) -> None:
            script.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.key = self.headers["Authorization"]
            self._begin(script.status)
            with contextlib.suppress(OSError):
                script.answer(self.wfile.write)

        def _begin(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def lines(*parts: bytes) -> Script:
    return Script(lambda write: [write(part) for part in parts])


@contextlib.contextmanager
def served(script: Script, *, name: str = "plain") -> Iterator[ServerModel]:
    with serving(script) as url, contextlib.closing(ServerModel(url, name=name)) as model:
        yield model


def ask(script: Script, *, name: str = "plain") -> list[Piece]:
    with served(script, name=name) as model:
        return list(model.stream(HELLO, thinking_tokens=10, answer_tokens=20))


def test_reasoning_content_is_the_thought() -> None:
    pieces = ask(lines(event(reasoning_content="hm"), event(content="yes"), DONE))
    assert joined(pieces) == ("hm", "yes")


def test_think_tags_in_the_content_are_split() -> None:
    pieces = ask(lines(event(content="<think>h"), event(content="m</thi"), event(content="nk>yes"), DONE))
    assert joined(pieces) == ("hm", "yes")


def test_a_thinking_model_whose_template_opens_the_thought_is_split() -> None:
    pieces = ask(lines(event(content="hm"), event(content="</think>yes"), DONE), name="deepseek-r1")
    assert joined(pieces) == ("hm", "yes")


def test_the_answer_streams_after_a_thought_that_the_server_split() -> None:
    with served(
        lines(event(reasoning_content="hm"), event(content="yes"), event(content="!"), DONE), name="r1"
    ) as model:
        pieces = list(model.stream(HELLO, thinking_tokens=10, answer_tokens=20))
    assert [piece.text for piece in pieces] == ["hm", "yes", "!", ""]


def test_the_servers_count_is_the_usage() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
    count = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    last = ask(lines(event(reasoning_content="hm"), event(content="yes"), count, DONE))[-1].usage
    assert last is not None
    assert (last.prompt_tokens, last.cached_tokens, last.thinking_tokens, last.answer_tokens) == (9, 5, 1, 3)


def test_without_a_count_pieces_are_counted() -> None:
    last = ask(lines(event(content="yes"), event(content=" no"), DONE))[-1].usage
    assert last is not None
    assert (last.prompt_tokens, last.answer_tokens) == (0, 2)


def test_thought_and_answer_share_the_servers_budget() -> None:
    script = lines(event(content="yes"), DONE)
    ask(script)
    assert (script.body["max_tokens"], script.body["messages"]) == (30, [{"role": "user", "content": "Hello"}])


def test_a_model_that_thinks_unasked_gets_room_for_it() -> None:
    script = lines(event(content="yes"), DONE)
    with served(script, name="deepseek-r1") as model:
        list(model.stream(HELLO, thinking_tokens=0, answer_tokens=20))
        fits = model.fits(HELLO, thinking_tokens=0, answer_tokens=4096 - 1024)
    assert (script.body["max_tokens"], script.body["temperature"], fits) == (1044, 0.6, False)


def test_a_model_that_does_not_think_is_asked_for_its_likeliest_words() -> None:
    script = lines(event(content="yes"), DONE)
    with served(script) as model:
        list(model.stream(HELLO, thinking_tokens=0, answer_tokens=20))
    assert (script.body["max_tokens"], script.body["temperature"]) == (20, 0.0)


def test_a_lone_surrogate_is_neither_sent_nor_passed_on() -> None:
    script = lines(event(content="a\ud800"), DONE)
    with served(script) as model:
        pieces = list(model.stream([Turn("user", "b\ud800")], thinking_tokens=0, answer_tokens=5))
    assert (script.body["messages"][0]["content"], joined(pieces)[1]) == ("b?", "a?")


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_API_KEY", "abc")
    script = lines(event(content="yes"), DONE)
    ask(script)
    assert script.key == "Bearer abc"


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert joined(ask(lines(event(content="yes"), DONE))) == ("", "yes")


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/chat/completions"])
def test_the_url_may_be_given_in_any_of_its_forms(suffix: str) -> None:
    with serving(lines(event(content="yes"), DONE)) as url, contextlib.closing(ServerModel(url + suffix)) as model:
        pieces = list(model.stream(HELLO, thinking_tokens=0, answer_tokens=5))
    assert (model.name, joined(pieces)) == ("some-model", ("", "yes"))


def test_an_error_status_is_told_with_what_the_server_said() -> None:
    with pytest.raises(ModelFailed, match=r"500.*out of memory"):
        ask(Script(lambda write: write(b"out of memory"), status=500))


def test_a_server_whose_context_is_too_small_says_so() -> None:
    body = b'{"error": {"message": "the request exceeds the available context size"}}'
    with pytest.raises(PromptTooLong):
        ask(Script(lambda write: write(body), status=400))


def test_an_error_within_the_stream_is_told() -> None:
    with pytest.raises(ModelFailed, match="slot lost"):
        ask(lines(event(content="y"), b'data: {"error": {"message": "slot lost"}}\n\n'))


def test_a_connection_that_is_cut_is_no_finished_answer() -> None:
    with pytest.raises(ModelFailed, match="broke off"):
        ask(lines(event(content="y")))


def usage(sent: object) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": sent}).encode() + b"\n\n"


@pytest.mark.parametrize(
    "data",
    [
        *(b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": 1}\n\n', b"data: " + b"[" * 100_000 + b"\n\n"),
        *(usage([1]), usage("x"), usage(7), usage({"prompt_tokens": "abc"}), usage({"prompt_tokens_details": [1]})),
        usage({"completion_tokens": float("inf")}),
    ],
    ids=range(10),
)
def test_what_is_no_completion_is_told(data: bytes) -> None:
    with pytest.raises(ModelFailed, match="no completion"):
        ask(lines(data))


def test_a_server_that_is_not_there_is_told_when_it_is_opened() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelFailed, match=str(port)):
        ServerModel(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://localhost", "http://", "http://[bad", "http://127.0.0.1:abc", "http://h:99999"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ModelFailed, match="URL"):
        ServerModel(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/\x01", "http://exa mple\x7f", "http://user:p@h\u2100"])
def test_a_url_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ModelFailed):
        ServerModel(url, name="m")


@pytest.mark.parametrize(
    ("variable", "value"), [("RAG_API_KEY", "ключ"), ("ALL_PROXY", "socks5://127.0.0.1:1"), ("ALL_PROXY", "gopher://x")]
)
def test_settings_that_httpx_refuses_are_told(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelFailed, match="cannot be asked"):
        ServerModel("http://10.1.2.3:9", name="m")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{}", b"[]", b'{"data": [7]}'])
def test_a_list_of_models_that_names_none_is_told(body: bytes) -> None:
    script = lines(DONE)
    script.models = body
    with serving(script) as url, pytest.raises(ModelFailed, match="names no model"):
        ServerModel(url)


@pytest.mark.parametrize(
    ("host", "remote"),
    [("localhost", False), ("127.0.0.1", False), ("[::1]", False), ("10.0.0.5", True), ("localhost.example", True)],
)
def test_only_this_machine_is_not_remote(host: str, remote: bool) -> None:
    with contextlib.closing(ServerModel(f"http://{host}:8080", name="m")) as model:
        assert model.remote is remote


def test_a_prompt_as_long_as_the_context_does_not_fit() -> None:
    with contextlib.closing(ServerModel("http://localhost", name="m", context_tokens=1000)) as model:
        turns = [Turn("user", "x" * 2700)]
        assert model.fits(turns, thinking_tokens=0, answer_tokens=100)
        assert not model.fits(turns, thinking_tokens=100, answer_tokens=100)


def endless(script_closed: threading.Event) -> Callable[[Write], None]:
    def answer(write: Write) -> None:
        try:
            while True:
                write(event(content="y " * 1000))
        except OSError:
            script_closed.set()

    return answer


def test_closing_the_stream_closes_the_connection() -> None:
    hung_up = threading.Event()
    with served(Script(endless(hung_up))) as model:
        stream = model.stream(HELLO, thinking_tokens=0, answer_tokens=5)
        next(stream)
        stream.close()
        assert hung_up.wait(5)


@pytest.mark.parametrize("what", ["stream", "model"])
def test_closing_from_another_thread_ends_the_wait_for_the_first_token(what: str) -> None:
    asked, released = threading.Event(), threading.Event()

    def answer(write: Write) -> None:
        asked.set()
        released.wait(10)

    with served(Script(answer)) as model:
        stream = model.stream(HELLO, thinking_tokens=0, answer_tokens=5)
        pieces: list[Piece] = []
        reader = threading.Thread(target=lambda: pieces.extend(stream))
        reader.start()
        assert asked.wait(5)
        (stream if what == "stream" else model).close()
        reader.join(5)
        ended = not reader.is_alive()
        released.set()
    assert (ended, pieces) == (True, [])


def test_a_stream_that_is_closed_while_it_connects_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting, closed = threading.Event(), threading.Event()
    connect = socket.create_connection

    def connect_late(
        address: tuple[str, int], timeout: float | None = None, source_address: tuple[str, int] | None = None
    ) -> socket.socket:
        connecting.set()
        closed.wait(10)
        return connect(address, timeout, source_address)

    with served(Script(lambda write: threading.Event().wait(5))) as model:
        monkeypatch.setattr(socket, "create_connection", connect_late)
        stream = model.stream(HELLO, thinking_tokens=0, answer_tokens=5)
        reader = threading.Thread(target=lambda: list(stream))
        reader.start()
        assert connecting.wait(5)
        stream.close()
        closed.set()
        reader.join(3)
        assert not reader.is_alive()


def test_a_closed_model_says_so() -> None:
    with served(lines(DONE)) as model:
        model.close()
        with pytest.raises(ModelFailed, match="closed"):
            list(model.stream(HELLO, thinking_tokens=0, answer_tokens=5))


def test_no_error_tells_the_password_of_a_url() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ModelFailed, match=f"^http://127.0.0.1:{port}/v1 cannot be used") as caught:
        ServerModel(f"http://ann:secret@127.0.0.1:{port}")
    assert "secret" not in f"{caught.value} {caught.value.remedy}"
