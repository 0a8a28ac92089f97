"""The chat in a browser: puts the tabs of `rag.page` together, and serves them on this machine only.

In: an assistant, an address. Out: a page at that address. It does not know what is on the tabs.

Mail and model output are hostile: `rag.page.markup` escapes every text, and the Content-Security-Policy of
`rag.guard` forbids other hosts as a second wall.
"""

from __future__ import annotations

import gc
import inspect
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from threading import Event
from typing import TYPE_CHECKING, Any, cast

from rag import uploads
from rag.errors import SettingsError
from rag.guard import PORT, Guard
from rag.page import api, ask, cards, compare, costs, filters, inbox, markup, models, passage
from rag.page.shared import PRIVATE, Shared
from rag.page.talk import Conversation
from rag.passwords import Address, Door

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant

TABS = (ask, compare, inbox, costs, models)
"""What is drawn below the filter bar, in this order: each has ``draw(shared)`` and ``STYLE``."""

# Gradio's accent is 3.7 to 1 against the dark page.
_STYLE = ".dark .tab-container button.selected { color: var(--link-text-color) !important; }\n"

UPLOAD_KEPT = 3600
"""Seconds after which an upload that was never dropped on the inbox is deleted; all are when the page is closed."""

SESSIONS = 500
"""Those that Gradio remembers, of 145 KB: each load of the page and each call of a program makes one, and with 100 a
script could make the conversation of somebody who reads be forgotten."""

QUEUE_SECONDS = 0.05
"""Between two looks of Gradio's queue for work, as on Windows.

Elsewhere it looks each millisecond, which takes 5 % of a core for as long as the page is served.
"""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage while Gradio is imported and the page is laid out.

    Next to nothing of that is garbage, and the search takes 0.3 of its 1.8 CPU seconds.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_uncollected()
def build(assistant: Assistant) -> gr.Blocks:
    """Lay the page out and connect it to ``assistant``; starts nothing."""
    _close_doors()
    with _without_stubs():
        import gradio as gr

    page = gr.Blocks(title="rag", analytics_enabled=False, fill_width=True, delete_cache=(UPLOAD_KEPT, UPLOAD_KEPT))
    with page:
        api.expose(assistant)  # First, for an event of the page that bears one of the names would take it.
        head = gr.HTML(elem_classes="rag-head")
        shared = Shared(page, assistant, gr.State(Conversation()), filters.draw(page, assistant), gr.State(0))
        for tab in TABS:
            tab.draw(shared)
        passage.draw(shared)

        def describe(conversation: Conversation) -> str:
            status = assistant.status()
            conversation.learn(status.model)
            return cards.head(status)

        # After an answer too, for another visitor may have chosen a model that is asked elsewhere.
        gr.on([page.load, shared.answered.change], describe, [shared.conversation], head, **PRIVATE)
    # A second question waits for the first: there is one model, and it is the slow part.
    # Gradio's older routes would call past the queue, and so past every limit; closed, they take what has none.
    page.queue(max_size=16, default_concurrency_limit=1, api_open=False)
    page._queue.sleep_when_free = QUEUE_SECONDS
    return page


def _close_doors() -> None:
    """Forget Gradio's own settings and turn telemetry off, before Gradio reads either at its import.

    ``GRADIO_SHARE``, ``GRADIO_SERVER_NAME`` and ``GRADIO_ALLOWED_PATHS`` would publish what is private.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_") and name != "GRADIO_TEMP_DIR"]:
        del os.environ[name]
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    os.environ["OTEL_SDK_DISABLED"] = "true"  # FastAPI and Chroma can export traces to whatever host is named there.


@contextmanager
def _without_stubs() -> Iterator[None]:
    """Keep Gradio from writing type stubs for its own components beside them while it is imported.

    It parses its source for that at every start: 2.3 of the 4.9 s of its import. It does without where a class has no
    file.
    """
    getfile = inspect.getfile

    def of_others(of: Any) -> str:  # noqa: ANN401 - as inspect has it
        if str(getattr(of, "__module__", "")).startswith("gradio."):
            raise OSError("no stubs")
        return getfile(of)

    inspect.getfile = of_others  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = getfile


@contextmanager
def listening(assistant: Assistant, address: Address | None = None, *, port: int = PORT) -> Iterator[str]:
    """Serve the chat in the background for as long as the context lasts, and yield its URL.

    Without an ``address``, on ``port`` of this machine alone. Raises SettingsError where the port is taken.
    """
    address = address or Address(port=port)
    host, port = address.host, address.port
    page = build(assistant)
    # Gradio asks its own server whether it is up, and would ask a proxy of the environment to do so.
    around = ",".join(dict.fromkeys([*os.environ.get("NO_PROXY", "").split(","), "127.0.0.1", "localhost", host]))
    os.environ |= {"NO_PROXY": around.strip(","), "no_proxy": around.strip(",")}
    try:
        # Gradio finds a taken port out too, and leaves its sockets open.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
        # Gradio says on stdout, however quiet, where MCP is; that is for our own address alone.
        with redirect_stdout(StringIO()):
            _launch(page, address)
        api.take_over(page)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"Port {port} on {host} cannot be used.",
            remedy="Choose another with --port, or end the program that holds it.",
        ) from error
    try:
        yield page.local_url or ""
    finally:
        # An open tab keeps a connection for good, and Gradio would wait 5 s for it; uvicorn, told to wait less,
        # writes a traceback for each connection that it cuts.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        page.server.config.timeout_graceful_shutdown = 1
        page.close(verbose=False)


def _launch(page: gr.Blocks, address: Address) -> None:
    import gradio as gr
    from starlette.middleware import Middleware

    passwords = address.passwords
    walls = [Middleware(Guard, host=address.host, root=address.root)]
    page.launch(
        server_name=f"[{address.host}]" if ":" in address.host else address.host,
        server_port=address.port,
        root_path=address.root.text,
        auth=cast("Any", passwords.allow) if passwords else None,  # Gradio awaits it, and does not say so
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        ssr_mode=False,
        pwa=False,
        mcp_server=True,
        max_file_size=uploads.MAX_BYTES,
        state_session_capacity=SESSIONS,
        app_kwargs={"middleware": [*walls, Middleware(Door, passwords=passwords)] if passwords else walls},
        theme=gr.themes.Default(
            primary_hue="blue",
            neutral_hue="slate",
            font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
            font_mono=["ui-monospace", "Menlo", "monospace"],
        ).set(
            # Gradio's own are 3.7 and 4.0 to 1 against what they stand on; AA wants 4.5.
            button_primary_background_fill="*primary_600",
            button_primary_background_fill_hover="*primary_700",
            link_text_color_dark="*primary_300",
            color_accent="*primary_600",
        ),
        css=_STYLE + markup.STYLE + cards.STYLE + filters.STYLE + passage.STYLE + "".join(tab.STYLE for tab in TABS),
    )


def serve(assistant: Assistant, address: Address, then: Callable[[], None]) -> None:
    """Serve the chat until Ctrl-C; the URL goes to stdout once it listens, and ``then`` is what else is to begin.

    Raises as `listening` does.
    """
    if address.audience:
        sys.stderr.write(f"{address.audience}\n")
    with listening(assistant, address) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        then()
        try:
            Event().wait()
        except KeyboardInterrupt:
            sys.stderr.write("\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``rag serve`` with the same arguments."""
    from rag.cli import main as rag_main

    return rag_main(["serve", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
