"""Fit the gate to a question set, and measure it on others.

    python benchmarks/gate.py benchmarks/questions.jsonl corpus
    python benchmarks/gate.py benchmarks/questions.jsonl corpus --report OTHER.jsonl NOTES

Prints the gates that `rag.gate` ships, for the built-in embedding model and for any, then for each set: AUROC, and the
shares of unanswerable and answerable questions that are refused or get quotes only. The figures for the set that the
gate was fitted to flatter it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np

from rag import Assistant, Settings
from rag.evaluation import Outcome, fitted, gold_documents, run
from rag.gate import MEASURES, Gate
from rag.metrics import auroc
from rag.questionsets import read

COSINE = MEASURES.index("cosine")


def outcomes(questions: str, corpus: str) -> list[Outcome]:
    asked = read(Path(questions))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(corpus=Path(corpus), index=Path(folder) / "index")
        with Assistant.open(settings) as desk:
            desk.sync()
            return run(desk, asked, gold_documents(asked, settings.index))


def without_cosine(outcome: Outcome) -> Outcome:
    blank = tuple(0.0 if i == COSINE else value for i, value in enumerate(outcome.measures))
    return replace(outcome, measures=blank)


def report(name: str, gate: Gate, asked: Sequence[Outcome]) -> None:
    scores = [gate.score(one.measures) if one.measures else one.score for one in asked]
    answerable = np.array([not one.gold.unanswerable for one in asked])
    verdicts = np.array([gate.verdict(score) for score in scores])
    shares = {
        f"{verdict} {kind}": np.mean(verdicts[answerable == can] == verdict)
        for verdict in ("refuse", "quotes")
        for kind, can in (("unanswerable", False), ("answerable", True))
    }
    told = "  ".join(f"{label} {share:.3f}" for label, share in shares.items())
    print(f"{name}: n {len(asked)}  AUROC {auroc(scores, answerable.tolist()).value:.3f}  {told}")


def rounded(gate: Gate) -> Gate:
    weights, *rest = astuple(gate)
    return Gate(tuple(round(weight, 2) for weight in weights), *(round(value, 3) for value in rest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions")
    parser.add_argument("corpus")
    parser.add_argument("--report", nargs=2, action="append", default=[], metavar=("FILE", "CORPUS"))
    arguments = parser.parse_args()
    own = outcomes(arguments.questions, arguments.corpus)
    blind = [without_cosine(one) if one.measures else one for one in own]
    gate, any_model = rounded(fitted(own)), rounded(fitted(blind))
    print(f"{MEASURES}\nbuilt-in: {gate}\nany:      {any_model}")
    for name, asked in [
        (arguments.questions, own),
        *((questions, outcomes(questions, corpus)) for questions, corpus in arguments.report),
    ]:
        report(name, gate, asked)
        report(f"{name}, any model", any_model, [without_cosine(one) if one.measures else one for one in asked])


if __name__ == "__main__":
    main()
