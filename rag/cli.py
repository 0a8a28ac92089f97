"""The ``rag`` command: parse arguments, call the assistant, print.

stdout is the result; progress, notes and costs go to stderr. Exit codes: 0 answered, 3 refused or nothing
found, 2 wrong usage, 1 any other error, 130 stopped by Ctrl-C. All text of mail and models is stripped of
what a terminal could obey.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from rag import present
from rag.arguments import parse
from rag.errors import IndexBusy, IndexMissing, RagError, SettingsError
from rag.guard import audience
from rag.settings import Settings

if TYPE_CHECKING:
    from tqdm import tqdm

    from rag.answering import Reply
    from rag.assistant import Assistant
    from rag.mirror import MirrorReport
    from rag.records import Progress, SyncReport

ANSWERED, FAILED, MISUSED, REFUSED, STOPPED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        code = RUN[arguments.command](arguments)
        sys.stdout.flush()
        return code
    except SettingsError as error:
        _say_error(error)
        return MISUSED
    except RagError as error:
        _say_error(error)
        return FAILED
    except KeyboardInterrupt:
        _say("\nStopped. What was indexed or downloaded so far is kept.")
        return STOPPED
    except BrokenPipeError:
        # The reader (head, less) has gone; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def ask(arguments: argparse.Namespace) -> int:
    """``rag "question"``: quotes, then prose that was checked."""
    with _assistant(arguments) as desk:
        if not arguments.quotes_only:
            desk.preload()
        _refresh(desk)
        with Bar() as bar:
            reply = desk.ask(
                arguments.question,
                house=arguments.house,
                since=arguments.since,
                until=arguments.until,
                k=arguments.k,
                quotes_only=arguments.quotes_only,
                progress=bar,
            )
            if arguments.json:
                present.write_json(present.answer_json(reply.answer), sys.stdout)
                return REFUSED if reply.answer.refused else ANSWERED
            if reply.refused:
                print(present.wrapped(reply.answer.text, sys.stdout))
                if reply.quotes:
                    print("\nThe nearest lines:")
            for quote in reply.quotes:
                print(f"\n{present.quote_text(quote, sys.stdout)}", flush=True)
            _draft(reply, bar)
    return _conclude(reply)


def search(arguments: argparse.Namespace) -> int:
    """``rag search``: ranked passages, for one question or a file of them."""
    if (arguments.question is None) == (arguments.batch is None):
        raise SettingsError("Give either a question or --batch FILE.jsonl.")
    if arguments.batch is not None:
        return _search_batch(arguments)
    with _assistant(arguments) as desk:
        _refresh(desk)
        hits = desk.search(
            arguments.question, arguments.k or 10, house=arguments.house, since=arguments.since, until=arguments.until
        )
    if arguments.json:
        present.write_json(present.search_json(arguments.question, hits), sys.stdout)
    if not hits:
        _say("Nothing was found.")
    for rank, hit in enumerate([] if arguments.json else hits, start=1):
        print(present.hit_text(rank, hit, sys.stdout), end="\n\n")
    return ANSWERED if hits else REFUSED


def index(arguments: argparse.Namespace) -> int:
    """``rag index``: make the index equal the corpus."""
    from rag.assistant import Assistant

    with Assistant.open(_settings(arguments), own=True, rebuild=arguments.rebuild) as desk:
        mailbox = _Mailbox(arguments.imap, desk.settings.corpus) if arguments.imap else None
        if mailbox and not arguments.watch:
            with Bar("messages") as bar:
                _say(mailbox.fetch(bar))
        with Bar() as bar:
            report = desk.sync(progress=bar)
        if arguments.json:
            present.write_json(asdict(report), sys.stdout)
        else:
            print(present.report_text(report, desk.status()), flush=True)
        if arguments.watch:
            _watch(desk, mailbox, as_json=arguments.json)
    return ANSWERED


def _watch(desk: Assistant, mailbox: _Mailbox | None, *, as_json: bool) -> None:
    """Index what lands until Ctrl-C, and print a digest of it."""
    stop = threading.Event()

    def tell(report: SyncReport) -> None:
        if as_json:
            present.write_json(asdict(report), sys.stdout)
        else:
            print(present.digest_text(report, datetime.now()), flush=True)

    if mailbox:
        threading.Thread(target=mailbox.follow, args=(stop,), name="mailbox", daemon=True).start()
    _say(f"Watching {present.printable(str(desk.settings.corpus))}; Ctrl-C ends it.")
    try:
        desk.follow(stop, tell, _say_error)
    finally:
        stop.set()


class _Mailbox:
    """An IMAP mailbox and the Maildir in the corpus that mirrors it."""

    def __init__(self, address: str, corpus: Path) -> None:
        from rag.imap import find_password, parse_address

        self._mailbox = parse_address(address)
        self._password = find_password(self._mailbox)
        self._folder = corpus / "imap" / self._mailbox.folder_name

    def fetch(self, progress: Progress) -> str:
        """Mirror it once, and say what that did."""
        from rag.mirror import mirror

        self._folder.parent.mkdir(parents=True, exist_ok=True)
        return self._told(mirror(self._mailbox, self._folder, password=self._password, progress=progress))

    def follow(self, stop: threading.Event) -> None:
        """Mirror it until ``stop`` is set; what keeps it from being followed is said."""
        from rag.mirror import follow

        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            follow(
                self._mailbox,
                self._folder,
                password=self._password,
                stop=stop,
                on_change=lambda report: _say(self._told(report)),
                on_trouble=lambda error, pause: _say(f"{present.printable(str(error))} Again in {pause:.0f} s."),
            )
        except RagError as error:
            _say_error(error)

    def _told(self, report: MirrorReport) -> str:
        change = f"{len(report.added)} new, {len(report.removed)} gone, {report.messages} in all"
        lines = [f"{self._mailbox.account}: {change}."]
        lines += [f"  left out {failure.path}: {failure.reason}" for failure in report.left_out]
        return present.printable("\n".join(lines))


def status(arguments: argparse.Namespace) -> int:
    """``rag status``: which corpus, which index, which model."""
    from rag.assistant import status as describe
    from rag.store import Catalogue

    settings = _settings(arguments)
    catalogue: Catalogue | None = None
    with contextlib.suppress(IndexMissing):
        catalogue = Catalogue.open(settings.index)
    try:
        found = describe(settings, catalogue)
    finally:
        if catalogue:
            catalogue.close()
    if arguments.json:
        present.write_json(asdict(found), sys.stdout)
    else:
        print(present.status_text(found, indexed=catalogue is not None))
    return ANSWERED


def list_models(arguments: argparse.Namespace) -> int:
    """``rag models list``: the catalogue, and which of it is here."""
    from rag import models

    print(
        present.models_text(
            models.CATALOGUE.values(), [model.name for model, _ in models.installed()], models.models_folder()
        )
    )
    return ANSWERED


def pull_model(arguments: argparse.Namespace) -> int:
    """``rag models pull NAME``: fetch a model file and check it."""
    from rag import models

    with Bar() as bar:
        path = models.pull(models.known(arguments.name), progress=bar)
    print(present.printable(str(path)))
    return ANSWERED


def verify_models(arguments: argparse.Namespace) -> int:
    """``rag models verify``: hash what is here against the catalogue."""
    from rag import models

    sound = True
    for name, path in _stored():
        fine = models.verify(name)
        sound = sound and fine
        print(f"{'ok     ' if fine else 'DAMAGED'}  {name}  {present.printable(str(path))}")
    return ANSWERED if sound else FAILED


def remove_model(arguments: argparse.Namespace) -> int:
    """``rag models remove NAME``: delete a model file."""
    from rag import models

    print(f"{arguments.name} was {'removed' if models.remove(arguments.name) else 'not here'}.")
    return ANSWERED


def serve(arguments: argparse.Namespace) -> int:
    """``rag serve``: the chat in the browser."""
    from app import serve as chat
    from rag.assistant import Assistant

    if warning := audience(arguments.host, arguments.port):
        _say(warning)
    with Assistant.open(_settings(arguments), own=True) as desk:
        _refresh(desk)
        desk.preload()
        chat(desk, host=arguments.host, port=arguments.port)
    return ANSWERED


RUN: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "ask": ask,
    "search": search,
    "index": index,
    "status": status,
    "models list": list_models,
    "models pull": pull_model,
    "models verify": verify_models,
    "models remove": remove_model,
    "serve": serve,
}


class Bar:
    """A progress bar on stderr that appears with the first news, and only on a terminal."""

    def __init__(self, unit: str = "B") -> None:
        """Draw nothing yet; what is counted are bytes, or ``unit``."""
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Bar:
        """Return the bar."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line clean."""
        self.clear()

    def __call__(self, done: int, total: int | None, what: str) -> None:
        """Show that ``done`` of ``total`` are there."""
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=self._unit, unit_scale=True, disable=None, leave=False, file=sys.stderr)
        self._bar.set_description(present.printable(what), refresh=False)
        self._bar.update(done - self._bar.n)

    def clear(self) -> None:
        """Take the bar off the screen; later news bring a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _draft(reply: Reply, bar: Bar) -> None:
    """Let the prose be watched while it is written: on a terminal, dimmed, apart from the result."""
    shown = False
    try:
        for piece in reply:
            bar.clear()
            if sys.stderr.isatty():
                if not shown:
                    _say("\n\x1b[2mDraft, not yet checked:", end=" ")
                shown = True
                _say(present.printable(piece), end="")
    finally:
        reply.close()
        if shown:
            _say("\x1b[0m")


def _conclude(reply: Reply) -> int:
    """Print the checked prose and, to stderr, what it cost and what was withheld."""
    answer = reply.answer
    if answer.note:
        _say(f"\n{present.printable(answer.note)}")
    if not reply.refused and answer.text:
        print(f"\n{present.wrapped(answer.text, sys.stdout)}")
    for line in present.footnotes(answer):
        _say(line)
    return REFUSED if answer.refused else ANSWERED


def _search_batch(arguments: argparse.Namespace) -> int:
    with contextlib.ExitStack() as opened:
        lines = opened.enter_context(_lines(arguments.batch))
        desk = opened.enter_context(_assistant(arguments, own=True))
        _refresh(desk)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row = _row(line, number)
            hits = desk.search(
                row["q"],
                row.get("k") or arguments.k or 10,
                house=row.get("house") or arguments.house,
                since=row.get("since") or arguments.since,
                until=row.get("until") or arguments.until,
            )
            present.write_json(present.search_json(row["q"], hits), sys.stdout)
    return ANSWERED


def _row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SettingsError(f"Line {number} is no JSON: {error}") from error
    if not isinstance(row, dict) or not isinstance(row.get("q"), str) or not row["q"].strip():
        raise SettingsError(f"Line {number} has no question.", remedy='Write one object a line: {"q": "…", "k": 10}')
    k, house = row.get("k"), row.get("house") or []
    if k is not None and not (type(k) is int and 1 <= k <= 100):
        raise SettingsError(f"Line {number}: k must be a number from 1 to 100.")
    if not isinstance(house, str | list) or not all(isinstance(name, str) for name in house):
        raise SettingsError(f"Line {number}: house must be a name or a list of names.")
    if not all(isinstance(row.get(name) or "", str) for name in ("since", "until")):
        raise SettingsError(f"Line {number}: since and until are days, like 2025-01-27.")
    return row


@contextlib.contextmanager
def _lines(name: str) -> Iterator[IO[str]]:
    if name == "-":
        yield sys.stdin
        return
    try:
        file = Path(name).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _assistant(arguments: argparse.Namespace, *, own: bool = False) -> Assistant:
    """The assistant that the arguments name; one that wanted the index to itself shares it if it must."""
    from rag.assistant import Assistant

    settings = _settings(arguments)
    if own:
        with contextlib.suppress(IndexBusy):
            return Assistant.open(settings, own=True)
    return Assistant.open(settings)


def _refresh(desk: Assistant) -> None:
    """Bring the index up to date before it is asked, and say what that did."""
    with Bar() as bar:
        if not desk.indexed and desk.settings.corpus.is_dir():
            _say(f"Building the index of {present.printable(str(desk.settings.corpus))} …")
        report, note = desk.refresh(progress=bar)
    if note:
        _say(present.printable(note))
    if report:
        _say_report(report)


def _say_report(report: SyncReport) -> None:
    _say(present.changes_text(report))
    for failure in report.failed:
        _say(present.label(f"left out {failure.path}: {failure.reason}"))


def _stored() -> list[tuple[str, Path]]:
    """The files that bear a catalogue name, whatever is in them."""
    from rag import models

    files = ((model.name, models.models_folder() / model.file) for model in models.CATALOGUE.values())
    return [(name, path) for name, path in files if path.exists()]


def _say(text: str, *, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def _say_error(error: RagError) -> None:
    _say(present.printable(f"rag: {error}"))
    if error.remedy:
        _say(present.printable(f"     {error.remedy}"))


def _settings(arguments: argparse.Namespace) -> Settings:
    from rag import models

    names = ("corpus", "index", "model", "embedding_model", "houses", "think")
    settings = Settings.load(**{name: getattr(arguments, name, None) for name in names})
    models.check(settings.model)
    return settings
