"""Whether an answer still stands on the index: its receipt, checked again.

In: a receipt and an index, which is only read. Out: a `Verification`, a finding for each check. What the answer rests
on is checked: the quoted words, who speaks, the verdicts on the sentences, the receipt itself. What made it (index,
model) is compared and told. It does not ask the question again: whether another answer would be given today, or a
refusal withdrawn, it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rag.answering import in_full
from rag.citations import CUT_OFF, REPEATED, Sources, check, prepared
from rag.modelfiles import CATALOGUE
from rag.models import file_sha256, find
from rag.present import label
from rag.receipts import SPEAKER, Recited, Recorded, recorded, sha256_of
from rag.records import Chunk, Document, Hit, Quote, Sentence
from rag.schema import Filters
from rag.sentences import one_line
from rag.stems import tokens
from rag.store import Catalogue

# So many of the longest words of a quote are looked up, and so many passages looked at, to find it in other documents.
_SOUGHT, _LOOKED_AT = 12, 20

State = Literal["unchanged", "moved", "shifted", "edited", "changed", "gone", "another", "absent", "unknown"]


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
    said = recorded(facts)
    flaw = said.flaw
    findings = [Finding("receipt", "edited" if flaw else "unchanged", None, flaw, broken=bool(flaw))]
    quotes: list[Quote] = []
    for recited in said.quotes:
        finding, document, start = _look_up(recited, catalogue)
        findings.append(finding)
        if document:
            quote, speaker = _quote(recited, document, start, catalogue)
            quotes += [quote] if quote else []
            findings.append(speaker)
    if said.filters:
        findings.append(_limited(said.filters, quotes))
    sources = prepared(quotes)
    findings += [_rechecked(place, one, quotes, sources) for place, one in enumerate(said.sentences, start=1)]
    findings.append(_index(said, catalogue))
    if said.model:
        name, sha256 = said.model
        findings.append(_model(name, sha256, digest_of(name) if sha256 else None))
    return Verification(tuple(findings))


def _look_up(recited: Recited, catalogue: Catalogue) -> tuple[Finding, Document | None, int]:
    """What became of a quote, and where its words stand now: in its document, or in what its file holds now."""
    number, text, path = recited.label, recited.text, recited.path
    document = catalogue.documents([recited.document]).get(recited.document)
    same = document is not None and sha256_of(document.text) == recited.text_sha256
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


def _quote(recited: Recited, document: Document, start: int, catalogue: Catalogue) -> tuple[Quote | None, Finding]:
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
        for name, before, after in zip(SPEAKER, recited.speaker, now, strict=True)
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


def _labelled(sentence: Sentence) -> str:
    return " ".join((sentence.text, *(f"[{number}]" for number in sentence.labels)))


def _index(said: Recorded, catalogue: Catalogue) -> Finding:
    """Whether this is the index of then; new mail changes it every day, which breaks but a refusal: it rests on all."""
    identity, generation, fingerprint = said.index
    if identity != catalogue.identity or fingerprint != catalogue.fingerprint:
        detail = f"made from {fingerprint}, this one is {catalogue.fingerprint}"
        return Finding("index", "another", None, detail, broken=said.refused)
    if generation != catalogue.generation:
        detail = f"generation {generation} then, {catalogue.generation} now"
        return Finding("index", "changed", None, detail, broken=said.refused)
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
