"""Measure `rag` beside LlamaIndex on one machine: the same notes, questions, embedding model and GGUF.

    python -m venv beside && beside/bin/pip install torch==2.13.0 chromadb==1.5.9 llama-cpp-python==0.3.36 \\
        llama-index-core llama-index-vector-stores-chroma llama-index-embeddings-huggingface llama-index-llms-llama-cpp
    python -m benchmarks.beside QUESTIONS.jsonl NOTES --gguf MODEL.gguf --embedding FOLDER --rival beside/bin/python

Three stacks, each in a process of its own that begins with an empty index: ours; LlamaIndex with its defaults; and
LlamaIndex tuned as its documentation advises (smaller chunks, four of them, the model's own chat form, all cores, a
streamed answer in compact mode). A row for each: seconds to index; from process start to the first evidence of the
first question, with the index there; then, warm, the median and the 95th percentile over the other questions to the
first evidence, the first token and the whole answer; peak memory; of how many answerable questions a gold string stands
in the first four passages, and in how many answers all the facts that are asked for. Evidence is what a reader could be
shown: our quotes, which are single lines, and LlamaIndex's nodes. The figure for its evidence is of a retrieval alone;
its answer retrieves once more, some hundredths of a second of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_PASSAGES = 4
STACKS = ("rag", "llamaindex", "llamaindex-tuned")
Row = dict[str, Any]
Asked = tuple[list[str], Iterator[str], Callable[[str], str]]
"""The passages that were found for a question, the pieces of the answer as they come, and what is shown for them."""


def ours(notes: Path, index: Path, gguf: Path, _: Path) -> Callable[[str], Asked]:
    """Open our index, building it where there is none."""
    from rag import Assistant, Settings

    desk = Assistant.open(Settings.load(corpus=notes, index=index, model=str(gguf), think="off"))
    if not desk.indexed:
        desk.sync()
    desk.preload()

    def ask(question: str) -> Asked:
        reply = desk.ask(question)
        return [quote.text for quote in reply.quotes], iter(reply), lambda _: reply.answer.text

    return ask


def theirs(notes: Path, index: Path, gguf: Path, embedding: Path, *, tuned: bool) -> Callable[[str], Asked]:
    """Open LlamaIndex's index in Chroma, building it where there is none."""
    import chromadb
    from llama_index.core import Settings, SimpleDirectoryReader, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.llms.llama_cpp import LlamaCPP
    from llama_index.vector_stores.chroma import ChromaVectorStore

    Settings.embed_model = HuggingFaceEmbedding(model_name=str(embedding))
    if tuned:
        Settings.node_parser = SentenceSplitter(chunk_size=128, chunk_overlap=16)
    collection = chromadb.PersistentClient(str(index)).get_or_create_collection("notes")
    store = ChromaVectorStore(chroma_collection=collection)
    if collection.count():
        found = VectorStoreIndex.from_vector_store(store)
    else:
        documents = SimpleDirectoryReader(str(notes)).load_data()
        found = VectorStoreIndex.from_documents(
            documents, storage_context=StorageContext.from_defaults(vector_store=store)
        )
    form: dict[str, Any] = {}
    if tuned:
        form = {
            "completion_to_prompt": lambda text: f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n",
            "model_kwargs": {"n_threads": os.cpu_count(), "n_batch": 512},
            "context_window": 2048,
        }
    model = LlamaCPP(model_path=str(gguf), verbose=False, temperature=0.0 if tuned else 0.1, **form)
    engine = found.as_query_engine(llm=model, streaming=True, **({"similarity_top_k": 4} if tuned else {}))
    retriever = found.as_retriever(similarity_top_k=_PASSAGES)

    def ask(question: str) -> Asked:
        passages = [node.get_content() for node in retriever.retrieve(question)]
        answer: Any = engine.query
        return passages, (piece for piece in answer(question).response_gen), str

    return ask


def measure(
    stack: str, notes: Path, index: Path, gguf: Path, embedding: Path, questions: Sequence[Row]
) -> dict[str, object]:
    """One process's figures: with no question it only builds the index."""
    began = float(os.environ["BESIDE_BEGAN"])
    if stack == "rag":
        ask = ours(notes, index, gguf, embedding)
    else:
        ask = theirs(notes, index, gguf, embedding, tuned=stack.endswith("tuned"))
    if not questions:
        return {"index": time.time() - began, "index_peak": _peak()}
    cold = 0.0
    rows: list[tuple[float, float, float]] = []
    hits: list[bool] = []
    right: list[bool] = []
    for row in questions:
        asked = time.time()
        passages, pieces, shown = ask(row["q"])
        evidence = time.time()
        cold = cold or evidence - began
        first, written = 0.0, []
        for piece in pieces:
            first = first or (time.time() if piece else 0.0)
            written.append(piece)
        answer = shown("".join(written))
        ended = time.time()
        rows.append((evidence - asked, (first or ended) - asked, ended - asked))
        if row.get("quotes"):
            hits.append(any(_plain(gold) in _plain(text) for gold in row["quotes"] for text in passages[:_PASSAGES]))
            right.append(all(re.search(fact, answer, re.IGNORECASE) for fact in row["facts"]))
    figures: dict[str, object] = {"cold_evidence": cold, "cold_whole": rows[0][2], "peak": _peak()}
    figures |= {"hits": f"{sum(hits)}/{len(hits)}", "right": f"{sum(right)}/{len(right)}"}
    for place, name in enumerate(("evidence", "first_token", "whole")):
        column = sorted(row[place] for row in rows[1:])  # the first question loads the model
        figures |= {f"{name}_median": statistics.median(column), f"{name}_p95": column[int(0.95 * len(column))]}
    return figures


def _peak() -> int:
    """The largest resident memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def run(arguments: argparse.Namespace, stack: str, index: str, *, asking: bool) -> Row:
    """One process of ``stack``, and what it measured."""
    python = sys.executable if stack == "rag" else arguments.rival
    command = [python, __file__, str(arguments.questions), str(arguments.notes), "--gguf", str(arguments.gguf)]
    command += ["--embedding", str(arguments.embedding), "--stack", stack, "--index", index]
    environment = os.environ | {"BESIDE_BEGAN": str(time.time()), "HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "0"}
    done = subprocess.run(
        [*command, "--ask"] if asking else command, env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    figures: Row = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--embedding", type=Path, required=True, help="a sentence-transformers folder")
    parser.add_argument("--rival", help="the Python of an environment with LlamaIndex")
    parser.add_argument("--stack", choices=STACKS, help=argparse.SUPPRESS)
    parser.add_argument("--index", help=argparse.SUPPRESS)
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    lines = arguments.questions.read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines if line.strip()]
    if arguments.stack:
        asked = questions if arguments.ask else []
        figures = measure(
            arguments.stack, arguments.notes, Path(arguments.index), arguments.gguf, arguments.embedding, asked
        )
        print(json.dumps(figures))
        return
    for stack in STACKS if arguments.rival else STACKS[:1]:
        with tempfile.TemporaryDirectory() as index:
            built = run(arguments, stack, index, asking=False)
            print(stack, json.dumps(built | run(arguments, stack, index, asking=True)), flush=True)


if __name__ == "__main__":
    main()
