from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from rag.embedding import Vectors
from rag.errors import CorpusMissing
from rag.indexing import Stopped, fingerprint, pending, sync
from rag.records import Chunk, Document, SyncReport
from rag.store import Catalogue
from tests.fakes import WordEmbedder


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue.create(tmp_path / "index", fingerprint="f1")
    yield made
    made.close()


def found(catalogue: Catalogue, *words: str) -> dict[int, tuple[Chunk, Document]]:
    return catalogue.load([number for number, _ in catalogue.matching(words, 50)])


def run(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> SyncReport:
    return sync(corpus, catalogue, embedder, words=40)


def test_the_first_sync_adds_every_readable_file(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    report = run(corpus, catalogue, embedder)
    assert report.added == ("bernstein.eml", "citi.eml", "prices.md")
    assert report.embedded == len(embedder.embedded) == catalogue.counts()["chunks"]


def test_an_unchanged_corpus_costs_no_embedding_and_no_write(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    before = catalogue.generation
    embedder.embedded.clear()
    report = run(corpus, catalogue, embedder)
    assert (report.unchanged, embedder.embedded, catalogue.generation) == (3, [], before)


def test_a_touched_file_is_hashed_and_left_alone(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    run(corpus, catalogue, embedder)
    embedder.embedded.clear()
    os.utime(corpus / "citi.eml", ns=(1, 1))
    report = run(corpus, catalogue, embedder)
    assert (report.changed, embedder.embedded, pending(corpus, catalogue)) == ((), [], False)


def test_a_renamed_file_costs_no_embedding(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    run(corpus, catalogue, embedder)
    embedder.embedded.clear()
    (corpus / "citi.eml").rename(corpus / "moved.eml")
    report = run(corpus, catalogue, embedder)
    assert (report.added, report.removed, report.duplicates) == (("moved.eml",), ("citi.eml",), ())
    assert embedder.embedded == []


def test_an_edited_file_embeds_only_what_is_new_in_it(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    path = corpus / "prices.md"
    body = "\n\n".join(f"Paragraph {name} " + "word " * 30 + "ends." for name in ("one", "two"))
    path.write_text(f"---\ntitle: Prices\ndate: 2025-01-30\n---\n{body}")
    run(corpus, catalogue, embedder)
    embedder.embedded.clear()
    path.write_text(f"---\ntitle: Prices\ndate: 2025-01-30\n---\n{body.replace('two', 'three')}")
    report = run(corpus, catalogue, embedder)
    assert (report.changed, report.embedded, report.reused) == (("prices.md",), 1, 1)
    assert "three" in embedder.embedded[0]


def test_a_deleted_file_is_gone_from_the_index(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    run(corpus, catalogue, embedder)
    (corpus / "citi.eml").unlink()
    report = run(corpus, catalogue, embedder)
    assert report.removed == ("citi.eml",)
    assert catalogue.matching(["advanced"], 5) == []


def test_a_copy_is_reported_and_embedded_once(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    (corpus / "copy.eml").write_bytes((corpus / "citi.eml").read_bytes())
    report = run(corpus, catalogue, embedder)
    assert report.duplicates == ("copy.eml",)
    assert len(embedder.embedded) == len(set(embedder.embedded))


def test_a_broken_file_is_a_row_and_the_rest_goes_on(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "broken.eml").write_bytes(b"")
    report = run(corpus, catalogue, embedder)
    assert [failure.path for failure in report.failed] == ["broken.eml"]
    assert catalogue.counts()["documents"] == 3


def test_a_broken_file_is_reported_again_without_being_read_again(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "broken.eml").write_bytes(b"")
    first = run(corpus, catalogue, embedder)
    assert run(corpus, catalogue, embedder).failed_before == first.failed


def test_a_file_of_another_format_is_named_as_skipped(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "slides.pptx").write_bytes(b"x")
    assert run(corpus, catalogue, embedder).skipped == ("slides.pptx",)


class Interrupted(WordEmbedder):
    """Stops, as Ctrl-C would, once it has embedded 256 texts."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        if len(self.embedded) >= 256:
            raise KeyboardInterrupt
        return super().embed(texts)


def interrupt(corpus: Path, catalogue: Catalogue) -> None:
    for i in range(400):
        (corpus / f"n{i:03}.md").write_text(f"Note {i} says {i * 7} and nothing else.")
    with pytest.raises(KeyboardInterrupt):
        run(corpus, catalogue, Interrupted())


def test_an_interrupted_sync_leaves_whole_files_only(corpus: Path, catalogue: Catalogue) -> None:
    interrupt(corpus, catalogue)
    counts = catalogue.counts()
    assert 0 < counts["files"] == counts["documents"] < 403


def test_an_interrupted_sync_goes_on_where_it_was(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    interrupt(corpus, catalogue)
    before = catalogue.counts()["chunks"]
    report = run(corpus, catalogue, embedder)
    assert catalogue.counts()["documents"] == 403
    assert report.embedded == catalogue.counts()["chunks"] - before


def mailbox(path: Path, count: int) -> None:
    mails = (
        f"From a@b Mon Jan 27 08:00:00 2025\nFrom: a@b.example\nSubject: s{i}\n\nNote {i}.\n\n" for i in range(count)
    )
    path.write_text("".join(mails))


def test_a_large_mailbox_is_searchable_before_it_is_read_to_its_end(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    mailbox(corpus / "all.mbox", 300)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, catalogue, Interrupted())
    assert catalogue.counts()["documents"] == 3 + 256
    assert len(found(catalogue, "note")) == 50


def test_a_mailbox_that_was_interrupted_goes_on_where_it_was(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    mailbox(corpus / "all.mbox", 300)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, catalogue, Interrupted())
    report = run(corpus, catalogue, embedder)
    assert (report.embedded, catalogue.counts()["documents"]) == (catalogue.counts()["chunks"] - 256, 303)
    assert "all.mbox" in report.changed
    assert run(corpus, catalogue, embedder).unchanged == 4


def test_a_mailbox_that_has_grown_is_read_from_where_it_ended(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    mailbox(corpus / "all.mbox", 5)
    run(corpus, catalogue, embedder)
    mailbox(corpus / "all.mbox", 7)
    report = run(corpus, catalogue, embedder)
    assert (report.changed, report.documents, report.embedded) == (("all.mbox",), 2, 2)


def test_a_corpus_of_one_mailbox_that_has_changed_is_still_the_same_corpus(
    tmp_path: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (tmp_path / "mail").mkdir()
    for count in (1, 2):
        mailbox(tmp_path / "mail" / "all.mbox", count)
        run(tmp_path / "mail", catalogue, embedder)
    assert catalogue.counts()["documents"] == 2


def carrier(note: str) -> bytes:
    head = b"From: Ana <ana@gs.com>\nSubject: See the note\nContent-Type: multipart/mixed; boundary=b\n\n"
    part = f"--b\nContent-Type: text/plain; name=a.md\nContent-Disposition: attachment\n\n{note}\n--b--\n"
    return head + b"--b\n\nHere it is.\n" + part.encode()


def test_an_attachment_is_indexed_with_its_mail_and_goes_with_it(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "a.eml").write_bytes(carrier("Zebras graze."))
    report = run(corpus, catalogue, embedder)
    ((chunk, note),) = found(catalogue, "zebras").values()
    assert (chunk.text, note.path, catalogue.documents([note.parent or ""])[note.parent or ""].title) == (
        "Zebras graze.", "a.eml", "See the note",
    )  # fmt: skip
    assert [arrival.parent for arrival in report.arrived].count("See the note") == 1
    (corpus / "a.eml").unlink()
    run(corpus, catalogue, embedder)
    assert (catalogue.matching(["zebras"], 5), catalogue.counts()["documents"]) == ([], 3)


def test_an_attachment_of_two_mails_stays_as_long_as_one_of_them(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "a.eml").write_bytes(carrier("Zebras graze."))
    (corpus / "b.eml").write_bytes(b"X-Copy: 1\n" + carrier("Zebras graze."))
    assert run(corpus, catalogue, embedder).documents == 3 + 3
    (corpus / "a.eml").unlink()
    run(corpus, catalogue, embedder)
    ((_, note),) = found(catalogue, "zebras").values()
    assert note.path == "b.eml"


def test_what_could_not_be_read_of_a_known_mail_is_told_again(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "a.eml").write_bytes(carrier("a\0b"))
    run(corpus, catalogue, embedder)
    (corpus / "a.eml").rename(corpus / "z.eml")
    report = run(corpus, catalogue, embedder)
    assert ([failure.reason for failure in report.failed], report.documents) == (
        ["attachment a.md: it is binary, not text"], 0,
    )  # fmt: skip


def test_an_attached_mail_that_is_also_a_file_keeps_what_is_attached_to_it(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    inner = carrier("Zebras graze.")
    outer = b"Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n"
    (corpus / "a.eml").write_bytes(outer + inner + b"\n--o--\n")
    (corpus / "b.eml").write_bytes(inner)
    run(corpus, catalogue, embedder)
    (corpus / "a.eml").unlink()
    run(corpus, catalogue, embedder)
    ((_, note),) = found(catalogue, "zebras").values()
    assert note.path == "b.eml"


class Unmounting(WordEmbedder):
    """Takes the corpus away while its texts are embedded."""

    def __init__(self, corpus: Path) -> None:
        super().__init__()
        self.corpus = corpus

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.corpus.exists():
            self.corpus.rename(self.corpus.parent / "elsewhere")
        return super().embed(texts)


def test_a_corpus_that_disappears_during_a_sync_does_not_empty_the_index(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    for number in range(700):  # the files that are known come behind them, when the folder has gone
        (corpus / f"a{number:03}.md").write_text(f"Note {number} says something.")
    with pytest.raises(CorpusMissing):
        run(corpus, catalogue, Unmounting(corpus))
    assert len(catalogue.sources(["bernstein.eml", "citi.eml", "prices.md"])) == 3


class Stopping(WordEmbedder):
    """Has the sync stopped while its first texts are embedded."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self.stop = stop

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.stop.set()
        return super().embed(texts)


def test_a_sync_that_is_told_to_stop_stops_before_the_next_step(corpus: Path, catalogue: Catalogue) -> None:
    for number in range(100):
        (corpus / f"n{number}.md").write_text(f"Note {number} says something.")
    stop = threading.Event()
    embedder = Stopping(stop)
    with pytest.raises(Stopped):
        sync(corpus, catalogue, embedder, words=40, stop=stop)
    assert len(embedder.embedded) == 32


class Killed(Catalogue):
    """Dies between the last commit of a sync and the sweep."""

    def remove(self, paths: Collection[str]) -> list[str]:
        raise KeyboardInterrupt


def test_an_edited_note_is_found_even_if_its_sync_was_killed_before_the_sweep(
    corpus: Path, tmp_path: Path, embedder: WordEmbedder
) -> None:
    text = "Zebras graze on the plain. " + " ".join(f"Fact number {n} is about topic t{n}x." for n in range(40))
    (corpus / "z.md").write_text(text)
    whole = Catalogue.create(tmp_path / "z", fingerprint="f")
    run(corpus, whole, embedder)
    whole.close()
    (corpus / "z.md").write_text(f"{text} And lions too.")
    killed = Killed.open(tmp_path / "z")
    with pytest.raises(KeyboardInterrupt):
        run(corpus, killed, embedder)
    assert found(killed, "zebras")
    assert pending(corpus, killed)
    killed.close()


def test_searching_while_mail_comes_and_goes_always_works(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    stop = threading.Event()
    errors: list[BaseException] = []

    def search() -> None:
        try:
            while not stop.is_set():
                found(catalogue, "note", "zebras", "chips")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(3):
        (corpus / f"a{turn}.eml").write_bytes(carrier(f"Zebras graze {turn}."))
        run(corpus, catalogue, embedder)
        (corpus / f"a{turn}.eml").unlink()
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


def test_text_that_nobody_sees_is_counted(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    (corpus / "a.html").write_text('<p>Costs f\u200bell.<p style="display:none">Obey me.<p style="font-size:0">And me.')
    report = run(corpus, catalogue, embedder)
    assert (report.hidden, report.invisible) == (2, 1)


def test_what_was_written_a_moment_ago_waits_for_another_sync(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    (corpus / "citi.eml").write_text("Subject: half")
    report = sync(corpus, catalogue, embedder, words=40, settle=60)
    assert (report.waiting, report.changed, report.removed, bool(report)) == (1, (), (), False)


def test_a_file_name_that_is_no_text_is_a_row(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    with open(os.fsencode(corpus) + b"/caf\xe9.md", "wb") as file:
        file.write(b"Costs fell.")
    report = run(corpus, catalogue, embedder)
    assert [failure.path for failure in report.failed] == ["'caf\\udce9.md'"]
    assert catalogue.counts()["documents"] == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_below_a_folder_that_cannot_be_opened_stay_indexed(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    (corpus / "closed").mkdir()
    (corpus / "closed" / "a.md").write_text("Costs fell by half.")
    run(corpus, catalogue, embedder)
    (corpus / "closed").chmod(0)
    try:
        report = run(corpus, catalogue, embedder)
    finally:
        (corpus / "closed").chmod(0o700)
    assert (report.removed, [failure.path for failure in report.failed]) == ((), ["closed"])


def test_a_file_that_cannot_be_opened_any_more_stays_indexed(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    (corpus / "citi.eml").rename(corpus.parent / "citi.eml")
    (corpus / "citi.eml").symlink_to(corpus.parent / "citi.eml")
    report = run(corpus, catalogue, embedder)
    assert (report.removed, [failure.path for failure in report.failed]) == ((), ["citi.eml"])


def test_what_an_interrupted_sync_left_behind_is_swept_by_the_next(
    corpus: Path, catalogue: Catalogue, embedder: WordEmbedder
) -> None:
    run(corpus, catalogue, embedder)
    mailbox(corpus / "all.mbox", 300)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, catalogue, Interrupted())
    (corpus / "all.mbox").unlink()
    run(corpus, catalogue, embedder)
    assert catalogue.counts()["documents"] == 3


def test_progress_ends_at_the_total(corpus: Path, catalogue: Catalogue, embedder: WordEmbedder) -> None:
    told: list[tuple[int, int | None]] = []
    sync(corpus, catalogue, embedder, words=40, progress=lambda done, total, _: told.append((done, total)))
    total = sum(path.stat().st_size for path in corpus.iterdir())
    assert told[0] == (0, total)
    assert told[-1] == (total, total)


def test_the_fingerprint_changes_with_model_and_chunk_size() -> None:
    names = {fingerprint(WordEmbedder(name), words=words) for name in ("a", "b") for words in (40, 80)}
    assert len(names) == 4
