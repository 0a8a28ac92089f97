"""Reading in a process of its own: files of the corpus -> documents whose voices are known, with their chunks.

In: `SourceFile`s, one after the other. Out: an `Item` for each message or note, attributed and cut. Whatever
a file does to the parsers (hang, eat memory, crash the interpreter) happens to the child, and is a `Failure` of
that message; the next is read by a new child. It does not know what is indexed, but for the one question
whether a document is known, which is asked before it is parsed.

Parent and child speak JSON lines, never pickle: a parser that was taken over can send no code.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from rag.attribution import attribute
from rag.chunking import chunk_document
from rag.errors import RagError
from rag.houses import use
from rag.readers.files import Reading, read
from rag.records import Chunk, Document, Failure, SourceFile, voice_facts, voice_from

_DEATHS = 5
_LONGEST_LINE = 200_000_000
_AHEAD = 16
_START_SECONDS = 60.0
_TURNOVER = 2000


@dataclass(frozen=True, slots=True)
class Cut:
    """A document with its chunks."""

    document: Document
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """What one message or note of a file gave, itself first, then its attachments; see `rag.readers.Reading`."""

    id: str
    size: int = 0
    cuts: tuple[Cut, ...] = ()
    failures: tuple[Failure, ...] = ()
    left_out: tuple[str, ...] = ()
    known: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message with all its attachments may cost: seconds by the clock and of the processor, and bytes.

    Of 460 real mails the slowest took 0.3 s; a PDF of 500 pages takes about 10 s.
    """

    wall: float = 60.0
    processor: int = 30
    memory: int = 1_500_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """What the child is told once: where the corpus is, how long a chunk may be, whose houses to know."""

    root: Path
    words: int
    houses: Path | None = None
    limits: Limits = Limits()


_Result = tuple[SourceFile, Item | None] | BaseException | None


def readings(
    task: Task, sources: Iterator[SourceFile], known: Callable[[str], bool]
) -> Generator[tuple[SourceFile, Item | None], None, None]:
    """Read ``sources`` in order, some messages ahead of whoever takes them; None is the end of a file.

    ``sources`` and ``known`` are called from a thread. Closing the iterator ends the child at once.
    Raises RagError if no child can be started.
    """
    results: queue.Queue[_Result] = queue.Queue(_AHEAD)
    stop = threading.Event()
    desk = _Desk(task, known, stop)

    def deliver() -> None:
        for source in sources:
            for item in desk.read(source):
                _put(results, (source, item), stop)
                if stop.is_set():
                    return
            _put(results, (source, None), stop)

    def work() -> None:
        ending: BaseException | None = None
        try:
            deliver()
        except BaseException as error:
            ending = error  # raised again where the results are taken
        finally:
            desk.close()
            _put(results, ending, stop)

    thread = threading.Thread(target=work, name="reading", daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        desk.kill()
        thread.join(timeout=5)  # it may be hashing a mailbox of many gigabytes


def _put(results: queue.Queue[_Result], result: _Result, stop: threading.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(queue.Full):
            results.put(result, timeout=0.2)
            return


class _Desk:
    """The parent's side: a child that is started when it is needed, and again when it has died."""

    def __init__(self, task: Task, known: Callable[[str], bool], stop: threading.Event) -> None:
        self._task = task
        self._known = known
        self._stop = stop
        self._child: _Child | None = None
        self._asked = ""
        self._read = 0

    def read(self, source: SourceFile) -> Iterator[Item]:
        """Read one file to its end. What kills a child is tried once more without its attachments."""
        done = deaths = bare = 0
        while not self._stop.is_set():
            try:
                for item in self._ask(source, skip=done, bare=bare):
                    done, deaths = done + 1, 0
                    yield item
                return
            except _Died as death:
                self._drop()
                if self._stop.is_set():
                    return
                deaths += 1
                if not self._asked and deaths > 1:  # it dies of the file, not of a message
                    yield Item("", failures=(Failure(source.path, str(death)),))
                    return
                if not self._asked:
                    continue
                place = f"{source.path}#{done + 1}" if done else source.path
                if deaths == _DEATHS:
                    yield Item("", failures=(Failure(place, f"{death}, like others before it: the rest is left out"),))
                    return
                if bare != done + 1:
                    bare = done + 1
                    continue
                done += 1
                yield _lost(self._asked, source.path, Failure(place, str(death)))

    def _ask(self, source: SourceFile, *, skip: int, bare: int) -> Iterator[Item]:
        self._asked = ""  # the id of the message that has been asked for and has not come yet
        child = self._child = self._child or _Child(self._task)
        child.tell({**asdict(source), "skip": skip, "bare": bare})
        while "end" not in (answer := child.hear()):
            if "ask" in answer:
                if self._asked:
                    raise _Died(_NONSENSE)
                self._asked = str(answer["ask"])
                child.tell({"known": self._known(self._asked)})
                continue
            self._asked = ""
            yield _item_from(answer)
            self._read += 1
        if self._read >= _TURNOVER:  # what libraries leak is given back
            self.close()
            self._read = 0

    def close(self) -> None:
        """Let the child go."""
        if self._child:
            self._child.close()
            self._child = None

    def kill(self) -> None:
        """End the child, whatever it is doing; may be called from another thread than the rest."""
        if child := self._child:
            child.kill()

    def _drop(self) -> None:
        self.kill()
        self._child = None


def _lost(identity: str, path: str, failure: Failure) -> Item:
    """What stands for a message that ends its readers: known from now on, so that it does not end one at each sync."""
    document = Document(identity, path, "email", failure.path, "", datetime.now(UTC), None, None)
    return Item(identity, cuts=(Cut(document, ()),), failures=(failure,))


_NONSENSE = "reading it made the reader talk nonsense"


class _Died(Exception):
    """The child did not answer; the message says what it died of."""


class _Child:
    """A process that reads files, and the two pipes to it."""

    def __init__(self, task: Task) -> None:
        self._limits = task.limits
        facts = {"root": str(task.root), "houses": str(task.houses or ""), "words": task.words}
        facts |= {"processor": task.limits.processor, "memory": task.limits.memory}
        self._process = subprocess.Popen(
            # -P: a module in the folder where somebody runs this must not stand in for ours.
            [sys.executable, "-P", "-m", "rag.reading", json.dumps(facts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._lines: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._pump = threading.Thread(target=self._listen, name="reading-pipe", daemon=True)
        self._pump.start()
        try:
            self.hear(_START_SECONDS)  # so that the limit of the first message does not run while Python starts
        except BaseException as error:
            self.kill()
            if not isinstance(error, _Died):
                raise
            # No file's fault, so none may be marked as read.
            raise RagError(
                "The process that reads mail did not start.", remedy="Is there memory left? What was indexed is kept."
            ) from error

    def _listen(self) -> None:
        assert self._process.stdout
        while line := self._process.stdout.readline(_LONGEST_LINE):
            self._lines.put(line)
        self._lines.put(b"")

    def tell(self, message: Mapping[str, object]) -> None:
        """Send one message. Raises _Died."""
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: the pipe was closed by `kill`
            raise _Died(self._verdict()) from error

    def hear(self, seconds: float = 0.0) -> dict[str, Any]:
        """Receive one message. Raises _Died, also for a child that says nothing for ``seconds`` or the task's limit."""
        seconds = seconds or self._limits.wall
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty as error:
            raise _Died(f"reading it took longer than {seconds:.0f} s") from error
        if not line.endswith(b"\n"):
            raise _Died(self._verdict())
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Died(_NONSENSE) from error
        if not isinstance(answer, dict):
            raise _Died(_NONSENSE)
        return answer

    def _verdict(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it has closed its pipe, or says more than anybody could
            return _NONSENSE
        if code == -getattr(signal, "SIGXCPU", 0) and code:
            return f"reading it took longer than {self._limits.processor} s"
        return f"reading it ended the reader ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"

    def close(self) -> None:
        """Let it finish; it ends where its orders end."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.kill()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        end = time.monotonic() + 5  # the pipe stays open if the child has left one of its own behind
        while self._pump.is_alive() and time.monotonic() < end:  # it may be waiting for room
            with contextlib.suppress(queue.Empty):
                self._lines.get(timeout=0.05)
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(b"")  # for whoever is listening still
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def _item_from(answer: Mapping[str, Any]) -> Item:
    """The item that `_told` wrote down. Raises _Died where it cannot be one."""
    try:
        item = Item(
            str(answer["id"]),
            int(answer["size"]),
            tuple(_cut_from(cut) for cut in answer["cuts"]),
            tuple(Failure(*pair) for pair in answer["failures"]),
            tuple(answer["left_out"]),
            bool(answer["known"]),
        )
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise _Died(_NONSENSE) from error
    documents = [cut.document for cut in item.cuts]
    ids = {document.id for document in documents}
    if documents and (documents[0].id != item.id or not {one.parent for one in documents[1:]} <= ids):
        raise _Died(_NONSENSE)
    return item


def _cut_from(cut: Mapping[str, Any]) -> Cut:
    facts = {**cut["document"], "date": datetime.fromisoformat(cut["document"]["date"])}
    document = Document(**{**facts, "voices": tuple(voice_from(voice) for voice in facts["voices"])})
    chunks = (
        Chunk(f"{document.id}:{start}-{end}", document.id, start, end, document.text[start:end], document.voices[voice])
        for start, end, voice in cut["chunks"]
    )
    return Cut(document, tuple(chunks))


# From here on: the child.


def _serve(orders: IO[bytes], answers: IO[bytes], task: Task) -> None:
    """Read the files that ``orders`` name, one JSON line each, until there are no more."""

    def say(message: Mapping[str, object]) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    def known(identity: str) -> bool:
        say({"ask": identity})
        answer = json.loads(orders.readline())
        _allow_more_time(task.limits.processor)
        return bool(answer["known"])

    say({"ready": True})
    for line in iter(orders.readline, b""):
        order = json.loads(line)
        skip, bare = order.pop("skip"), order.pop("bare")
        _allow_more_time(task.limits.processor)
        for reading in read(task.root, SourceFile(**order), known, skip=skip, bare=bare):
            say(_told(reading, task.words))
        say({"end": True})


def _told(reading: Reading, words: int) -> dict[str, object]:
    cuts, failures = [], list(reading.failures)
    cut_ids: set[str] = set()
    for document in reading.documents:
        if document.parent and document.parent not in cut_ids:
            continue  # what is attached to a mail that failed has nothing to hang on
        try:
            cuts.append(_cut(document, words))
            cut_ids.add(document.id)
        except Exception as error:
            # The text is anybody's; one document must not end a sync for all others.
            failures.append(Failure(reading.place, f"it cannot be analysed ({type(error).__name__})"))
    return {
        "id": reading.id if cuts or reading.known else "",
        "size": reading.size,
        "cuts": cuts,
        "failures": [(failure.path, failure.reason) for failure in failures],
        "left_out": reading.left_out,
        "known": reading.known,
    }


def _cut(document: Document, words: int) -> dict[str, object]:
    document = attribute(document)
    numbers = {voice: number for number, voice in enumerate(document.voices)}
    chunks = chunk_document(document, words=words)
    bare = asdict(replace(document, voices=()))
    voices = [voice_facts(voice) for voice in document.voices]
    return {
        "document": {**bare, "date": document.date.isoformat(), "voices": voices},
        "chunks": [(chunk.start, chunk.end, numbers[chunk.voice]) for chunk in chunks],
    }


def _allow_more_time(seconds: int) -> None:
    """Give the next message its own seconds of the processor; beyond them the kernel ends this process."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows: there the parent's clock has to do
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit_memory(size: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _child() -> None:
    """Run as the child: orders on stdin, answers on stdout, and nothing else may write there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    facts = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory(facts["memory"])
    houses = Path(facts["houses"]) if facts["houses"] else None
    use(houses)
    limits = Limits(processor=facts["processor"], memory=facts["memory"])
    _serve(sys.stdin.buffer, answers, Task(Path(facts["root"]), facts["words"], houses, limits))


if __name__ == "__main__":
    _child()
