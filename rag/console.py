"""What a person sees of a running command: lines and a progress bar, both on stderr.

In: text, which the caller has made printable, errors, progress. Out: nothing. It does not know what is being done.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rag.errors import RagError
from rag.present import printable

if TYPE_CHECKING:
    from tqdm import tqdm


def say(text: str, *, end: str = "\n") -> None:
    """Print to stderr at once; `text` is printable."""
    print(text, end=end, file=sys.stderr, flush=True)


def say_error(error: RagError) -> None:
    """Print what happened and what to do about it."""
    say(printable(f"rag: {error}"))
    if error.remedy:
        say(printable(f"     {error.remedy}"))


class Bar:
    """A progress bar on stderr that appears with the first news, and only on a terminal."""

    def __init__(self, unit: str = "B") -> None:
        """Draw nothing yet; what is counted are bytes, or ``unit``."""
        self._unit = unit
        self._bar: tqdm[Any] | None = None
        self._what = ""

    def __enter__(self) -> Bar:
        """Return the bar."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line clean."""
        self.clear()

    def __call__(self, done: int, total: int | None, what: str) -> None:
        """Show that ``done`` of ``total`` are there; another total is another bar."""
        if self._bar is not None and self._bar.total != total:
            self.clear()
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=self._unit, unit_scale=True, disable=None, leave=False, file=sys.stderr)
            self._what = ""
        new, self._what = what != self._what, what
        self._bar.set_description(printable(what), refresh=False)
        self._bar.update(done - self._bar.n)
        if new:  # at once: the next news of it may take a minute
            self._bar.refresh()

    def clear(self) -> None:
        """Take the bar off the screen; later news bring a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
