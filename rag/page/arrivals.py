"""Files that a visitor drops on the page: into the corpus, indexed, and what came of each.

In: what a browser says it has sent. Out: HTML, first that it goes on, then the end. It does not know Gradio.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag import uploads
from rag.contents import FileState
from rag.errors import IndexMissing, RagError, ReadError
from rag.indexing import Stopped
from rag.page.listing import counted, remedy
from rag.page.markup import escaped, notice
from rag.present import label

if TYPE_CHECKING:
    from rag.assistant import Assistant

MOST_FILES = 200
"""Files that are taken at once."""

_LOOK, _ROUNDS = 0.1, 3


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file as the browser sent it: the name that it had there, and where its bytes are; None where they are not.

    One that is ``large`` was not sent at all.
    """

    name: str
    file: Path | None
    large: bool = False


def dropped(files: object, folder: Path) -> list[Dropped]:
    """What a browser says it has sent; only what lies in ``folder``, where Gradio puts what it is sent, is believed."""
    found: list[Dropped] = []
    for one in files[:MOST_FILES] if isinstance(files, list) else []:
        if isinstance(one, dict):
            path = _received(one.get("path"), folder)
            found.append(Dropped(str(one.get("name", "")), path, one.get("large") is True))
    return found


def _received(path: object, folder: Path) -> Path | None:
    if not isinstance(path, str) or not path:
        return None
    file = Path(path)
    try:
        # The one depth at which Gradio keeps a file: in a folder named by its hash.
        inside = file.parent.resolve().parent == folder.resolve() and not file.is_symlink() and file.is_file()
    except (OSError, ValueError):  # too long, or with a character that no path has
        return None
    return file if inside else None


def add(assistant: Assistant, files: Sequence[Dropped]) -> Iterator[str]:
    """Put files into the corpus, sync, and yield what came of each, as HTML: first that it goes on, then the end."""
    if not files:
        yield came_of(notice("No file has arrived."))
        return
    yield came_of(notice(f"Adding {counted(len(files), 'file')}"))
    rows: list[tuple[str, str]] = []
    waiting: dict[str, int] = {}
    kept: dict[str, str] = {}
    try:
        for one in files:
            try:
                told, path = _kept(assistant, one, kept)
            except RagError as error:
                told, path = f"{error} {error.remedy}", ""
            if path:
                waiting[path] = len(rows)
            rows.append((one.name, told))
    finally:
        for one in files:  # after all: two with the same bytes are one file here
            _forget(one)
    _index(assistant, waiting)
    for path, number in waiting.items():
        rows[number] = (rows[number][0], _end_of(assistant, path))
    items = "".join(f"<li>{escaped(label(name)[:200])}: {escaped(label(told))}</li>" for name, told in rows)
    yield came_of(f"<h2>What came of it</h2><ul>{items}</ul>")


def came_of(drawn: str) -> str:
    """The place in which ``drawn`` is read out by a screen reader; it has to be there before, hence also empty."""
    return f'<div class="rag-inbox" role="status">{drawn}</div>'


def _kept(assistant: Assistant, one: Dropped, kept: dict[str, str]) -> tuple[str, str]:
    """What is to be said of a file, or its path in the corpus; ``kept`` names those that came with it, by hash."""
    if one.large:
        raise uploads.too_large()
    if one.file is None:
        raise ReadError("It did not arrive.", remedy="Try it again.")
    corpus = assistant.settings.corpus
    uploads.safe_name(one.name)
    try:
        with one.file.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest()
        known = kept.get(same)
        with suppress(IndexMissing):
            known = known or assistant.contents.path_of(same)
        if known and (corpus / known).is_file():
            return f"already there, as {known}", ""
        kept[same] = uploads.keep(one.file, one.name, corpus)
        return "", kept[same]
    except FileNotFoundError as error:  # sent twice at once, and taken by the other
        raise ReadError("It did not arrive.", remedy="Try it again.") from error


def _forget(one: Dropped) -> None:
    """Delete Gradio's copy and its folder."""
    if one.file is not None:
        with suppress(OSError):
            one.file.unlink(missing_ok=True)
            one.file.parent.rmdir()


def _index(assistant: Assistant, paths: Iterable[str]) -> None:
    """Sync until ``paths`` are indexed; a sync that was under way already may have passed them by."""
    upkeep = assistant.upkeep
    for _ in range(_ROUNDS):
        if all(_state_of(assistant, path) for path in paths):
            return
        upkeep.begin()
        while upkeep.state.syncing:
            time.sleep(_LOOK)
        if isinstance(upkeep.state.outcome, Exception):
            return


def _state_of(assistant: Assistant, path: str) -> FileState | None:
    with suppress(IndexMissing):
        return assistant.contents.file(path)
    return None


def _end_of(assistant: Assistant, path: str) -> str:
    found, outcome = _state_of(assistant, path), assistant.upkeep.state.outcome
    if found is None:
        why = "the sync was stopped" if isinstance(outcome, Stopped) else f"{outcome or 'press “Re-index now”'}"
        return f"in the corpus as {path}, not indexed yet: {why}"
    if found.twin:
        return f"a duplicate of {found.twin}, kept as {path}"
    reasons = "; ".join(f"{one.reason}. {remedy(one.reason)}" for one in found.failures[:3])
    if not found.documents:
        return f"could not be read: {reasons}"
    told = f"added as {path}: {counted(found.documents, 'document')}, {counted(found.passages, 'passage')}"
    return f"{told}; not readable: {reasons}" if reasons else told
