"""Measure how a model's answers depend on the way it is asked: one table row a variant.

    python -m benchmarks.answers QUESTIONS.jsonl NOTES --index DIR --model stand-in-1.5b --rows "4 cards" "2 cards"

For each variant: whether the facts are in the quotes, in all that the model wrote, in what the check let pass, and in
what stands as the answer; sentences written and withheld, those that came without a label of their own, refusals of
answerable questions, and the median seconds to the whole answer. ``constrained`` forces a label before each full stop:
the likeliest token is taken, and only where it would end a sentence without a label, the label is written first and
its number is chosen among those of the sources. The figures for the set that a variant was chosen on flatter it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rag import Assistant, Settings, models, prompts
from rag.evaluation import Outcome, gold_documents, run
from rag.llama import LlamaModel, _Run
from rag.questionsets import read
from rag.records import Quote, Turn

ORDERED = prompts.question_turns


def best_last(question: str, quotes: Sequence[Quote]) -> tuple[Turn, ...]:
    return ORDERED(question, tuple(reversed(quotes)))


@contextmanager
def asking(turns: Callable[[str, Sequence[Quote]], tuple[Turn, ...]]) -> Iterator[None]:
    prompts.question_turns = turns  # type: ignore[assignment]
    try:
        yield
    finally:
        prompts.question_turns = ORDERED


class Labelled(LlamaModel):
    """A model that cannot end a sentence without the label of one of ``sources`` sources."""

    sources = 0

    def _tokens(self, run: _Run, limit: int, thought: bool) -> Iterator[int | None]:
        """Before a token that ends a sentence, write " [", the likeliest number of a source, and "]"."""
        import llama_cpp
        import numpy as np

        ids, start = run.ids, len(run.ids)
        opens, closes, *numbers = (self._vocabulary.prompt_ids([prompts.Segment(text, False)])[-1] for text in _TEXTS)
        size = llama_cpp.llama_vocab_n_tokens(self._vocabulary.pointer)
        forced: list[int] = []
        while len(ids) - start < limit:
            yield from self._evaluate(run)
            if run.flag:
                return
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._context, -1), (size,))
            token = forced.pop(0) if forced else int(logits.argmax())
            if token == _NUMBER:
                token = max(numbers[: self.sources], key=lambda one: logits[one])
            ends = self._vocabulary.is_marker(token) or self._vocabulary.bytes_of(token)[:1] in b".\n"
            written = b"".join(self._vocabulary.bytes_of(one) for one in ids[-3:])
            if ends and not forced and len(ids) > start + 3 and b"]" not in written and not written[-1:].isdigit():
                forced = [_NUMBER, closes, token]
                token = opens
            elif self._vocabulary.is_marker(token):
                return
            ids.append(token)
            yield token
        run.ended = "budget"


_TEXTS = (" [", "]", *(str(number) for number in range(1, 10)))
# Stands for the likeliest number of a source.
_NUMBER = -1


@dataclass(frozen=True, slots=True)
class Variant:
    settings: Mapping[str, object]
    turns: Callable[[str, Sequence[Quote]], tuple[Turn, ...]] = ORDERED
    constrained: bool = False


VARIANTS: Mapping[str, Variant] = {
    **{f"{count} cards": Variant({"quotes": count}) for count in (2, 3, 4, 6)},
    "best last": Variant({}, best_last),
    "thinking 256": Variant({"think": "short"}),
    "constrained": Variant({}, constrained=True),
}


def outcomes(variant: Variant, questions: Path, settings: Settings) -> list[Outcome]:
    asked = read(questions)
    chosen = replace(settings, **variant.settings)  # type: ignore[arg-type]
    model = None
    if variant.constrained:
        found = models.resolve(settings.model)
        assert found.path is not None
        model = Labelled(found.path, name=found.name, context_tokens=settings.context_tokens)
        model.sources = settings.quotes or found.generation.quotes
    with asking(variant.turns), Assistant.open(chosen, model=model) as desk:
        desk.sync()
        return run(desk, asked, gold_documents(asked, chosen.index), answers=True)


def row(name: str, found: Sequence[Outcome]) -> str:
    answerable = [one for one in found if not one.gold.unanswerable and one.gold.facts]
    sentences = [sentence for one in found for sentence in one.sentences]

    def share(text: Callable[[Outcome], str]) -> str:
        held = sum(all(fact.search(text(one)) for fact in one.gold.facts) for one in answerable)
        return f"{held}/{len(answerable)}"

    cells = (
        share(lambda one: one.quoted),
        share(lambda one: " ".join(sentence.text for sentence in one.sentences)),
        share(lambda one: one.prose),
        share(lambda one: one.shown),
        str(len(sentences)),
        str(sum(one.withheld for one in found)),
        str(sum("cited nothing" in one.reason or not one.labels for one in sentences)),
        str(sum(one.refused for one in answerable)),
        f"{statistics.median(one.seconds['total'] for one in found if one.model):.1f}",
    )
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    settings = Settings.load(corpus=arguments.notes, index=arguments.index, model=arguments.model)
    print("| variant | quotes | written | checked | answer | sentences | withheld | unlabelled | refused | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in arguments.rows:
        print(row(name, outcomes(VARIANTS[name], arguments.questions, settings)), flush=True)


if __name__ == "__main__":
    main()
