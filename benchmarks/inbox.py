"""Index a generated inbox: messages a second, peak memory, and the seconds from landing to being found.

    python benchmarks/inbox.py 1000 10000 50000          # sizes; without the embedding model
    python benchmarks/inbox.py --embed 1000              # with it
    python benchmarks/inbox.py --watch 10000             # from landing to searchable

Every size is measured in a process of its own. The mails are made of random words, so that no two are alike; each
has about 60 words, one in ten carries an attachment, and they lie in one Maildir.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from rag import Assistant, Settings
from rag.embedding import Embedder, SentenceTransformerEmbedder, Vectors

_SYLLABLES = "ba be bi bo ca ce co da de di do fa fe fi fo ga ge go ha la le li lo ma me mi mo na ne no pa pe".split()
_HOUSES = "bernsteinsg.com citi.com jefferies.com gs.com mizuhogroup.com bmo.com db.com example.com".split()


class NoModel:
    """An embedder that costs next to nothing: what is left is our own work."""

    fingerprint = "none"

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(crc32(text.encode())).standard_normal(384, np.float32) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows])


def words(chance: random.Random, count: int) -> str:
    spoken = ("".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(count))
    return " ".join(spoken)


def mail(number: int) -> bytes:
    chance = random.Random(number)
    person, domain = words(chance, 1), chance.choice(_HOUSES)
    head = (
        f"From: {person.title()} Smith <{person}@{domain}>\nTo: desk@fund.example\nMessage-ID: <{number}@{domain}>\n"
        f"Date: Mon, 27 Jan 2025 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0000\n"
        f"Subject: {words(chance, 4)}\nMIME-Version: 1.0\n"
    )
    body = "\n".join(f"{words(chance, 12).capitalize()} {chance.randint(1, 99)}%." for _ in range(5))
    if number % 10:
        return f"{head}Content-Type: text/plain\n\n{body}\n".encode()
    note = f"--b\nContent-Type: text/plain; name=note.txt\nContent-Disposition: attachment\n\n{words(chance, 40)}.\n"
    return f"{head}Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{body}\n{note}--b--\n".encode()


def fill(maildir: Path, count: int) -> None:
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    for number in range(count):
        (maildir / "cur" / f"{1_737_960_000 + number}.M{number}.host:2,S").write_bytes(mail(number))


def measured(count: int, embed: bool, watch: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        fill(corpus / "Mail", count)
        embedder: Embedder = SentenceTransformerEmbedder() if embed else NoModel()
        settings = Settings.load(folder=Path(folder), corpus=corpus, index=Path(folder, "index"))
        embedder.embed(["warm"])
        before = peak()
        with Assistant.open(settings, embedder=embedder, own=watch) as desk:
            started = time.monotonic()
            report = desk.sync()
            seconds = time.monotonic() - started
            started = time.monotonic()
            desk.sync()
            again = time.monotonic() - started
            row = {
                "mails": count,
                "documents": report.documents,
                "seconds": round(seconds, 2),
                "mails_per_second": round(count / seconds, 1),
                "nothing_new_seconds": round(again, 2),
                "peak_mb": round(peak()),
                "peak_mb_before": round(before),
                "failed": len(report.failed),
            }
            return row | {"landing_to_found_seconds": landing(desk, corpus)} if watch else row


def landing(desk: Assistant, corpus: Path) -> float:
    """The median over five mails of the seconds from the rename into ``new`` to a search that finds it."""
    stop = threading.Event()
    follower = threading.Thread(target=desk.follow, args=(stop, lambda report: None, lambda error: None))
    follower.start()
    desk.search("warm", k=1)
    time.sleep(2)
    taken = []
    for number in range(5):
        secret = f"zebra{number}xylophone"
        half = corpus / "Mail" / "tmp" / f"landing{number}.host"
        half.write_bytes(f"From: a@citi.com\nSubject: {secret}\n\nThe {secret} has landed.\n".encode())
        half.rename(corpus / "Mail" / "new" / half.name)
        started = time.monotonic()
        while not any(secret in hit.chunk.text for hit in desk.search(secret, k=3)):
            time.sleep(0.1)  # a closer watch would take the processor from what it waits for
        taken.append(time.monotonic() - started)
    stop.set()
    follower.join()
    return round(sorted(taken)[2], 2)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--embed", action="store_true", help="with the embedding model")
    parser.add_argument("--watch", action="store_true", help="measure landing to found, too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for size in arguments.sizes:
        if arguments.here:
            sys.stdout.write(json.dumps(measured(size, arguments.embed, arguments.watch)) + "\n")
            continue
        options = [flag for flag in ("--embed", "--watch") if getattr(arguments, flag[2:])]
        subprocess.run([sys.executable, __file__, str(size), "--here", *options], check=True)


if __name__ == "__main__":
    main()
