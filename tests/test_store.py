from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from rag.errors import IndexDamaged, IndexLocked, IndexMissing, IndexStale
from rag.facets import Facets
from rag.records import Chunk, Document, Failure, Role, SourceFile, Voice
from rag.schema import FILE, Batch, Entry, Filters, KnownFile, Passage
from rag.store import Catalogue

OWNER_ONLY = 0o600


@pytest.fixture
def catalogue(tmp_path: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201
    made = Catalogue.create(tmp_path / "index", fingerprint="f1")
    yield made
    made.close()


def document(name: str, text: str, house: str = "Bernstein", day: int = 27) -> tuple[Document, list[Entry]]:
    voice = Voice(0, len(text), house, None, "author")
    date = datetime(2025, 1, day, 12, tzinfo=UTC)
    doc = Document(name, "", "note", name.title(), text, date, None, house, voices=(voice,), meta={"to": "us"})
    chunk = Chunk(f"{name}:0", name, 0, len(text), text, voice)
    return doc, [Entry(chunk, f"{house} {name}", "usd5000000" if "$5M" in text else "", f"digest {text}")]


def source(path: str, sha256: str = "s") -> SourceFile:
    return SourceFile(path, sha256, 3, 4)


def add(
    catalogue: Catalogue, path: str, *documents: tuple[Document, list[Entry]], failures: tuple[Failure, ...] = ()
) -> None:
    vectors = {entry.digest: np.full(4, 0.5, dtype=np.float32) for _, entries in documents for entry in entries}
    ids = [doc.id for doc, _ in documents]
    new = [pair for pair in documents if pair[0].id not in catalogue.known_documents(ids)]
    catalogue.add(Batch(new, vectors, [(KnownFile(source(path), failures), ids)]))


def texts(catalogue: Catalogue, word: str) -> list[str]:
    return [
        chunk.text for chunk, _ in catalogue.load([number for number, _ in catalogue.matching([word], 10)]).values()
    ]


def test_what_was_added_comes_back_whole(catalogue: Catalogue) -> None:
    doc, entries = document("a", "Costs fell.")
    add(catalogue, "x/a.md", (doc, entries))
    ((chunk, loaded),) = catalogue.load(sorted(catalogue.all_numbers())).values()
    assert chunk == entries[0].chunk
    assert loaded == Document(**{**{f: getattr(doc, f) for f in doc.__slots__}, "path": "x/a.md"})


def test_words_are_found_by_stem_header_and_term(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell to $5M."))
    assert [texts(catalogue, query) for query in ("cost", "bernstein", "usd5000000", "other")] == [
        ["Costs fell to $5M."], ["Costs fell to $5M."], ["Costs fell to $5M."], [],
    ]  # fmt: skip


def test_a_score_is_that_of_bm25_over_all_words_at_once(catalogue: Catalogue) -> None:
    for name, text in {
        "a": "Costs fell to $5M.",
        "b": "Costs rose and prices fell.",
        "c": "Chips.",
        "d": "Who?",
    }.items():
        add(catalogue, f"{name}.md", document(name, text))
    query = "SELECT rowid, -bm25(words, 0.5, 1.0, 1.0) FROM words WHERE words MATCH 'costs OR prices' ORDER BY 2 DESC"
    expected = dict(catalogue._read(query))
    assert dict(catalogue.matching(["costs", "prices"], 10, header=0.5)) == pytest.approx(expected, rel=1e-5)


def test_the_best_match_comes_first_and_among_equals_the_first(catalogue: Catalogue) -> None:
    for name in "abcd":
        add(
            catalogue,
            f"{name}.md",
            document(name, "Costs and margins fell." if name == "c" else "Costs fell, they say."),
        )
    first, *others = [number for number, _ in catalogue.matching(["margins", "costs"], 3)]
    assert (first, others) == (3, [1, 2])


def test_only_what_is_allowed_matches(catalogue: Catalogue) -> None:
    for name in "abc":
        add(catalogue, f"{name}.md", document(name, "Costs fell."))
    assert [number for number, _ in catalogue.matching(["costs"], 10, {2, 3, 99})] == [2, 3]


@pytest.mark.parametrize("word", ["", '"', "OR", "a*", "NEAR(", "terms:", "co-founder", "\0", "$5"])
def test_no_word_is_an_operator(catalogue: Catalogue, word: str) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    assert catalogue.matching([word, "costs"], 10)[0][0] == 1


def test_a_word_is_counted_in_all_its_inflections(catalogue: Catalogue) -> None:
    for name, text in {"a": "Costs fell.", "b": "The cost.", "c": "Costing."}.items():
        add(catalogue, f"{name}.md", document(name, text))
    assert (catalogue.frequencies(["costs", "price"]), catalogue.size) == ({"costs": 3, "price": 0}, 3)


def test_what_is_remembered_of_words_and_names_is_forgotten_when_the_index_changes(catalogue: Catalogue) -> None:
    for name in "ab":
        add(catalogue, f"{name}.md", document(name, "Costs fell.", f"House {name}"))
        found = catalogue.matching(["costs"], 10), catalogue.frequencies(["costs"]), catalogue.houses()
    assert (len(found[0]), found[1], found[2]) == (2, {"costs": 2}, ("House a", "House b"))


def test_a_copy_is_not_found_until_its_original_goes(catalogue: Catalogue) -> None:
    for name in "ab":
        add(catalogue, f"{name}.md", document(name, f"Costs fell, says {name}."))
    catalogue.add(Batch((), {}, (), copies={"b:0": "a"}))
    assert (texts(catalogue, "costs"), catalogue.size) == (["Costs fell, says a."], 1)
    catalogue.remove(["a.md"])
    assert (texts(catalogue, "costs"), catalogue.size) == (["Costs fell, says b."], 1)


def test_the_word_index_agrees_with_the_chunks_after_every_change(catalogue: Catalogue) -> None:
    for name in "abc":
        add(catalogue, f"{name}.md", document(name, f"Costs fell, says {name}."))
    catalogue.add(Batch((), {}, (), copies={"b:0": "a", "c:0": "a"}))
    add(catalogue, "a.md", document("d", "Costs rose."))
    catalogue.remove(["c.md"])
    catalogue._read("INSERT INTO words (words) VALUES ('integrity-check')")  # raises if they differ
    assert sorted(texts(catalogue, "costs")) == ["Costs fell, says b.", "Costs rose."]


def test_a_passage_is_what_is_searched_of_a_chunk(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell to $5M."))
    assert catalogue.passages([1, 2]) == {1: Passage("Bernstein a", "Costs fell to $5M.", "usd5000000", "Bernstein")}


def test_who_speaks_is_the_person_of_the_voice_or_the_author_of_the_document(catalogue: Catalogue) -> None:
    for name, voice in {"a": ("Ann", "author"), "b": (None, "author"), "c": (None, "quoted")}.items():
        doc, (entry,) = document(name, f"Costs fell, says {name}.")
        spoken = replace(entry.chunk.voice, person=voice[0], role=voice[1])  # type: ignore[arg-type]
        doc = replace(doc, author="Author", voices=(spoken,))
        add(catalogue, f"{name}.md", (doc, [replace(entry, chunk=replace(entry.chunk, voice=spoken))]))
    assert catalogue.people() == ("Ann", "Author")
    assert catalogue.numbers(Filters(people=("Author",))) == {2}
    assert catalogue.houses_of(["Ann"]) == ("Bernstein",)


def test_the_dates_are_those_of_the_first_and_the_last_passage(catalogue: Catalogue) -> None:
    assert catalogue.dates() is None
    for name, day in {"a": 27, "b": 3, "c": 9}.items():
        add(catalogue, f"{name}.md", document(name, f"Costs fell, says {name}.", day=day))
    assert catalogue.dates() == (datetime(2025, 1, 3, 12, tzinfo=UTC), datetime(2025, 1, 27, 12, tzinfo=UTC))


def test_a_fact_is_remembered_and_changes_no_generation(catalogue: Catalogue) -> None:
    before = catalogue.generation
    for value in ("0.4", "0.5"):
        catalogue.remember("gate", value)
    assert (catalogue.fact("gate"), catalogue.fact("other"), catalogue.generation) == ("0.5", None, before)


def test_the_catalogue_s_own_facts_cannot_be_overwritten(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="generation"):
        catalogue.remember("generation", "7")


def test_a_removed_file_takes_its_documents_words_and_vectors_along(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    catalogue.remove(["a.md"])
    assert catalogue.counts() == {"files": 0, "documents": 0, "chunks": 0}
    assert texts(catalogue, "costs") == []
    assert catalogue.known_vectors(["digest Costs fell."]) == {}


def test_the_census_tells_what_was_not_seen(catalogue: Catalogue) -> None:
    for path in ("a.md", "b/c.md", "b0.md"):
        add(catalogue, path, document(path, "Costs fell."))
    with catalogue.census() as census:
        census.see("a.md")
        census.see("new.md")
        census.see_below("b")
        assert census.missing() == ["b0.md"]


def test_a_document_that_was_attached_goes_with_its_mail(catalogue: Catalogue) -> None:
    mail, note = document("m", "See the note."), document("n", "Costs fell.")
    vectors = {entry.digest: np.full(4, 0.5, dtype=np.float32) for _, entries in (mail, note) for entry in entries}
    catalogue.add(Batch([mail, note], vectors, [(KnownFile(source("m.eml"), ()), ["m"])], attachments=[("m", "n")]))
    assert (texts(catalogue, "costs"), catalogue.documents(["n"])["n"].parent) == (["Costs fell."], "m")
    catalogue.remove(["m.eml"])
    assert catalogue.counts()["documents"] == 0


def test_the_date_of_a_passage_is_that_of_the_message_it_is_quoted_from(catalogue: Catalogue) -> None:
    doc, (entry,) = document("a", "Costs fell.")
    voice = replace(entry.chunk.voice, date=datetime(2025, 1, 20, tzinfo=UTC), cue=(0, 5))
    doc = replace(doc, voices=(voice,))
    add(catalogue, "a.eml", (doc, [replace(entry, chunk=replace(entry.chunk, voice=voice))]))
    assert len(catalogue.numbers(Filters(until=datetime(2025, 1, 21, tzinfo=UTC)))) == 1
    ((chunk, _),) = catalogue.load(sorted(catalogue.all_numbers())).values()
    assert chunk.voice == voice


def test_a_document_stays_as_long_as_one_file_holds_it(catalogue: Catalogue) -> None:
    for path in ("a.md", "b.md"):
        add(catalogue, path, document("a", "Costs fell."))
    catalogue.remove(["a.md"])
    ((_, loaded),) = catalogue.load(sorted(catalogue.all_numbers())).values()
    assert loaded.path == "b.md"


def test_copies_are_files_that_hold_nothing_of_their_own(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    add(catalogue, "b.mbox", document("a", "Costs fell."), document("b", "Prices too."))
    assert catalogue.held_twice(["a.md", "b.mbox"]) == ["a.md"]


def test_a_document_that_no_file_holds_is_never_loaded(catalogue: Catalogue) -> None:
    doc, entries = document("a", "Costs fell.")
    catalogue.add(Batch([(doc, entries)], {entries[0].digest: np.ones(4, dtype=np.float32)}, []))
    assert texts(catalogue, "costs") == []


def test_a_replaced_file_loses_its_old_documents(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    add(catalogue, "a.md", document("b", "Costs rose."))
    catalogue.remove([])
    assert texts(catalogue, "costs") == ["Costs rose."]


def test_a_failing_batch_leaves_nothing_behind(catalogue: Catalogue) -> None:
    doc, entries = document("a", "Costs fell.")
    before = catalogue.generation
    with pytest.raises(IndexDamaged):
        catalogue.add(Batch([(doc, entries)], {}, []))  # the chunk's vector is missing
    assert (catalogue.counts()["documents"], catalogue.generation) == (0, before)


def test_failures_are_remembered_with_their_file(catalogue: Catalogue) -> None:
    failure = Failure("a.mbox#3", "no text")
    add(catalogue, "a.mbox", failures=(failure,))
    assert catalogue.file_failures() == {"a.mbox": (failure,)}


def test_a_new_time_changes_no_generation(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    before = catalogue.generation
    catalogue.touch([SourceFile("a.md", "s", 3, 99)])
    assert (catalogue.sources(["a.md"])["a.md"].mtime_ns, catalogue.generation) == (99, before)


def voiced(name: str, kind: str, *spoken: tuple[str, Role]) -> tuple[Document, list[Entry]]:
    """A document in which houses speak, each of them ten letters."""
    voices = tuple(Voice(10 * i, 10 * i + 10, house, None, role) for i, (house, role) in enumerate(spoken))
    text = "".join(f"{name}, {i}: Yes. "[:10] for i in range(len(voices)))
    doc = replace(document(name, text)[0], kind=kind, voices=voices)
    chunks = [Chunk(f"{name}:{one.start}", name, one.start, one.end, text[one.start : one.end], one) for one in voices]
    return doc, [Entry(chunk, "", "", f"digest {chunk.text}") for chunk in chunks]


@pytest.fixture
def talk(catalogue: Catalogue) -> Catalogue:
    mail = voiced("a", "email", ("Citi", "author"), ("UBS", "quoted"), ("UBS", "quoted"))
    note = voiced("b", "note", ("UBS", "author"), ("Citi", "quoted"))
    add(catalogue, "all.mbox", mail, note, voiced("c", "email", ("Citi", "author")))
    return catalogue


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(role="author"), {"a, 0: Yes.", "b, 0: Yes.", "c, 0: Yes."}),
        (Filters(role="quoted"), {"a, 1: Yes.", "a, 2: Yes.", "b, 1: Yes."}),
        (Filters(kind="note"), {"b, 0: Yes.", "b, 1: Yes."}),
        (Filters(houses=("UBS",), role="quoted", kind="email"), {"a, 1: Yes.", "a, 2: Yes."}),
        (Filters(houses=("UBS",), kind="memo"), set()),
    ],
)
def test_filters_choose_by_voice_and_kind(talk: Catalogue, filters: Filters, expected: set[str]) -> None:
    numbers = talk.numbers(filters)
    assert {chunk.text for chunk, _ in talk.load(sorted(numbers)).values()} == expected
    assert {number for number, _ in talk.matching(["yes"], 9, numbers)} == numbers


def test_facets_count_documents_and_not_passages(talk: Catalogue) -> None:
    assert talk.facets() == Facets(
        {"Citi": 3, "UBS": 2}, {date(2025, 1, 27): 3}, {"own": 3, "quoted": 2}, {"email": 2, "note": 1}
    )


def test_facets_follow_the_index_and_leave_copies_out(talk: Catalogue) -> None:
    talk.facets()
    doc, entries = document("d", "Yes again.", "Jefferies", 28)
    add(talk, "d.md", (doc, entries))
    assert talk.facets().houses["Jefferies"] == 1
    talk.add(Batch([], {}, [], copies={entries[0].chunk.id: "a"}))
    assert ("Jefferies" in talk.facets().houses, date(2025, 1, 28) in talk.facets().days) == (False, False)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(houses=("Citi",)), {"Prices too."}),
        (Filters(since=datetime(2025, 1, 28, tzinfo=UTC)), {"Prices too."}),
        (Filters(until=datetime(2025, 1, 28, tzinfo=UTC)), {"Costs fell."}),
        (Filters(houses=("Citi",), until=datetime(2025, 1, 28, tzinfo=UTC)), set()),
    ],
)
def test_filters_choose_by_house_and_day(catalogue: Catalogue, filters: Filters, expected: set[str]) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    add(catalogue, "b.md", document("b", "Prices too.", "Citi", 28))
    found = catalogue.load(sorted(catalogue.numbers(filters)))
    assert {chunk.text for chunk, _ in found.values()} == expected


def test_numbers_are_never_given_twice(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    first = catalogue.all_numbers()
    catalogue.remove(["a.md"])
    add(catalogue, "b.md", document("b", "Prices too."))
    assert catalogue.all_numbers().isdisjoint(first)


def test_more_numbers_than_sqlite_has_variables_can_be_loaded(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    assert len(catalogue.load(list(range(40_000)))) == 1


def test_no_index_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        Catalogue.open(tmp_path)


def test_another_fingerprint_makes_the_index_stale(catalogue: Catalogue) -> None:
    with pytest.raises(IndexStale, match="another embedding model"):
        Catalogue.open(catalogue.folder, fingerprint="f2")


def test_an_empty_file_is_no_index(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(IndexMissing):
        Catalogue.open(tmp_path)


def test_a_file_that_is_no_catalogue_is_damaged_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, " * 400)
    with pytest.raises(IndexDamaged):
        Catalogue.open(tmp_path, fingerprint="f1")


def test_nobody_else_may_read_the_catalogue(catalogue: Catalogue) -> None:
    assert (catalogue.folder / FILE).stat().st_mode & 0o777 == OWNER_ONLY


def test_a_process_killed_in_a_transaction_leaves_the_index_as_it_was(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    script = (
        "import os, sys; from rag.store import Catalogue; from pathlib import Path\n"
        "c = Catalogue.open(Path(sys.argv[1]))\n"
        "with c._write() as connection:\n"
        "    connection.execute('DELETE FROM files'); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(catalogue.folder)], check=False)
    assert done.returncode == -9
    with_again = Catalogue.open(catalogue.folder, fingerprint="f1")
    assert texts(with_again, "costs") == ["Costs fell."]
    with_again.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexLocked, match="file"):
        Catalogue.create(tmp_path / "file", fingerprint="f1")


def test_the_catalogue_writes_ahead_and_waits_for_the_disk(catalogue: Catalogue) -> None:
    with sqlite3.connect(catalogue.folder / FILE) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert next(catalogue._read("PRAGMA synchronous")) == (2,)


def test_an_index_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    script = (
        "import os, sys, sqlite3; from pathlib import Path; from rag import store\n"
        "store._SCHEMA = 'CREATE TABLE facts (name, value);'\n"
        "sys.addaudithook(lambda event, _: os.kill(os.getpid(), 9) if event == 'os.rename' else None)\n"
        "store.Catalogue.create(Path(sys.argv[1]), fingerprint='f')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    with pytest.raises(IndexMissing):
        Catalogue.open(tmp_path)


def test_forgotten_documents_are_swept_even_if_no_file_goes(catalogue: Catalogue) -> None:
    doc, entries = document("a", "Costs fell.")
    catalogue.add(Batch([(doc, entries)], {entries[0].digest: np.ones(4, dtype=np.float32)}, []))
    catalogue.remove([])
    assert catalogue.counts()["documents"] == 0


def test_sweeping_nothing_changes_no_generation(catalogue: Catalogue) -> None:
    add(catalogue, "a.md", document("a", "Costs fell."))
    before = catalogue.generation
    catalogue.remove([])
    assert catalogue.generation == before


def test_ctrl_c_beside_a_transaction_is_no_damage(catalogue: Catalogue) -> None:
    def committed_then_stopped() -> None:
        with catalogue._transaction() as connection:
            connection.execute("COMMIT")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        committed_then_stopped()
