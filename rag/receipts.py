"""Receipts: all that an answer rests on in one JSON object, made and read.

In: an answer and what it was made with; later that object as anybody may have edited it. Out: the object; what it says,
as a `Recorded`, with the flaw that shows it was edited. Whether the answer still stands, `rag.verifying` finds out.

The sha256 in a receipt shows an edit by hand. It is no signature: whoever edits a receipt can compute it anew, and is
then only caught by the index, where words that were made up are not to be found.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import NoneType
from typing import IO, TYPE_CHECKING, Any

from rag import __version__
from rag.answering import cited
from rag.conditions import conditions_facts, conditions_of
from rag.errors import SettingsError
from rag.present import answer_json, label
from rag.prompts import REFUSAL
from rag.records import Quote, Sentence, Verdict
from rag.schema import Filters
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.answering import Reply

FORMAT = 1

# A receipt of four quotes has 10 KB, and one of the hundred quotes that ``-k`` allows 250 KB.
_MOST_BYTES = 5_000_000
# The check compares each sentence with each quote, 1 ms a pair; 20,000 letters are what 4,096 tokens come to.
_MOST_QUOTES, _MOST_SENTENCES, _MOST_LETTERS = 100, 200, 20_000

_SETTINGS = (
    "candidates", "chunk_words", "context_tokens", "answer_tokens", "think", "seed",
)  # fmt: skip
_VERDICTS: Mapping[str, Verdict] = {"checked": "checked", "withheld": "withheld", "quoted": "quoted"}
SPEAKER = ("house", "person", "role", "date")
_USERINFO = re.compile(r"(?<=://)[^/\s@]{1,500}@")


# ------------------------------------------------------------------------------------------------- making


def receipt(reply: Reply) -> dict[str, Any]:
    """The object that ``rag ask --json`` prints, with all that it takes to check the answer again.

    Waits for the prose to end, unless the reply was closed.
    """
    answer, gate, asked = reply.answer, reply.gate, reply.conditions
    facts = answer_json(answer)
    # A receipt is passed on: it keeps the key in a server's address and the name of the user's folder to itself.
    facts["note"] = _USERINFO.sub("", answer.note).replace(f"{Path.home()}/", "~/")
    facts["receipt"] = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "rag": __version__,
        "index": {name: reply.index[name] for name in ("identity", "generation", "fingerprint")},
        "settings": _settings(reply.settings),
        "filters": conditions_facts(asked),
        "as_of": str(asked.as_of or date.today()),
        "prompt": {"sha256": _digest([[turn.role, turn.content] for turn in reply.turns]) if reply.turns else None},
        "model": {"name": answer.model, "sha256": reply.model_digest()} if answer.model else None,
        "quotes": [_seal_of(quote) for quote in answer.quotes],
        "gate": {"verdict": gate.verdict, "score": round(gate.score, 3), "reason": gate.reason},
    }
    facts["receipt"]["sha256"] = _whole(facts)
    return facts


def _settings(settings: Settings) -> dict[str, Any]:
    """What bears on an answer; where things lie on this machine does not. The index's fingerprint names the weights."""
    named = {name: getattr(settings, name) for name in _SETTINGS}
    models = {name: re.split(r"[/\\]", getattr(settings, name))[-1] for name in ("embedding_model", "rerank_model")}
    return {**named, **models}


def sha256_of(text: str) -> str:
    """The sha256 of a text as UTF-8; half a character, which JSON can hold, is no error."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digest(value: object) -> str:
    """The sha256 of ``value`` as JSON without spaces, keys in order; 1.0 is 1, as other programs write it."""
    plain = json.loads(json.dumps(value, allow_nan=False), parse_float=_number)
    return sha256_of(json.dumps(plain, sort_keys=True, separators=(",", ":")))


def _number(digits: str) -> float:
    value = float(digits)
    return int(value) if value.is_integer() else value


def _seal_of(quote: Quote) -> dict[str, Any]:
    document = quote.hit.document
    return _seal(quote.label, document.id, sha256_of(document.text), quote.start, quote.end, quote.text)


def _seal(number: int, document: str, text_sha256: str, start: int, end: int, text: str) -> dict[str, Any]:
    names = ("n", "document", "text_sha256", "start", "end", "sha256")
    return dict(zip(names, (number, document, text_sha256, start, end, sha256_of(text)), strict=True))


def _whole(facts: Mapping[str, Any]) -> str:
    """The sha256 of a receipt without itself."""
    return _digest({**facts, "receipt": {name: one for name, one in facts["receipt"].items() if name != "sha256"}})


# ------------------------------------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True)
class Recited:
    """A quote as a receipt has it; ``speaker`` is house, person, role and date."""

    label: int
    document: str
    path: str
    text: str
    start: int
    end: int
    speaker: tuple[str | None, ...]
    text_sha256: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a receipt says; ``flaw`` is why it can not be what was made, if so."""

    flaw: str
    refused: bool
    filters: Filters
    quotes: tuple[Recited, ...]
    sentences: tuple[Sentence, ...]
    index: tuple[str, int, str]
    model: tuple[str, str | None] | None


def load(stream: IO[bytes]) -> Any:  # noqa: ANN401 - any JSON; `verify` looks at it
    """Read the JSON of a receipt, 5 MB at most. Raises SettingsError."""
    raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise _unusable(f"it has more than {_MOST_BYTES // 1_000_000} MB")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _unusable(f"it is no JSON ({error})") from error


def recorded(facts: object) -> Recorded:
    """Understand a receipt, trusting none of it. Raises SettingsError."""
    own = _get(facts, "receipt", dict)
    if (number := _get(own, "format", int)) != FORMAT:
        raise _unusable(f"it has format {number}, and this version of rag knows format {FORMAT}")
    seals = _rows(own, "quotes", _MOST_QUOTES)
    texts = [_get(seal, "text_sha256", str) for seal in seals]
    rows = _rows(facts, "quotes", _MOST_QUOTES)
    if len(rows) != len(seals):
        raise _unusable("its two lists of quotes differ in length")
    quotes = tuple(_recited(row, text) for row, text in zip(rows, texts, strict=True))
    sentences = tuple(_sentence(row) for row in _rows(facts, "sentences", _MOST_SENTENCES))
    if sum(len(one.text) for one in sentences) > _MOST_LETTERS:
        raise _unusable(f"its sentences have more than {_MOST_LETTERS:,} letters")
    refused, index, model = _get(facts, "refused", bool), _get(own, "index", dict), _get(own, "model", dict, NoneType)
    return Recorded(
        _flaw(facts, quotes, sentences),
        refused,
        conditions_of(_get(own, "filters", dict)).filters(),
        quotes,
        sentences,
        (_get(index, "identity", str), _get(index, "generation", int), _get(index, "fingerprint", str)),
        model and (_get(model, "name", str), _get(model, "sha256", str, NoneType)),
    )


def _flaw(facts: Any, quotes: Sequence[Recited], sentences: Sequence[Sentence]) -> str:  # noqa: ANN401
    """Why a receipt can not be what was made; where its sha256 was computed anew, what contradicts itself."""
    try:
        whole = _get(facts["receipt"], "sha256", str) == _whole(facts)
    except (ValueError, TypeError, RecursionError) as error:
        raise _unusable(f"it is no plain JSON ({error})") from error
    if not whole:
        return "it is not as it was made"
    seals = [_seal(one.label, one.document, one.text_sha256, one.start, one.end, one.text) for one in quotes]
    if seals != facts["receipt"]["quotes"] or any(len(one.text) != one.end - one.start for one in quotes):
        return "its quotes are not those that it was made with"
    shown = " ".join(cited(one) for one in sentences if one.verdict != "withheld")
    told = _get(facts, "answer", str)
    if facts["refused"] and not told.startswith(REFUSAL):
        return "its refusal is none"
    if not facts["refused"] and told != shown:
        return "its answer is not made of its checked sentences"
    return ""


def _recited(row: object, text_sha256: str) -> Recited:
    start, end, text = _get(row, "start", int), _get(row, "end", int), _get(row, "text", str)
    number = _get(row, "n", int)
    if not 1 <= number <= 999 or not 0 <= start < end <= 1 << 40 or not text.strip() or len(text) > _MOST_LETTERS:
        raise _unusable("a quote has an impossible number, place or text")
    speaker = tuple(_get(row, name, str, NoneType) for name in SPEAKER)
    return Recited(number, _get(row, "document", str), _get(row, "path", str), text, start, end, speaker, text_sha256)


def _sentence(row: object) -> Sentence:
    text, labels, verdict = _get(row, "text", str), _get(row, "citations", list), _get(row, "verdict", str)
    if len(labels) > _MOST_QUOTES or verdict not in _VERDICTS:
        raise _unusable("a sentence has too many citations, or an unknown verdict")
    if not all(type(one) is int and 1 <= one <= 999 for one in labels):
        raise _unusable("a sentence has an impossible citation")
    return Sentence(text, tuple(labels), _VERDICTS[verdict], _get(row, "reason", str))


def _rows(row: object, name: str, most: int) -> list[object]:
    rows: list[object] = _get(row, name, list)
    if len(rows) > most:
        raise _unusable(f"{name} has more than {most} entries")
    return rows


def _get(row: object, name: str, *kinds: type) -> Any:  # noqa: ANN401 - one of kinds
    value = row.get(name) if isinstance(row, Mapping) else None
    if type(value) not in kinds:
        raise _unusable(f"“{name}” is missing or of the wrong kind")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise _unusable(f"“{name}” is no text")
    return value


def _unusable(reason: str) -> SettingsError:
    return SettingsError(
        f"This is no receipt that can be checked: {label(reason)}.",
        remedy="Give a file that rag ask --json or the download of the app has written.",
    )
