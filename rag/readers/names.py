"""Which files are mail or notes, by their names alone.

In: a path below the corpus. Out: whether there may be a reader for it. It opens nothing and loads no reader, for it is
asked of every file before every question.
"""

from __future__ import annotations

import os

SUFFIXES = (".eml", ".mbox", ".msg", ".md", ".markdown", ".txt", ".html", ".htm", ".pdf", ".docx", ".ics")
"""The lower-case suffixes that have a reader."""


def is_readable(path: str) -> bool:
    """Whether there may be a reader for a file of this name."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in SUFFIXES or not suffix or in_maildir(path)


def in_maildir(path: str) -> bool:
    """Whether a file is a message of a Maildir, by its place."""
    folder = f"//{path}".rsplit("/", 2)[1]
    return folder in ("cur", "new") and os.path.splitext(path)[1].lower() not in SUFFIXES
