"""Ask your sell-side inbox, privately, on your own CPU."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.answering import Reply
    from rag.assistant import Assistant
    from rag.errors import RagError
    from rag.records import Answer, Chunk, Document, Hit, Quote, Sentence, SyncReport, Turn, Usage, Voice
    from rag.settings import Settings
    from rag.status import Status

__version__ = "0.1.0"

# ONNX Runtime 1.29 and later writes an id of this machine into the user's cache when it is imported, by whichever
# package, and sends Microsoft the names and hashes of models, unless this stands in the environment before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

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
    "Assistant": "assistant",
    "RagError": "errors",
    "Settings": "settings",
    "Status": "status",
}


def __getattr__(name: str) -> object:
    # At first use: the child processes that read mail or check Chroma need a tenth of what an assistant imports.
    if name not in __all__:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    return getattr(import_module(f"rag.{_HOMES.get(name, 'records')}"), name)
