"""Ask your sell-side inbox, privately, on your own CPU."""

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
