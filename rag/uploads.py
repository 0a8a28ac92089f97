"""Put a file that somebody dropped on the page into the corpus folder: never over another, never half.

In: a file, the name that its sender gave it. Out: the path below the corpus. It does not know how the file came here,
nor whether anything can be read from it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from rag.errors import RagError, ReadError
from rag.readers.names import SUFFIXES
from rag.scanning import require_corpus

MAX_BYTES = 25_000_000
"""The largest file that is taken; a larger mailbox is copied into the folder."""

# A file system takes 255 bytes of a name; a letter can be 4 of them, and the number of a second one goes in between.
_LONGEST = 180
_READ = 1000
_FORBIDDEN = re.compile(r'[<>:"|?*]+')
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")
_SAME_NAME = 10_000

# One upload at a time looks for a name: where that is taken before it is filled, an equal one would find it empty.
_naming = threading.Lock()


def safe_name(name: str) -> str:
    """A file name, of the base of ``name`` alone, that means nothing else on any system.

    Raises ReadError where no reader knows its kind.
    """
    base = re.split(r"[/\\]", name[-_READ:].encode("utf-8", "replace").decode())[-1]
    kept = "".join(char for char in unicodedata.normalize("NFC", base) if unicodedata.category(char)[0] != "C")
    stem, suffix = os.path.splitext(_FORBIDDEN.sub("_", " ".join(kept.split())).rstrip(" ."))
    if not suffix and stem.lower() in SUFFIXES:
        stem, suffix = "", stem
    if suffix.lower() not in SUFFIXES:
        raise ReadError(
            f"Files of this kind ({suffix or 'no suffix'}) cannot be read.",
            remedy=f"Known are {', '.join(SUFFIXES)}: save it as one of these.",
        )
    stem = stem.strip(" .").encode()[:_LONGEST].decode("utf-8", "ignore").strip() or "message"
    if _DEVICE.fullmatch(stem.split(".")[0].strip()):
        stem = f"_{stem}"
    return f"{stem}{suffix}"


def keep(file: Path, name: str, corpus: Path) -> str:
    """Copy ``file`` into ``corpus`` as ``name``, made safe, with a number if that is taken; its name there.

    A file of the same name with the same bytes is left as it is. Raises ReadError where it is too large, empty or of no
    known kind, CorpusMissing, and RagError where the folder cannot be written.
    """
    name = safe_name(name)
    require_corpus(corpus)
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise too_large()
    if not size:
        raise ReadError("The file is empty.")
    try:
        return _copied(file, name, corpus)
    except OSError as error:
        raise RagError(
            f"The corpus folder {corpus} cannot be written: {error.strerror}.",
            remedy="Put the file into it yourself, or let this program write there.",
        ) from error


def too_large() -> ReadError:
    """What is said of a file that is larger than `MAX_BYTES`."""
    return ReadError(
        f"It is larger than {MAX_BYTES // 1_000_000} MB.", remedy="Copy it into the corpus folder, and re-index."
    )


def _copied(file: Path, name: str, corpus: Path) -> str:
    with _hidden(file, corpus) as part, _naming:
        for candidate in _names(name):
            try:
                _put(part, corpus / candidate)
            except FileExistsError:
                if not _same(file, corpus / candidate):
                    continue
            return candidate
    raise ReadError(f"There are {_SAME_NAME:,} files of this name.", remedy="Give it another.")


def _put(part: Path, target: Path) -> None:
    """Give ``part`` a name that nobody has: a rename alone would put itself over a file that came meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # FAT and some network disks know no second name; there the name is taken first
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            os.replace(part, target)
        except OSError:
            os.unlink(target)
            raise


def _names(name: str) -> Iterator[str]:
    stem, suffix = os.path.splitext(name)
    yield name
    yield from (f"{stem} {number}{suffix}" for number in range(2, _SAME_NAME))


def _same(file: Path, target: Path) -> bool:
    """Whether both hold the same bytes; what lies there may be a folder or a link, and is another then."""
    if target.is_symlink() or not target.is_file() or target.stat().st_size != file.stat().st_size:
        return False
    return target.read_bytes() == file.read_bytes()


@contextlib.contextmanager
def _hidden(file: Path, corpus: Path) -> Iterator[Path]:
    """A whole copy of ``file`` that is in no index, for the corpus may be read at any moment."""
    handle, part = tempfile.mkstemp(dir=corpus, prefix=".upload-")
    try:
        with os.fdopen(handle, "wb") as out, file.open("rb") as source:
            shutil.copyfileobj(source, out)
            out.flush()
            os.fsync(out.fileno())
        yield Path(part)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
