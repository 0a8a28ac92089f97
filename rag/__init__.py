"""Ask your sell-side inbox, privately, on your own CPU."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.answering import Reply
    from rag.assistant import Assistant, Status
    from rag.errors import RagError
    from rag.records import Answer, Chunk, Document, Hit, Quote, Sentence, SyncReport, Turn, Usage, Voice
    from rag.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Assistant",
    "Chunk",
    "Document",
    "Hit",
    "Quote",
    "RagError",
    "Reply",
    "Sentence",
    "Settings",
    "Status",
    "SyncReport",
    "Turn",
    "Usage",
    "Voice",
    "__version__",
]

_HOMES = {
    "Reply": "answering",
    **dict.fromkeys(("Assistant", "Status"), "assistant"),
    "RagError": "errors",
    "Settings": "settings",
}


def __getattr__(name: str) -> object:
    # At first use: the child processes that read mail or check Chroma need a tenth of what an assistant imports.
    if name not in __all__:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    return getattr(import_module(f"rag.{_HOMES.get(name, 'records')}"), name)
