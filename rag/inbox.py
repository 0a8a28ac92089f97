"""``rag index``: bring the index up to date, mirror a mailbox, follow both until Ctrl-C.

In: an assistant, the address of a mailbox. Out: reports on stdout, everything else on stderr. It does not know how
files are indexed or servers spoken to.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rag import present
from rag.console import Bar, say, say_error
from rag.errors import RagError

if TYPE_CHECKING:
    from rag.assistant import Assistant
    from rag.mirror import MirrorReport
    from rag.records import Progress, SyncReport


def index(desk: Assistant, *, imap: str | None, watch: bool, as_json: bool) -> None:
    """Make the index equal the corpus, of which the mailbox at ``imap`` is a part; with ``watch``, until Ctrl-C."""
    mailbox = _Mailbox(imap, desk.settings.corpus) if imap else None
    if mailbox and not watch:
        with Bar("messages") as bar:
            say(mailbox.fetch(bar))
    with Bar() as bar:
        report = desk.sync(progress=bar)
    if as_json:
        present.write_json(asdict(report), sys.stdout)
    else:
        sys.stdout.write(f"{present.report_text(report, desk.status())}\n")
        sys.stdout.flush()
    if watch:
        _watch(desk, mailbox, as_json=as_json)


def _watch(desk: Assistant, mailbox: _Mailbox | None, *, as_json: bool) -> None:
    """Index what lands until Ctrl-C, and print a digest of it."""
    stop = threading.Event()
    if mailbox:
        threading.Thread(target=mailbox.follow, args=(stop,), name="mailbox", daemon=True).start()
    say(f"Watching {present.printable(str(desk.settings.corpus))}; Ctrl-C ends it.")
    try:
        if as_json:
            desk.follow(stop, lambda report: present.write_json(asdict(report), sys.stdout), say_error)
        else:
            desk.follow(stop, _digester(lambda text: print(text, flush=True)), say_error)
    finally:
        stop.set()


def follow_corpus(desk: Assistant) -> None:
    """Keep the index up to date beside other work; what arrives, and what keeps it from being followed, is said."""
    desk.upkeep.on_change, desk.upkeep.on_trouble = _digester(say), say_error
    desk.upkeep.follow(True)


def _digester(say: Callable[[str], None]) -> Callable[[SyncReport], None]:
    def tell(report: SyncReport) -> None:
        if text := present.digest_text(report, datetime.now()):
            say(text)

    return tell


class _Mailbox:
    """An IMAP mailbox and the Maildir in the corpus that mirrors it."""

    def __init__(self, address: str, corpus: Path) -> None:
        from rag.imap import find_password, parse_address

        self._mailbox = parse_address(address)
        self._password = find_password(self._mailbox)
        self._folder = corpus / "imap" / self._mailbox.folder_name
        self._folder.parent.mkdir(parents=True, exist_ok=True)

    def fetch(self, progress: Progress) -> str:
        """Mirror it once, and say what that did."""
        from rag.mirror import mirror

        return self._told(mirror(self._mailbox, self._folder, password=self._password, progress=progress))

    def follow(self, stop: threading.Event) -> None:
        """Mirror it until ``stop`` is set; what keeps it from being followed is said."""
        from rag.mirror import follow

        try:
            follow(
                self._mailbox,
                self._folder,
                password=self._password,
                stop=stop,
                on_change=lambda report: say(self._told(report)),
                on_trouble=lambda error, pause: say(f"{present.printable(str(error))} Again in {pause:.0f} s."),
            )
        except RagError as error:
            say_error(error)

    def _told(self, report: MirrorReport) -> str:
        change = f"{len(report.added)} new, {len(report.removed)} gone, {report.messages} in all"
        lines = [f"{self._mailbox.account}: {change}."]
        lines += [f"  left out {failure.path}: {failure.reason}" for failure in report.left_out]
        return present.printable("\n".join(lines))
