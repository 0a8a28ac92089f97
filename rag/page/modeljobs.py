"""The one long job on model files that runs at a time, for all visitors: pull, verify or measure.

In: what is to be done with a model of the catalogue. Out: a `Job`, which tells at any moment how far that is. It does
not know the page. A job goes on when its visitor leaves, for others look at it too.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rag import models
from rag.errors import ModelUnavailable, RagError
from rag.loading import Abandoned
from rag.records import Progress

if TYPE_CHECKING:
    from rag.assistant import Assistant

Kind = Literal["pull", "verify", "measure"]
_DOING = {"pull": "being pulled", "verify": "being verified", "measure": "being measured"}


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is: bytes ``done`` of ``total``, bytes per second since it ``began``; both may be 0.

    ``told`` is how it ended, or what is done at the moment; ``remedy`` what to do where it failed. ``ended`` is when,
    by `time.monotonic`, and 0 until then.
    """

    kind: Kind
    name: str
    done: int = 0
    total: int = 0
    rate: float = 0.0
    ended: float = 0.0
    told: str = ""
    remedy: str = ""

    @property
    def seconds_left(self) -> float | None:
        """How long it takes yet, at the rate so far."""
        return (self.total - self.done) / self.rate if self.rate and self.total else None


class ModelJobs:
    """Starts, stops and tells of jobs; also what must not happen during one: to remove a model, to choose another."""

    def __init__(self, assistant: Assistant) -> None:
        """Nothing runs yet."""
        self._assistant = assistant
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.job: Job | None = None

    def start(self, kind: Kind, name: str) -> None:
        """Begin a job; raises ModelUnavailable for a name that the catalogue lacks, and where another one runs."""
        models.known(name, catalogue=self._assistant.loader.catalogue)
        with self._lock:
            if self.job and not self.job.ended:
                raise ModelUnavailable(
                    f"{self.job.name} is {_DOING[self.job.kind]}: one at a time.", remedy="Wait for it, or cancel it."
                )
            self.job = job = Job(kind, name)
            self._stop = stop = threading.Event()
        threading.Thread(target=self._run, args=(job, stop), name=f"model-{kind}", daemon=True).start()

    def cancel(self, name: str) -> None:
        """Stop the job with the model ``name`` soon, not one that another visitor has begun meanwhile.

        A pull keeps what has come, and notices when the next bytes do, or after 30 s.
        """
        with self._lock:
            if self.job and not self.job.ended and self.job.name == name:
                self._stop.set()
                self.job = replace(self.job, told="Stopping")

    def use(self, name: str) -> str:
        """Have a model answer from the next question on; returns what to tell. Raises ModelUnavailable.

        Its file must be here: who asks a question should not wait for gigabytes.
        """
        loader = self._assistant.loader
        with self._lock:  # From the look at the file on: another visitor may be removing it.
            if name != loader.given and not models.kept(models.known(name, catalogue=loader.catalogue)).here:
                raise ModelUnavailable(f"{name} is not here.", remedy="Pull it first.")
            self._assistant.choose(name)
        return "It answers from the next question on."

    def remove(self, name: str) -> str:
        """Delete a model's file; returns what to tell. Raises ModelUnavailable for one that is in use, or worked on."""
        loader = self._assistant.loader
        with self._lock:
            if name in (loader.choice.name, self._assistant.settings.model):
                raise ModelUnavailable(f"{name} is in use.", remedy="Use another first.")
            if self.job and not self.job.ended and self.job.name == name:
                raise ModelUnavailable(f"{name} is {_DOING[self.job.kind]}.", remedy="Wait for it, or cancel it.")
            was_here = models.remove(name, catalogue=loader.catalogue)
        return f"{name} was {'removed' if was_here else 'not here'}."

    def _run(self, job: Job, stop: threading.Event) -> None:
        began: tuple[float, int] | None = None

        def progress(done: int, total: int | None, what: str) -> None:
            nonlocal began
            now = time.monotonic()
            since, before = began = began or (now, done)
            rate = (done - before) / (now - since) if now > since else 0.0
            with self._lock:
                if stop.is_set():
                    raise Abandoned
                self.job = replace(job, done=done, total=total or 0, rate=rate, told=what)

        told, remedy = "", ""
        try:
            told = self._work(job, stop, progress)
        except Abandoned:
            kept = " What has come is kept; Pull goes on from there." if job.kind == "pull" else ""
            told = f"{job.name}: stopped.{kept}"
        except RagError as error:
            told, remedy = (f"{job.name}: stopped.", "") if stop.is_set() else (str(error), error.remedy)
        except BaseException:
            told = "This went wrong inside the program; its terminal says where."
            raise
        finally:
            with self._lock:
                self.job = replace(self.job or job, ended=time.monotonic(), told=told, remedy=remedy)

    def _work(self, job: Job, stop: threading.Event, progress: Progress) -> str:
        loader, name = self._assistant.loader, job.name
        if job.kind == "pull":
            models.pull(loader.catalogue[name], progress=progress)
            return f"{name} is here, and its sha256 is right."
        if job.kind == "verify":
            if models.verify(name, catalogue=loader.catalogue, progress=progress):
                return f"{name}: the sha256 is right."
            raise ModelUnavailable(f"{name}: the sha256 is not that of the catalogue.", remedy="Pull it again.")
        speed = loader.measure(name, stop=stop)
        return f"{name} reads {speed.read:,.0f} and writes {speed.written:,.1f} tokens per second."
