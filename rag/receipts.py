"""Receipts: all that an answer rests on in one JSON object, and whether it still stands on it.

In: an answer and what it was made with; later that object and an index. Out: the object; a `Verification`, a finding
for each check. What it rests on is checked: the quoted words, who speaks, the verdicts on the sentences, the receipt
itself. What made it (index, model) is compared and told. It does not ask the question again: whether another answer
would be given today, or a refusal withdrawn, it does not know.

The sha256 in a receipt shows an edit by hand. It is no signature: whoever edits a receipt can compute it anew, and is
then only caught by the index, where words that were made up are not to be found.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import NoneType
from typing import IO, TYPE_CHECKING, Any, Literal

from rag import __version__
from rag.answering import cited, in_full
from rag.citations import CUT_OFF, REPEATED, Sources, check, prepared
from rag.conditions import conditions_facts, conditions_of
from rag.errors import SettingsError
from rag.modelfiles import CATALOGUE
from rag.models import file_sha256, find
from rag.present import answer_json, label
from rag.prompts import REFUSAL
from rag.records import Chunk, Document, Hit, Quote, Sentence, Verdict
from rag.schema import Filters
from rag.sentences import one_line
from rag.settings import Settings
from rag.stems import tokens
from rag.store import Catalogue

if TYPE_CHECKING:
    from rag.answering import Reply

FORMAT = 1

# A receipt of four quotes has 10 KB, and one of the hundred quotes that ``-k`` allows 250 KB.
_MOST_BYTES = 5_000_000
# The check compares each sentence with each quote, 1 ms a pair; 20,000 letters are what 4,096 tokens come to.
_MOST_QUOTES, _MOST_SENTENCES, _MOST_LETTERS = 100, 200, 20_000

# So many of the longest words of a quote are looked up, and so many passages looked at, to find it in other documents.
_SOUGHT, _LOOKED_AT = 12, 20

_SETTINGS = (
    "candidates", "chunk_words", "context_tokens", "answer_tokens", "think", "seed",
)  # fmt: skip
_VERDICTS: Mapping[str, Verdict] = {"checked": "checked", "withheld": "withheld", "quoted": "quoted"}
_SPEAKER = ("house", "person", "role", "date")
_USERINFO = re.compile(r"(?<=://)[^/\s@]{1,500}@")

State = Literal["unchanged", "moved", "shifted", "edited", "changed", "gone", "another", "absent", "unknown"]


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


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digest(value: object) -> str:
    """The sha256 of ``value`` as JSON without spaces, keys in order; 1.0 is 1, as other programs write it."""
    plain = json.loads(json.dumps(value, allow_nan=False), parse_float=_number)
    return _sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")))


def _number(digits: str) -> float:
    value = float(digits)
    return int(value) if value.is_integer() else value


def _seal_of(quote: Quote) -> dict[str, Any]:
    document = quote.hit.document
    return _seal(quote.label, document.id, _sha256(document.text), quote.start, quote.end, quote.text)


def _seal(number: int, document: str, text_sha256: str, start: int, end: int, text: str) -> dict[str, Any]:
    names = ("n", "document", "text_sha256", "start", "end", "sha256")
    return dict(zip(names, (number, document, text_sha256, start, end, _sha256(text)), strict=True))


def _whole(facts: Mapping[str, Any]) -> str:
    """The sha256 of a receipt without itself."""
    return _digest({**facts, "receipt": {name: one for name, one in facts["receipt"].items() if name != "sha256"}})


# ------------------------------------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True)
class _Recited:
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
class _Recorded:
    """What a receipt says; ``flaw`` is why it can not be what was made, if so."""

    flaw: str
    refused: bool
    filters: Filters
    quotes: tuple[_Recited, ...]
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


def _recorded(facts: object) -> _Recorded:
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
    return _Recorded(
        _flaw(facts, quotes, sentences),
        refused,
        conditions_of(_get(own, "filters", dict)).filters(),
        quotes,
        sentences,
        (_get(index, "identity", str), _get(index, "generation", int), _get(index, "fingerprint", str)),
        model and (_get(model, "name", str), _get(model, "sha256", str, NoneType)),
    )


def _flaw(facts: Any, quotes: Sequence[_Recited], sentences: Sequence[Sentence]) -> str:  # noqa: ANN401
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


def _recited(row: object, text_sha256: str) -> _Recited:
    start, end, text = _get(row, "start", int), _get(row, "end", int), _get(row, "text", str)
    number = _get(row, "n", int)
    if not 1 <= number <= 999 or not 0 <= start < end <= 1 << 40 or not text.strip() or len(text) > _MOST_LETTERS:
        raise _unusable("a quote has an impossible number, place or text")
    speaker = tuple(_get(row, name, str, NoneType) for name in _SPEAKER)
    return _Recited(number, _get(row, "document", str), _get(row, "path", str), text, start, end, speaker, text_sha256)


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


def _labelled(sentence: Sentence) -> str:
    return " ".join((sentence.text, *(f"[{number}]" for number in sentence.labels)))


# ---------------------------------------------------------------------------------------------- verifying


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``broken`` where the answer does not stand on it any more.

    ``check`` is ``receipt``, ``quote``, ``speaker``, ``filters`` (where there are any), ``sentence``, ``index`` or
    ``model``; ``number`` the label of the quote, or the place of the sentence from 1.
    """

    check: str
    state: State
    number: int | None = None
    detail: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Verification:
    """Every finding about one receipt."""

    findings: tuple[Finding, ...]

    @property
    def stands(self) -> bool:
        """Whether the answer stands on the index as it did."""
        return not any(finding.broken for finding in self.findings)


def verify(facts: object, catalogue: Catalogue, digest_of: Callable[[str], str | None]) -> Verification:
    """Check a receipt against an index, which is only read; ``digest_of`` the name of a model is as `model_digest`.

    Quotes are looked for by the id of their document, then under its path, then by their words. What was shown as
    checked is checked again, against the quotes as the index has them now. Raises SettingsError for what is no receipt.
    """
    recorded = _recorded(facts)
    flaw = recorded.flaw
    findings = [Finding("receipt", "edited" if flaw else "unchanged", None, flaw, broken=bool(flaw))]
    quotes: list[Quote] = []
    for recited in recorded.quotes:
        finding, document, start = _look_up(recited, catalogue)
        findings.append(finding)
        if document:
            quote, speaker = _quote(recited, document, start, catalogue)
            quotes += [quote] if quote else []
            findings.append(speaker)
    if recorded.filters:
        findings.append(_limited(recorded.filters, quotes))
    sources = prepared(quotes)
    findings += [_rechecked(place, one, quotes, sources) for place, one in enumerate(recorded.sentences, start=1)]
    findings.append(_index(recorded, catalogue))
    if recorded.model:
        name, sha256 = recorded.model
        findings.append(_model(name, sha256, digest_of(name) if sha256 else None))
    return Verification(tuple(findings))


def _look_up(recited: _Recited, catalogue: Catalogue) -> tuple[Finding, Document | None, int]:
    """What became of a quote, and where its words stand now: in its document, or in what its file holds now."""
    number, text, path = recited.label, recited.text, recited.path
    document = catalogue.documents([recited.document]).get(recited.document)
    same = document is not None and _sha256(document.text) == recited.text_sha256
    if document and document.text[recited.start : recited.end] == text:
        if document.path != path and not catalogue.sources([path]):
            return Finding("quote", "moved", number, f"from {path} to {document.path}"), document, recited.start
        detail = "" if same else "the rest of its document is read differently"
        return Finding("quote", "unchanged", number, detail), document, recited.start
    if document and (start := document.text.find(text)) >= 0:
        detail = f"the words stand in {document.path} at {start}, not at {recited.start}"
        return Finding("quote", "shifted", number, detail), document, start
    candidates = _candidates(text, catalogue)
    for one in candidates:
        if not document and one.path == path and (start := one.text.find(text)) >= 0:
            detail = f"{path} is not as it was, but the words stand in it"
            return Finding("quote", "edited", number, detail, broken=True), one, start
    holders = [one.path for one in candidates if one_line(text) in one_line(one.text)]
    also = f"; the same words stand in {', '.join(dict.fromkeys(holders))}" if holders else ""
    if document or catalogue.sources([path]):
        detail = f"{path} {'is as it was, and never said this' if same else 'is not as it was'}{also}"
        return Finding("quote", "changed", number, detail, broken=True), None, 0
    return Finding("quote", "gone", number, f"{path} is not in the index{also}", broken=True), None, 0


def _candidates(text: str, catalogue: Catalogue) -> list[Document]:
    """The documents that may hold the words of ``text``, likeliest first."""
    words = sorted(set(tokens(text)), key=lambda word: (-len(word), word))[:_SOUGHT]
    numbers = [number for number, _ in catalogue.matching(words, _LOOKED_AT)]
    loaded = catalogue.load(numbers)
    documents = {loaded[number][1].id: loaded[number][1] for number in numbers if number in loaded}
    return list(documents.values())


def _quote(recited: _Recited, document: Document, start: int, catalogue: Catalogue) -> tuple[Quote | None, Finding]:
    """The quote as the index has it, and whether the same person says it; no quote where nobody says all of it."""
    end = start + len(recited.text)
    voice = next((one for one in document.voices if one.start <= start and end <= one.end), None)
    if voice is None:
        detail = "the words are not those of one speaker any more"
        return None, Finding("speaker", "changed", recited.label, detail, broken=True)
    chunk = next(
        (one for one in catalogue.chunks(document) if one.start <= start and end <= one.end),
        Chunk("", document.id, start, end, recited.text, voice),
    )
    hit = Hit(chunk, document, 0.0, {})
    quote = Quote(recited.label, hit, start, end, recited.text)
    now = (voice.house, voice.person, voice.role, hit.date.isoformat())
    changes = [
        f"{name} was {before or 'not known'}, is {after or 'not known'}"
        for name, before, after in zip(_SPEAKER, recited.speaker, now, strict=True)
        if before != after
    ]
    state: State = "changed" if changes else "unchanged"
    return quote, Finding("speaker", state, recited.label, "; ".join(changes), broken=bool(changes))


def _limited(filters: Filters, quotes: Sequence[Quote]) -> Finding:
    """Whether the quotes, as the index has them now, are what the question was limited to."""
    others = [f"[{one.label}]" for one in quotes if not filters.meets(one.hit)]
    detail = f"{', '.join(others)} would be left out now" if others else ""
    return Finding("filters", "changed" if others else "unchanged", None, detail, broken=bool(others))


def _rechecked(place: int, sentence: Sentence, quotes: Sequence[Quote], sources: Sources) -> Finding:
    """Whether the check says of a sentence what it said; that one which was withheld would pass now breaks nothing."""
    if sentence.reason in (REPEATED, CUT_OFF):  # which no quote has to do with
        return Finding("sentence", "unchanged", place)
    if sentence.verdict == "quoted":
        stands = any(in_full(one).text == sentence.text for one in quotes if one.label in sentence.labels)
        detail = "" if stands else "its quote has other words"
        return Finding("sentence", "unchanged" if stands else "changed", place, detail, broken=not stands)
    again = check(_labelled(sentence), sources)
    passes = bool(again) and all(one.verdict == "checked" for one in again)
    if sentence.verdict == "withheld":
        detail = "it was withheld, and would pass now" if passes else ""
        return Finding("sentence", "changed" if passes else "unchanged", place, detail)
    if not passes:
        reason = next((one.reason for one in again if one.verdict == "withheld"), "it says nothing")
        return Finding("sentence", "changed", place, f"it would be withheld: {reason}", broken=True)
    labels = {number for one in again for number in one.labels}
    if labels != set(sentence.labels):
        now = ", ".join(f"[{number}]" for number in sorted(labels))
        return Finding("sentence", "changed", place, f"it would cite {now}", broken=True)
    return Finding("sentence", "unchanged", place)


def _index(recorded: _Recorded, catalogue: Catalogue) -> Finding:
    """Whether this is the index of then; new mail changes it every day, which breaks but a refusal: it rests on all."""
    identity, generation, fingerprint = recorded.index
    if identity != catalogue.identity or fingerprint != catalogue.fingerprint:
        detail = f"made from {fingerprint}, this one is {catalogue.fingerprint}"
        return Finding("index", "another", None, detail, broken=recorded.refused)
    if generation != catalogue.generation:
        detail = f"generation {generation} then, {catalogue.generation} now"
        return Finding("index", "changed", None, detail, broken=recorded.refused)
    return Finding("index", "unchanged")


def _model(name: str, sha256: str | None, here: str | None) -> Finding:
    """Whether the model's file is here; the checks do not ask it, so that breaks nothing."""
    if sha256 is None or here is None:
        return Finding("model", "unknown" if sha256 is None else "absent", detail=name)
    return Finding("model", "unchanged" if here == sha256 else "another", detail=name)


def model_digest(name: str, spec: str = "") -> str | None:
    """The sha256 of the file here whose model is called ``name``; ``spec`` is the setting, which may name a file."""
    if name in CATALOGUE:
        return CATALOGUE[name].sha256 if find(name) else None
    path = Path(spec).expanduser()
    return file_sha256(path) if path.name == name and path.is_file() else None


# ------------------------------------------------------------------------------------------------ telling


def verification_json(found: Verification) -> dict[str, Any]:
    """The object that ``rag verify --json`` prints."""
    return {"stands": found.stands, "findings": [asdict(finding) for finding in found.findings]}


def verification_text(found: Verification) -> str:
    """A line for each quote and each check, and the verdict."""
    told = [one for one in found.findings if one.check != "speaker" or one.broken]
    lines = [_line(one) for one in told]
    broken = sum(one.broken for one in found.findings)
    verdict = "It stands." if found.stands else f"It does not stand as it did: {broken} of {len(told)} checks failed."
    return "\n".join((*lines, verdict))


def _line(finding: Finding) -> str:
    names = {"quote": "[{}]", "speaker": "[{}] speaker", "sentence": "sentence {}"}
    what = names.get(finding.check, finding.check).format(finding.number)
    detail = f": {finding.detail}" if finding.detail else ""
    return label(f"{what} {finding.state}{detail}")
