"""What can go wrong that a person can mend.

    RagError                    shown as one message and one remedy, never as a traceback
    ├── SettingsError           an unknown setting, or a value that cannot be used
    ├── CorpusMissing           the folder with mail and notes is not there
    ├── MailboxUnavailable      an IMAP server cannot be reached, or does not let us in
    ├── ReadError               one file cannot be read (a row in the report, never an abort)
    │   └── FileVanished        it is gone since it was listed, as mails are that a mail program moves
    ├── IndexMissing            nothing has been indexed yet
    ├── IndexStale              the index was built with another embedding model or chunking
    ├── IndexBusy               another process owns the index
    ├── IndexLocked             the folder of the index cannot be written
    ├── IndexDamaged            the catalogue cannot be opened, read or written
    ├── PassageGone             a document, or a place in it, that is not there any more
    ├── ModelUnavailable        a model file is neither here nor to be had
    ├── ModelFailed             the model was loaded or reached, and broke
    └── PromptTooLong           the question does not fit into the model's context

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations


class RagError(Exception):
    """Says what happened, to which file, and (``remedy``) what to do about it."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Keep both; ``remedy`` may be empty."""
        super().__init__(message)
        self.remedy = remedy


class SettingsError(RagError):
    """An unknown setting, or a value that cannot be used."""


class CorpusMissing(RagError):
    """The corpus folder is not there, or is not a folder."""


class MailboxUnavailable(RagError):
    """An IMAP server cannot be reached, does not let us in, or has no such mailbox."""


class ReadError(RagError):
    """One file or message cannot be read."""


class FileVanished(ReadError):
    """A file is gone since it was listed."""


class IndexMissing(RagError):
    """Nothing has been indexed yet."""


class IndexStale(RagError):
    """The index was built with another embedding model or another chunking."""


class IndexBusy(RagError):
    """Another process owns the index."""


class IndexLocked(RagError):
    """The folder of the index cannot be written."""


class IndexDamaged(RagError):
    """The catalogue cannot be opened, read or written."""


class PassageGone(RagError):
    """A document of the index, a place in it, or its file is not there any more."""


class ModelUnavailable(RagError):
    """A model file is neither on this machine nor to be had."""


class ModelFailed(RagError):
    """A model was loaded or reached, and broke."""


class PromptTooLong(RagError):
    """The question does not fit into the model's context."""
