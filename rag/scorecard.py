"""What an evaluation comes to: the metrics by name, bounds that they must keep, what went wrong, as text and as JSON.

In: `Outcome`s. Out: `Estimate`s, and strings for a terminal. It does not ask, print or draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite
from pathlib import PurePath
from typing import Any

from rag import metrics
from rag.errors import SettingsError
from rag.evaluation import Outcome
from rag.judging import Opinions, opinions_json, row_json
from rag.metrics import Estimate
from rag.present import label

_DIGEST = 160

_Of = Callable[[Outcome], float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of merit; ``less`` is whether less of it is better, ``share`` whether it goes from 0 to 1.

    ``of`` measures outcomes; None where none of them counts.
    """

    name: str
    group: str
    of: Callable[[Sequence[Outcome]], Estimate | None]
    less: bool = False
    share: bool = True


def _over(summary: Callable[[Sequence[float]], Estimate], of: _Of) -> Callable[[Sequence[Outcome]], Estimate | None]:
    """Summarise a value of each outcome; those without the value do not count."""

    def measured(outcomes: Sequence[Outcome]) -> Estimate | None:
        values = [value for one in outcomes if (value := of(one)) is not None]
        return summary(values) if values else None

    return measured


_mean = partial(_over, metrics.mean)


def _by_passage(measure: Callable[[Sequence[bool]], float]) -> Callable[[Sequence[Outcome]], Estimate | None]:
    return _mean(lambda one: measure(one.passages) if one.gold.quotes else None)


def _by_document(measure: Callable[[Sequence[bool]], float]) -> Callable[[Sequence[Outcome]], Estimate | None]:
    return _mean(lambda one: measure(one.documents) if one.total else None)


def _document_precision(one: Outcome) -> float | None:
    return metrics.average_precision(one.distinct, total=one.total) if one.total else None


def _wrong_house(one: Outcome) -> float | None:
    return float(one.first.house != one.house) if one.house and one.first else None


def _gate(outcomes: Sequence[Outcome]) -> Estimate | None:
    answerable = [not one.gold.unanswerable for one in outcomes]
    return metrics.auroc([one.score for one in outcomes], answerable) if len(set(answerable)) == 2 else None


def _facts(one: Outcome, text: str) -> float | None:
    return float(not _lacking(one, text)) if one.gold.facts else None


def _written(one: Outcome) -> str:
    return " ".join(sentence.text for sentence in one.sentences)


def _lacking(one: Outcome, text: str) -> list[str]:
    return [fact.pattern for fact in one.gold.facts if not fact.search(text)]


def _recall(one: Outcome) -> float | None:
    return float(one.supported) if one.written and (one.gold.quotes or one.total) else None


def _precision(one: Outcome) -> float | None:
    return sum(one.cited) / len(one.cited) if one.cited and (one.gold.quotes or one.total) else None


def _by_model(measure: Callable[[Outcome], float]) -> _Of:
    """A measure of what a model wrote; nothing where none was asked."""
    return lambda one: measure(one) if one.model else None


def _seconds(stage: str) -> Iterator[Metric]:
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        summary = partial(metrics.quantile, share=share)
        measured = _over(summary, lambda one: one.seconds.get(stage))
        yield Metric(f"{stage}-seconds-{name}", "cost", measured, less=True, share=False)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *(Metric(f"hits@{k}", "passages", _by_passage(partial(metrics.hits_at, k=k))) for k in (1, 4, 5, 10)),
        Metric("MAP@10", "passages", _by_passage(metrics.average_precision)),
        Metric("MRR@10", "passages", _by_passage(metrics.reciprocal_rank)),
        *(
            Metric(f"document-hits@{k}", "documents", _by_document(partial(metrics.hits_at, k=k)))
            for k in (1, 4, 5, 10)
        ),
        Metric("document-MAP@10", "documents", _mean(_document_precision)),
        Metric("document-MRR@10", "documents", _by_document(metrics.reciprocal_rank)),
        Metric("wrong-house@1", "speakers", _mean(_wrong_house), less=True),
        Metric("refusals", "refusals", _mean(lambda one: float(one.refused) if one.gold.unanswerable else None)),
        Metric(
            "false-refusals",
            "refusals",
            _mean(lambda one: None if one.gold.unanswerable else float(one.refused)),
            less=True,
        ),
        Metric("gate-AUROC", "refusals", _gate),
        Metric("gold-in-quotes", "quotes", _mean(lambda one: float(one.gold_quoted) if one.gold.quotes else None)),
        Metric("facts-in-quotes", "quotes", _mean(lambda one: _facts(one, one.quoted))),
        Metric("facts-in-answer", "answers", _mean(lambda one: _facts(one, one.shown) if one.written else None)),
        Metric("facts-in-written", "answers", _mean(lambda one: _facts(one, _written(one)) if one.sentences else None)),
        Metric("facts-in-prose", "answers", _mean(lambda one: _facts(one, one.prose) if one.prose else None)),
        Metric("citation-precision", "answers", _mean(_precision)),
        Metric("citation-recall", "answers", _mean(_recall)),
        Metric("sentences-written", "answers", _mean(_by_model(lambda one: len(one.sentences))), share=False),
        Metric("sentences-withheld", "answers", _mean(_by_model(lambda one: one.withheld)), less=True, share=False),
        *(metric for stage in ("search", "first-token", "total") for metric in _seconds(stage)),
        Metric("tokens-read", "cost", _mean(_by_model(lambda one: one.usage.prompt_tokens)), less=True, share=False),
        Metric(
            "tokens-written",
            "cost",
            _mean(_by_model(lambda one: one.usage.thinking_tokens + one.usage.answer_tokens)),
            less=True,
            share=False,
        ),
    )
}
"""Every metric by its name, in the order of the table."""


def measure(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """Every metric that at least one outcome counts for."""
    found = ((name, metric.of(outcomes)) for name, metric in METRICS.items())
    return {name: estimate for name, estimate in found if estimate}


def risk_coverage(outcomes: Sequence[Outcome]) -> list[tuple[float, float]]:
    """The risk-coverage curve of the gate: wrong is an unanswerable question, or a first hit that is not right."""
    known = _judged(outcomes)
    return metrics.risk_coverage([one.score for one in known], [_rank(one) != 1 for one in known])


def _judged(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of which it is known whether the first hit is right."""
    return [one for one in outcomes if one.gold.unanswerable or one.gold.quotes or one.total]


def bound(text: str) -> tuple[str, float]:
    """The metric and the value of ``metric=value``. Raises SettingsError for an unknown metric, or no number."""
    name, _, value = text.partition("=")
    known = {metric.casefold(): metric for metric in METRICS}
    if name.strip().casefold() not in known:
        raise SettingsError(f"There is no metric {name.strip()!r}.", remedy=f"There are: {', '.join(METRICS)}.")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise SettingsError(f"{text!r} sets no bound.", remedy="Write it as hits@1=0.9.")
    return known[name.strip().casefold()], number


def breaches(measured: Mapping[str, Estimate], bounds: Sequence[tuple[str, float]]) -> list[str]:
    """A line for each bound that is not kept: at most the value where less is better, at least the value elsewhere.

    A metric that no question counts for keeps no bound.
    """
    found: list[str] = []
    for name, value in bounds:
        less = METRICS[name].less
        if name not in measured:
            found.append(f"{name} was not measured: no question of the set counts for it.")
        elif measured[name].value > value if less else measured[name].value < value:
            found.append(f"{name} is {measured[name].value:.4g}, {'above' if less else 'below'} {value:g}.")
    return found


def report_text(outcomes: Sequence[Outcome], measured: Mapping[str, Estimate], *, misses: bool) -> str:
    """The table, and what went wrong: each question, or only how many there are."""
    wrong = sum(bool(faults(one)) for one in outcomes)
    said = misses_text(outcomes) if misses and wrong else ""
    hint = "" if misses or not wrong else "; --misses lists them"
    count = f"{wrong} of {len(outcomes)} questions went wrong{hint}."
    return "\n\n".join(part for part in (table_text(measured), count, said) if part)


def picture(
    facts: Mapping[str, object], outcomes: Sequence[Outcome], measured: Mapping[str, Estimate]
) -> dict[str, Any]:
    """What `rag.plots.draw` draws."""
    stages = dict.fromkeys(stage for one in outcomes for stage in one.seconds)
    asked = f"{facts['asked']} questions, {facts['documents']} documents, {facts['chunks']} chunks"
    shares = ((METRICS[name], one) for name, one in measured.items() if METRICS[name].share)
    return {
        "title": label(f"{PurePath(str(facts['questions'])).name}: {asked}"),
        "bars": [(_named(metric), metric.group, one) for metric, one in shares],
        "seconds": {stage: [one.seconds[stage] for one in outcomes if stage in one.seconds] for stage in stages},
        "curve": risk_coverage(outcomes),
        "judged": len(_judged(outcomes)),
    }


def _named(metric: Metric) -> str:
    return f"{metric.name} ↓" if metric.less else metric.name


def table_text(measured: Mapping[str, Estimate]) -> str:
    """The metrics as a table for a terminal: value, interval and number of questions; ↓ is less is better."""
    rows = [("metric", "value", "95 % interval", "n")]
    group = ""
    for name, one in measured.items():
        metric = METRICS[name]
        if metric.group != group:
            rows.append(("", "", "", ""))
            group = metric.group
        digits = 3 if metric.share or "seconds" in name else 1
        interval = f"{one.low:.{digits}f} – {one.high:.{digits}f}"
        rows.append((_named(metric), f"{one.value:.{digits}f}", interval, str(one.n)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}".rstrip()
        for row in rows
    )


def faults(one: Outcome) -> list[str]:
    """What went wrong with one question, in words."""
    if one.gold.unanswerable:
        return [] if one.refused else ["it was not refused"]
    found = [f"it was refused: {one.note}"] if one.refused else []
    if (one.gold.quotes or one.total) and (rank := _rank(one)) != 1:
        what = "passage" if one.gold.quotes else "document"
        found.append(f"the gold {what} is hit {rank}" if rank else f"no hit is the gold {what}")
    if _wrong_house(one):
        found.append(f"{one.first.house if one.first else None} speaks first, not {one.house}")
    if not one.refused and (lacking := _lacking(one, one.shown)):
        found.append(f"the answer lacks {', '.join(lacking)}")
    return found


def _rank(one: Outcome) -> int | None:
    """The rank, from 1, of the first right hit; by passage where there are gold quotes."""
    right = one.passages if one.gold.quotes else one.documents
    return right.index(True) + 1 if True in right else None


def misses_text(outcomes: Sequence[Outcome]) -> str:
    """Each question that something went wrong with: what, what was expected, and what came first."""
    blocks: list[str] = []
    for one in outcomes:
        if not (wrong := faults(one)):
            continue
        gold = [f"“{quote}”" for quote in one.gold.quotes] + [f"in {name}" for name in one.gold.documents]
        expected = " or ".join(gold) or ("a refusal" if one.gold.unanswerable else "an answer")
        told = [("wrong", fault) for fault in wrong]
        told.append(("expected", f"{one.house}: {expected}" if one.house else expected))
        if one.first:
            told.append(("came", f"{one.first.house or 'nobody'}, {one.first.place}: {one.first.text[:_DIGEST]}"))
        lines = (f"    {name:9} {label(text)}" for name, text in told)
        blocks.append("\n".join((label(f"{one.gold.id}: {one.gold.text}"), *lines)))
    return "\n\n".join(blocks)


def report_json(
    settings: Mapping[str, object],
    outcomes: Sequence[Outcome],
    measured: Mapping[str, Estimate],
    opinions: Opinions | None = None,
) -> dict[str, Any]:
    """The object that ``rag eval --json`` prints; ``opinions`` are those of a judge, of the same outcomes."""
    rows = [_row(one) for one in outcomes]
    if opinions:
        rows = [{**row, "judge": row_json(said)} for row, said in zip(rows, opinions.rows, strict=True)]
    return {
        "settings": dict(settings),
        "metrics": {name: asdict(estimate) for name, estimate in measured.items()},
        "risk_coverage": risk_coverage(outcomes),
        **({"judge": opinions_json(opinions)} if opinions else {}),
        "rows": rows,
    }


def _row(one: Outcome) -> dict[str, Any]:
    return {
        "id": one.gold.id,
        "q": one.gold.text,
        "unanswerable": one.gold.unanswerable,
        "wrong": faults(one),
        "refused": one.refused,
        "score": one.score,
        "rank": _rank(one),
        "document_rank": one.documents.index(True) + 1 if True in one.documents else None,
        "house": one.house,
        "first": asdict(one.first) if one.first else None,
        "answer": one.told,
        "quotes": one.quoted,
        "facts_lacking": _lacking(one, one.shown),
        "citations": list(one.cited),
        "sentences": len(one.sentences),
        "withheld": one.withheld,
        "note": one.note,
        "model": one.model,
        "tokens": {
            "read": one.usage.prompt_tokens,
            "thought": one.usage.thinking_tokens,
            "written": one.usage.answer_tokens,
        },
        "seconds": {stage: round(seconds, 4) for stage, seconds in one.seconds.items()},
    }
