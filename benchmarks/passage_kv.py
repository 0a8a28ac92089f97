"""Measure what it would be worth to keep what a model made of each quote, whatever prompt it stands in.

    python -m benchmarks.passage_kv QUESTIONS.jsonl NOTES --index DIR --gguf MODEL.gguf --every 3

The product's own prompts, by its own retrieval. ``full`` reads all behind the preamble, as the product does. ``naive``
has read each card (a quote with speaker and date) alone behind the preamble; it puts the kept states in their
places, the keys rotated, and reads the labels between them and the question. ``first 16`` reads the first 16 tokens of
each card anew (LegoLink, arXiv 2410.15332). ``in use`` is ``naive`` as it would go: a card of an earlier question of
the set is kept, the others are read alone first, in one batch; it writes one token. They take turns at each question.

Printed are the tokens of all prompts and how many were seen before; then, over every so-many-th question, the medians
of CPU and wall time to the first token, all CPU time against ``full``, KL divergence of the first token from ``full``,
answers with the same words, with the facts in what was checked and in what stands as the answer (lost and won against
``full``), sentences written and withheld, answers that cite the gold passage.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rag import Assistant, Settings, prompts
from rag.evaluation import Outcome, gold_documents, run
from rag.gguf import SLICE
from rag.llama import LlamaModel, _Run
from rag.questionsets import GoldQuestion, read
from rag.records import Turn

Mode = Literal["list", "full", "in use", "naive", "first 16"]
MODES: tuple[Mode, ...] = ("full", "in use", "naive", "first 16")
Card = tuple[int, ...]
_HEAD = 16
# The sequences of a context: the prompt, the card that is being attached, and those that are being read alone.
_PROMPT, _ATTACHED, _ALONE, _SEQUENCES = 0, 1, 2, 16


@dataclass(frozen=True, slots=True)
class First:
    """What the first token of an answer took, and how likely each token was."""

    cpu: float
    wall: float
    logs: NDArray[np.float64]


class Composing(LlamaModel):
    """A model that puts a prompt together from cards that it has read apart; ``kept`` holds the state of each."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Open a context as the product does, but for several sequences in one cache."""
        import llama_cpp

        usual = llama_cpp.llama_context_default_params
        params = usual()
        params.n_seq_max, params.kv_unified = _SEQUENCES, True
        llama_cpp.llama_context_default_params = lambda: params
        try:
            super().__init__(path, name=path.name, context_tokens=settings.context_tokens, seed=settings.seed)
        finally:
            llama_cpp.llama_context_default_params = usual
        self.mode: Mode = "full"
        self.kept: dict[Card, ctypes.Array[ctypes.c_uint8]] = {}
        self.cards: dict[int, Card] = {}  # by the place in the prompt where each begins
        self.seen: frozenset[Card] = frozenset()
        self.preamble_tokens = len(self._preamble)
        self.first: First | None = None
        self._clock = (0.0, 0.0)

    def _prompt(self, turns: Sequence[Turn], thinking_tokens: int) -> list[int]:
        ids = super()._prompt(turns, thinking_tokens)
        lines = turns[-1].content.removeprefix(prompts.PREAMBLE).rpartition("\n\nQuestion: ")[0].split("\n")
        self.cards, here = {}, self.preamble_tokens
        for i, line in enumerate(lines, 1):
            card, label, _ = line.rpartition(f" [{i}]")
            said, named = self._plain(card), self._plain(f"{label}\n")
            assert ids[here : here + len(said)] == said, "a card alone has other tokens than in its prompt"
            self.cards[here] = tuple(said)
            here += len(said) + len(named)
        return ids

    def _plain(self, text: str) -> list[int]:
        return self._vocabulary.prompt_ids([prompts.Segment(text, False)])[self._vocabulary.bos is not None :]

    def keep(self, cards: Iterable[Card]) -> None:
        """Read cards alone behind the preamble, all in one batch, and keep their states."""
        import llama_cpp

        memory, start = llama_cpp.llama_get_memory(self._context), self.preamble_tokens
        new = list(dict.fromkeys(card for card in cards if card not in self.kept))
        for sequence, _ in enumerate(new, _ALONE):
            llama_cpp.llama_memory_seq_cp(memory, _PROMPT, sequence, 0, start)
        placed = ((card, sequence) for sequence, card in enumerate(new, _ALONE))
        self._decode([(token, i, sequence) for card, sequence in placed for i, token in enumerate(card, start)])
        for sequence, card in enumerate(new, _ALONE):
            llama_cpp.llama_memory_seq_rm(memory, sequence, 0, start)
            state = (ctypes.c_uint8 * llama_cpp.llama_state_seq_get_size(self._context, sequence))()
            llama_cpp.llama_state_seq_get_data(self._context, state, len(state), sequence)
            self.kept[card] = state
            llama_cpp.llama_memory_seq_rm(memory, sequence, -1, -1)

    def _begin(self, run: _Run) -> None:
        if self.mode == "list":
            return
        del self._read[self.preamble_tokens :]  # what the last prompt had there is no gain of a card
        self._whole = min(self._whole, len(self._read))
        super()._begin(run)
        if self.mode == "in use":
            self.kept.clear()
            self.keep(self.seen)
        self.first, self._clock = None, (time.process_time(), time.perf_counter())
        if self.mode != "full":
            self.keep(self.cards.values())
            for here, card in self.cards.items():
                self._attach(run.ids, here, card, _HEAD if self.mode == "first 16" else 0)

    def _attach(self, ids: Sequence[int], here: int, card: Card, anew: int) -> None:
        """Read ``ids`` up to the first ``anew`` tokens of ``card``, which begins ``here``; attach the rest as kept."""
        import llama_cpp

        memory, start, read = llama_cpp.llama_get_memory(self._context), self.preamble_tokens, len(self._read)
        self._decode([(token, place, _PROMPT) for place, token in enumerate(ids[read : here + anew], read)])
        state = self.kept[card]
        llama_cpp.llama_state_seq_set_data(self._context, state, len(state), _ATTACHED)
        llama_cpp.llama_memory_seq_rm(memory, _ATTACHED, start, start + anew)
        llama_cpp.llama_memory_seq_add(memory, _ATTACHED, -1, -1, here - start)
        llama_cpp.llama_memory_seq_cp(memory, _ATTACHED, _PROMPT, -1, -1)
        llama_cpp.llama_memory_seq_rm(memory, _ATTACHED, -1, -1)
        self._read += ids[read : here + len(card)]

    def _decode(self, rows: Sequence[tuple[int, int, int]]) -> None:
        """Read tokens, each at its place in its sequence; the logits of none are wanted."""
        import llama_cpp

        for done in range(0, len(rows), SLICE):
            part = rows[done : done + SLICE]
            batch = llama_cpp.llama_batch_init(len(part), 0, 1)
            batch.n_tokens = len(part)
            for i, (token, place, sequence) in enumerate(part):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, place, 1, 0
                batch.seq_id[i][0] = sequence
            status = llama_cpp.llama_decode(self._context, batch)
            llama_cpp.llama_batch_free(batch)
            assert not status, status

    def _tokens(self, run: _Run, limit: int, thought: bool) -> Iterator[int | None]:
        if self.mode == "list":
            return
        for token in super()._tokens(run, 1 if self.mode == "in use" else limit, thought):
            if token is not None:
                self.first = self.first or self._measured()
            yield token
        self.first = self.first or self._measured()  # an answer may end before it begins

    def _measured(self) -> First:
        import llama_cpp

        cpu, wall = time.process_time() - self._clock[0], time.perf_counter() - self._clock[1]
        size = llama_cpp.llama_vocab_n_tokens(self._vocabulary.pointer)
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._context, -1), (size,)).astype(np.float64)
        logits -= logits.max()
        return First(cpu, wall, logits - np.log(np.exp(logits).sum()))


Ask = Callable[[GoldQuestion], Outcome]
Compared = Mapping[Mode, tuple[First, Outcome]]


@dataclass(frozen=True, slots=True)
class Prompted:
    """A question that reaches the model: its cards, and those of them that an earlier question of the set had."""

    question: GoldQuestion
    cards: tuple[Card, ...]
    tokens: int
    seen: frozenset[Card]


def prompted(model: Composing, questions: Sequence[GoldQuestion], ask: Ask) -> Iterator[Prompted]:
    seen: set[Card] = set()
    for question in questions:
        model.mode, model.cards = "list", {}
        outcome = ask(question)
        if cards := tuple(model.cards.values()):
            yield Prompted(question, cards, outcome.usage.prompt_tokens, frozenset(seen.intersection(cards)))
            seen.update(cards)


def compared(model: Composing, one: Prompted, ask: Ask, *, full_last: bool) -> Compared:
    model.seen = one.seen
    found: dict[Mode, tuple[First, Outcome]] = {}
    for mode in (*MODES[1:], MODES[0]) if full_last else MODES:
        model.mode = mode
        outcome = ask(one.question)
        assert model.first
        found[mode] = model.first, outcome
    return found


def traffic(asked: Sequence[Prompted], preamble: int) -> str:
    """What the prompts consist of, and how much of their cards was seen before."""
    tokens = statistics.median(one.tokens for one in asked)
    sizes = [sum(map(len, one.cards)) for one in asked]
    seen = [len(card) for one in asked for card in one.cards if card in one.seen]
    counts = Counter(card for one in asked for card in one.cards)
    cards, again = counts.total(), sum(count for count in counts.values() if count > 1)
    return (
        f"{len(asked)} prompts, medians: {tokens:.0f} tokens, {statistics.median(sizes):.0f} of them in cards;"
        f" {preamble} are the preamble\n{cards} cards, {len(counts)} different; {len(seen)}"
        f" ({len(seen) / cards:.0%}, with {sum(seen) / sum(sizes):.0%} of the tokens) of an earlier question,"
        f" {again} ({again / cards:.0%}) of any other"
    )


def row(mode: Mode, runs: Sequence[Compared]) -> str:
    firsts = [one[mode][0] for one in runs]
    kl = [float((np.exp(one["full"][0].logs) * (one["full"][0].logs - one[mode][0].logs)).sum()) for one in runs]
    cells = [f"{1000 * statistics.median(getattr(one, clock) for one in firsts):.0f}" for clock in ("cpu", "wall")]
    cells.append(f"{sum(one[mode][0].cpu for one in runs) / sum(one['full'][0].cpu for one in runs):.2f}")
    cells.append(f"{statistics.median(kl):.3f}, {max(kl):.2f}")
    if mode != "in use":
        pairs = [(one["full"][1], one[mode][1]) for one in runs]
        cells.append(f"{sum(full.sentences == other.sentences for full, other in pairs)}/{len(pairs)}")
        cells += [_right(pairs, lambda one: one.prose), _right(pairs, lambda one: one.shown)]
        cells.append(f"{sum(len(one.sentences) for _, one in pairs)}, {sum(one.withheld for _, one in pairs)}")
        cells.append(f"{sum(one.supported for _, one in pairs)}")
    return f"| {mode} | " + " | ".join(cells) + " |"


def _right(pairs: Sequence[tuple[Outcome, Outcome]], text: Callable[[Outcome], str]) -> str:
    """In how many answers all the facts are, and how many were lost and won against the full prompt."""
    asked = [pair for pair in pairs if pair[0].gold.facts]
    judged = [tuple(all(fact.search(text(one)) for fact in one.gold.facts) for one in pair) for pair in asked]
    right, lost, won = sum(after for _, after in judged), judged.count((True, False)), judged.count((False, True))
    return f"{right}/{len(judged)} (-{lost} +{won})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="time and answer every so-many-th question only")
    arguments = parser.parse_args()
    settings = Settings.load(corpus=arguments.notes, index=arguments.index, model=str(arguments.gguf), think="off")
    model, questions = Composing(arguments.gguf, settings), read(arguments.questions)
    with Assistant.open(settings, model=model) as desk:
        desk.sync()
        documents = gold_documents(questions, settings.index)

        def ask(question: GoldQuestion) -> Outcome:
            return run(desk, [question], documents, answers=True)[0]

        asked = list(prompted(model, questions, ask))
        print(traffic(asked, model.preamble_tokens), flush=True)
        model.mode = "full"
        ask(asked[0].question)  # so that the preamble is read
        runs = [compared(model, one, ask, full_last=i % 2 > 0) for i, one in enumerate(asked[:: arguments.every])]
    print("| prompt | CPU ms | wall ms | CPU of full | KL median, max | same | checked | answer | written | gold |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for mode in MODES:
        print(row(mode, runs))


if __name__ == "__main__":
    main()
