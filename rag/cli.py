"""The ``rag`` command: parse arguments, call the assistant, print.

stdout is the result; progress, notes and costs go to stderr. Exit codes: 0 answered, 3 refused, nothing
found, or a receipt that does not stand, 2 wrong usage, 1 any other error, 130 stopped by Ctrl-C. All text of mail and
models is stripped of what a terminal could obey.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rag import inbox, present
from rag.arguments import parse
from rag.console import Bar, say, say_error
from rag.errors import IndexBusy, IndexMissing, RagError, SettingsError
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.answering import Reply
    from rag.assistant import Assistant
    from rag.evaluation import Outcome
    from rag.metrics import Estimate
    from rag.records import SyncReport

ANSWERED, FAILED, MISUSED, REFUSED, STOPPED = 0, 1, 2, 3, 130
CHANGED = REFUSED


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        code = RUN[arguments.command](arguments)
        sys.stdout.flush()
        return code
    except SettingsError as error:
        say_error(error)
        return MISUSED
    except RagError as error:
        say_error(error)
        return FAILED
    except KeyboardInterrupt:
        say("\nStopped. What was indexed or downloaded so far is kept.")
        return STOPPED
    except BrokenPipeError:
        # The reader (head, less) has gone; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def ask(arguments: argparse.Namespace) -> int:
    """``rag "question"``: quotes, then prose that was checked."""
    with _assistant(arguments) as desk:
        _refresh(desk)
        with Bar() as bar:
            reply = desk.ask(
                arguments.question,
                k=arguments.k,
                quotes_only=arguments.quotes_only,
                progress=bar,
                **_conditions(arguments),
            )
            if arguments.json:
                from rag import receipts

                present.write_json(receipts.receipt(reply), sys.stdout)
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
        hits = desk.search(arguments.question, arguments.k or 10, **_conditions(arguments))
    if arguments.json:
        present.write_json(present.search_json(arguments.question, hits), sys.stdout)
    if not hits:
        say("Nothing was found.")
    for rank, hit in enumerate([] if arguments.json else hits, start=1):
        print(present.hit_text(rank, hit, sys.stdout), end="\n\n")
    return ANSWERED if hits else REFUSED


def compare(arguments: argparse.Namespace) -> int:
    """``rag compare "claim"``: what each house says of it, in a row."""
    with _assistant(arguments) as desk:
        _refresh(desk)
        found = desk.compare(arguments.claim, k=arguments.k, **_conditions(arguments))
    if arguments.json:
        present.write_json(present.comparison_json(found), sys.stdout)
    else:
        print(present.comparison_text(found, sys.stdout))
    return ANSWERED if found.rows else REFUSED


def verify(arguments: argparse.Namespace) -> int:
    """``rag verify RECEIPT.json``: whether an answer still stands on the index, which is only read."""
    from rag import houses, verifying
    from rag.receipts import load
    from rag.store import Catalogue

    with _bytes(arguments.receipt) as stream:
        facts = load(stream)
    settings = _settings(arguments)
    houses.use(settings.houses)
    with contextlib.closing(Catalogue.open(settings.index)) as catalogue:
        found = verifying.verify(facts, catalogue, lambda name: verifying.model_digest(name, settings.model))
    if arguments.json:
        present.write_json(verifying.verification_json(found), sys.stdout)
    else:
        print(verifying.verification_text(found))
    return ANSWERED if found.stands else CHANGED


def index(arguments: argparse.Namespace) -> int:
    """``rag index``: make the index equal the corpus."""
    from rag.assistant import Assistant

    with Assistant.open(_settings(arguments), own=True, rebuild=arguments.rebuild) as desk:
        inbox.index(desk, imap=arguments.imap, watch=arguments.watch, as_json=arguments.json)
    return ANSWERED


def status(arguments: argparse.Namespace) -> int:
    """``rag status``: which corpus, which index, which model."""
    from rag.status import status as describe
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
    from rag.modelfiles import CATALOGUE

    print(
        present.models_text(CATALOGUE.values(), [model.name for model, _ in models.installed()], models.models_folder())
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
    from rag.passwords import Address

    address = Address.load(arguments.host, arguments.port, arguments.auth, arguments.root_path)
    with Assistant.open(_settings(arguments), own=True) as desk:
        if not desk.indexed:  # else the page opens at once, and what is new is read behind it
            _refresh(desk)

        def prepare() -> None:
            desk.preload()
            inbox.follow_corpus(desk)

        chat(desk, address, prepare)
    return ANSWERED


def evaluate(arguments: argparse.Namespace) -> int:
    """``rag eval FILE.jsonl``: ask a question set, and say what the answers are worth."""
    from rag import evaluation, models, plots, questionsets, scorecard

    if (arguments.model or arguments.think or arguments.judge) and not arguments.answers:
        raise SettingsError("--model, --think and --judge go with --answers.")
    models.check(arguments.judge or "")
    bounds = [scorecard.bound(text) for text in arguments.fail_under]
    as_of = questionsets.day(arguments.as_of, "--as-of")
    plot = Path(arguments.plot) if arguments.plot else None
    if plot:
        plots.require(plot)
    questions = questionsets.read(Path(arguments.file))
    with _assistant(arguments, own=True) as desk:
        if arguments.answers:
            desk.preload()
        _refresh(desk)
        documents = evaluation.gold_documents(questions, desk.settings.index)
        for name in (name for name, ids in documents.items() if not ids):
            say(present.label(f"{name} is no document of this index: its questions count as missed."))
        with Bar("questions") as bar:
            outcomes = evaluation.run(desk, questions, documents, answers=arguments.answers, as_of=as_of, progress=bar)
        facts = evaluation.settings_facts(desk, arguments.file, outcomes, as_of=as_of)
    measured = _report(arguments, desk.settings, facts, outcomes)  # closed, so that a judge is the only model
    if arguments.fit:
        with _assistant(arguments, own=True) as desk:
            desk.adopt(evaluation.fitted(outcomes))
        say("The gate is fitted to these questions; the figures are those of before. Measure it on others.")
    breaches = scorecard.breaches(measured, bounds)
    for line in breaches:
        say(line)
    if plot:
        plots.draw(plot, **scorecard.picture(facts, outcomes, measured))
    return FAILED if breaches else ANSWERED


def _report(
    arguments: argparse.Namespace, settings: Settings, facts: Mapping[str, object], outcomes: Sequence[Outcome]
) -> dict[str, Estimate]:
    from rag import judging, scorecard

    measured = scorecard.measure(outcomes)
    if not arguments.json:
        print(scorecard.report_text(outcomes, measured, misses=arguments.misses), flush=True)
    for note in dict.fromkeys(one.note for one in outcomes if one.written and not one.refused and one.note):
        say(present.label(note))
    opinions: judging.Opinions | None = None
    if arguments.judge:
        with Bar() as pulling, Bar("sentences") as bar:
            opinions = judging.consult(arguments.judge, outcomes, settings, pulling=pulling, progress=bar)
    if arguments.json:
        present.write_json(scorecard.report_json(facts, outcomes, measured, opinions), sys.stdout)
    elif opinions:
        print(f"\n{judging.opinions_text(opinions)}")
    return measured


def measure(arguments: argparse.Namespace) -> int:
    """``rag bench``: how fast this machine answers, searches and indexes, and what that costs."""
    from rag import bench, plots, questionsets, speedcard

    plot = Path(arguments.plot) if arguments.plot else None
    if plot:
        plots.require(plot)
    given = questionsets.read(Path(arguments.questions)) if arguments.questions else ()
    with _assistant(arguments) as desk:
        _refresh(desk)
        questions = [one.text for one in given] or desk.starters()
    with Bar("") as bar:
        figures = bench.run(desk.settings, questions, arguments.chunks or bench.SIZES, bar)
    if arguments.json:
        present.write_json(speedcard.report_json(figures, desk.settings), sys.stdout)
    else:
        print(speedcard.report_text(figures, desk.settings))
    if plot:
        plots.draw_speed(plot, **speedcard.picture(figures))
    return ANSWERED


RUN: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "ask": ask,
    "search": search,
    "compare": compare,
    "verify": verify,
    "index": index,
    "status": status,
    "models list": list_models,
    "models pull": pull_model,
    "models verify": verify_models,
    "models remove": remove_model,
    "serve": serve,
    "eval": evaluate,
    "bench": measure,
}


def _draft(reply: Reply, bar: Bar) -> None:
    """Let the prose be watched while it is written: on a terminal, dimmed, apart from the result."""
    shown = False
    try:
        for piece in reply:
            bar.clear()
            if sys.stderr.isatty():
                if not shown:
                    say("\n\x1b[2mDraft, not yet checked:", end=" ")
                shown = True
                say(present.printable(piece), end="")
    finally:
        reply.close()
        if shown:
            say("\x1b[0m")


def _conclude(reply: Reply) -> int:
    """Print the checked prose and, to stderr, what it cost and what was withheld."""
    answer = reply.answer
    if answer.note:
        say(f"\n{present.printable(answer.note)}")
    if not reply.refused and answer.text:
        print(f"\n{present.wrapped(answer.text, sys.stdout)}")
    for line in present.footnotes(answer):
        say(line)
    return REFUSED if answer.refused else ANSWERED


def _search_batch(arguments: argparse.Namespace) -> int:
    with contextlib.ExitStack() as opened:
        lines = io.TextIOWrapper(opened.enter_context(_bytes(arguments.batch)), encoding="utf-8", errors="replace")
        desk = opened.enter_context(_assistant(arguments, own=True))
        _refresh(desk)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row = _row(line, number)
            own = {name: row[name] for name in _CONDITIONS if row.get(name)}
            hits = desk.search(row["q"], row.get("k") or arguments.k or 10, **{**_conditions(arguments), **own})
            present.write_json(present.search_json(row["q"], hits), sys.stdout)
    return ANSWERED


_CONDITIONS = ("house", "since", "until", "voice", "kind", "as_of")


def _conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in _CONDITIONS}


def _row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"Line {number} is no JSON: {error}") from error
    if not isinstance(row, dict) or not isinstance(row.get("q"), str) or not row["q"].strip():
        raise SettingsError(f"Line {number} has no question.", remedy='Write one object a line: {"q": "…", "k": 10}')
    k, house = row.get("k"), row.get("house") or []
    if k is not None and not (type(k) is int and 1 <= k <= 100):
        raise SettingsError(f"Line {number}: k must be a number from 1 to 100.")
    if not isinstance(house, str | list) or not all(isinstance(name, str) for name in house):
        raise SettingsError(f"Line {number}: house must be a name or a list of names.")
    if not all(isinstance(row.get(name) or "", str) for name in ("since", "until", "as_of")):
        raise SettingsError(f"Line {number}: since, until and as_of are days, like 2025-01-27.")
    if not all(isinstance(row.get(name) or "", str) for name in ("voice", "kind")):
        raise SettingsError(f"Line {number}: voice is own or quoted, kind is email or note.")
    return row


@contextlib.contextmanager
def _bytes(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    with file:
        yield file


def _assistant(arguments: argparse.Namespace, *, own: bool = False) -> Assistant:
    """The assistant that the arguments name; one that wanted the index to itself shares it if it must."""
    from rag.embedding import SentenceTransformerEmbedder, begin

    settings = _settings(arguments)
    embedder = SentenceTransformerEmbedder(settings.embedding_model)
    begin(embedder)  # on the second core, while the first reads the modules of the assistant (0.2 s)
    from rag.assistant import Assistant

    if own:
        with contextlib.suppress(IndexBusy):
            return Assistant.open(settings, embedder=embedder, own=True)
    return Assistant.open(settings, embedder=embedder)


def _refresh(desk: Assistant) -> None:
    """Bring the index up to date before it is asked, and say what that did."""
    with Bar() as bar:
        if not desk.indexed and desk.settings.corpus.is_dir():
            say(f"Building the index of {present.printable(str(desk.settings.corpus))} …")
        report, note = desk.refresh(progress=bar)
    if note:
        say(present.printable(note))
    if report:
        _say_report(report)


def _say_report(report: SyncReport) -> None:
    say(present.changes_text(report))
    for failure in report.failed:
        say(present.label(f"left out {failure.path}: {failure.reason}"))


def _stored() -> list[tuple[str, Path]]:
    """The files that bear a catalogue name, whatever is in them."""
    from rag import models
    from rag.modelfiles import CATALOGUE

    files = ((model.name, models.models_folder() / model.file) for model in CATALOGUE.values())
    return [(name, path) for name, path in files if path.exists()]


def _settings(arguments: argparse.Namespace) -> Settings:
    from rag import models

    names = ("corpus", "index", "model", "embedding_model", "houses", "think")
    settings = Settings.load(**{name: getattr(arguments, name, None) for name in names})
    models.check(settings.model)
    return settings
