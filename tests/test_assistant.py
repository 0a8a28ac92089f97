from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rag import Assistant, Settings
from rag.errors import CorpusMissing, IndexBusy, IndexMissing, IndexStale, SettingsError
from rag.ownership import ownership
from tests.fakes import ScriptedModel, WordEmbedder


def test_there_is_nothing_to_search_before_the_first_sync(settings: Settings) -> None:
    with Assistant.open(settings, embedder=WordEmbedder()) as desk:
        assert not desk.indexed
        with pytest.raises(IndexMissing):
            desk.search("anything")


def test_an_index_outlives_its_assistant(desk: Assistant, settings: Settings) -> None:
    with Assistant.open(settings, embedder=WordEmbedder()) as other:
        assert other.search("advanced GPUs", k=1)[0].document.path == "citi.eml"


@pytest.mark.parametrize("own", [True, False])
def test_the_owner_s_chroma_and_the_exact_scan_find_the_same(settings: Settings, own: bool) -> None:
    with Assistant.open(settings, embedder=WordEmbedder(), own=own) as desk:
        desk.sync()
        assert desk.search("rented GPUs at $2", k=3)[0].document.path == "bernstein.eml"


def test_another_embedding_model_is_recognised_and_rebuilt_only_when_told(desk: Assistant, settings: Settings) -> None:
    with pytest.raises(IndexStale, match="another embedding model"):
        Assistant.open(settings, embedder=WordEmbedder("other"))
    with Assistant.open(settings, embedder=WordEmbedder("other"), rebuild=True) as rebuilt:
        rebuilt.sync()
        assert rebuilt.search("advanced GPUs")


def test_another_chunk_size_is_recognised(desk: Assistant, settings: Settings) -> None:
    smaller = Settings.load(corpus=settings.corpus, index=settings.index, chunk_words=30)
    with pytest.raises(IndexStale):
        Assistant.open(smaller, embedder=WordEmbedder())


def test_a_missing_corpus_makes_no_index(tmp_path: Path) -> None:
    nowhere = Settings.load(corpus=tmp_path / "nowhere", index=tmp_path / "index")
    with Assistant.open(nowhere, embedder=WordEmbedder()) as desk, pytest.raises(CorpusMissing):
        desk.sync()
    assert not (tmp_path / "index" / "catalogue.sqlite").exists()


def test_refresh_does_nothing_for_an_unchanged_corpus(desk: Assistant) -> None:
    assert desk.refresh() == (None, "")


def test_refresh_brings_new_mail_in(desk: Assistant, corpus: Path) -> None:
    (corpus / "new.md").write_text("Rain is expected in Omaha.")
    report, _ = desk.refresh()
    assert report is not None
    assert report.added == ("new.md",)
    assert "Omaha" in desk.search("rain", k=1)[0].chunk.text


def test_refresh_leaves_a_busy_index_alone_and_says_so(desk: Assistant, corpus: Path, settings: Settings) -> None:
    (corpus / "new.md").write_text("Rain is expected in Omaha.")
    with ownership(settings.index):
        report, note = desk.refresh()
    assert report is None
    assert "owns the index" in note


def test_refresh_answers_from_the_index_when_the_corpus_has_gone(desk: Assistant, corpus: Path) -> None:
    corpus.rename(corpus.with_name("elsewhere"))
    report, note = desk.refresh()
    assert report is None
    assert "not there" in note


def test_a_first_index_that_somebody_else_is_building_is_an_error(settings: Settings) -> None:
    with ownership(settings.index), Assistant.open(settings, embedder=WordEmbedder()) as desk, pytest.raises(IndexBusy):
        desk.refresh()


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ({"house": "bernstein"}, {"bernstein.eml"}),
        ({"house": ["Citi", "Sanford C. Bernstein"]}, {"bernstein.eml", "citi.eml"}),
        ({"since": "2025-01-28"}, {"citi.eml", "prices.md"}),
        ({"until": "2025-01-28"}, {"bernstein.eml", "citi.eml"}),
        ({"since": "2025-01-28", "until": "2025-01-28"}, {"citi.eml"}),
    ],
)
def test_filters_name_houses_by_any_alias_and_days_inclusively(
    desk: Assistant, condition: dict[str, str], paths: set[str]
) -> None:
    assert {hit.document.path for hit in desk.search("the", 50, **condition)} == paths


@pytest.mark.parametrize(("question", "since"), [("", None), (" \n ", None), ("x" * 2001, None), ("x", "27 Jan")])
def test_a_question_that_cannot_be_asked_is_refused(desk: Assistant, question: str, since: str | None) -> None:
    with pytest.raises(SettingsError):
        desk.search(question, since=since)


def test_status_describes_the_index(desk: Assistant, settings: Settings) -> None:
    status = desk.status()
    assert (status.documents, status.files, status.index) == (3, 3, settings.index)
    assert status.houses == ("Bernstein", "Citi")


def test_closing_closes_the_model(settings: Settings) -> None:
    model = ScriptedModel()
    Assistant.open(settings, embedder=WordEmbedder(), model=model).close()
    assert model.closed


INDEXER = """
import sys
from pathlib import Path
from rag import Assistant, Settings
from tests.fakes import WordEmbedder
settings = Settings.load(corpus=Path(sys.argv[1]), index=Path(sys.argv[2]))
with Assistant.open(settings, embedder=WordEmbedder(), own=True) as desk:
    print("open", flush=True)
    desk.sync()
    print(desk.search("w1111x0 w1111x1 w1111x2")[0].document.path, desk.status().documents, flush=True)
"""


def test_an_index_killed_at_any_moment_heals_by_itself(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number in range(1500):
        (corpus / f"n{number}.md").write_text(" ".join(f"w{number}x{i}" for i in range(9)))
    command = [sys.executable, "-c", INDEXER, str(corpus), str(tmp_path / "index")]
    for delay in (0.05, 0.3, 0.6, 0.9, 1.3, 1.8):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "n1111.md 1500"


def test_an_index_that_another_process_made_meanwhile_is_kept(settings: Settings, embedder: WordEmbedder) -> None:
    with Assistant.open(settings, embedder=embedder) as late:
        with Assistant.open(settings, embedder=WordEmbedder()) as first:
            first.sync()
        late.sync()
        assert late.search("advanced GPUs", k=1)
    assert [text for text in embedder.embedded if "GPUs" in text and "|" in text] == []


def test_a_corpus_that_holds_nothing_of_the_index_is_refused(desk: Assistant, corpus: Path) -> None:
    for path in corpus.iterdir():
        path.rename(corpus.parent / path.name)
    (corpus / "stray.md").write_text("Something else altogether is here.")
    report, note = desk.refresh()
    assert report is None
    assert "None of the 3 indexed files" in note
    assert desk.search("advanced GPUs", k=1)


def test_a_question_in_a_wrong_encoding_can_be_asked(desk: Assistant) -> None:
    assert desk.search("chips \udce9", k=1)


def test_the_last_day_of_the_calendar_is_a_day(desk: Assistant) -> None:
    assert desk.search("chips", until="9999-12-31")


_LEFT_AT_ONCE = """
import sys
from rag import Assistant, Settings
desk = Assistant.open(Settings.load(corpus=sys.argv[1], index=sys.argv[2]))
desk.sync()
desk.preload()
"""


def test_a_process_may_end_while_its_models_are_being_loaded(settings: Settings) -> None:
    command = [sys.executable, "-c", _LEFT_AT_ONCE, str(settings.corpus), str(settings.index)]
    codes = [subprocess.run(command, capture_output=True).returncode for _ in range(4)]
    assert codes == [0, 0, 0, 0]


def test_a_question_that_is_refused_loads_no_model(settings: Settings, embedder: WordEmbedder) -> None:
    with Assistant.open(settings, embedder=embedder) as desk:
        desk.sync()
        reply = desk.ask("What did Goldman Sachs say about Tesla?")
        assert (reply.refused, reply.answer.model) == (True, None)
        assert desk.loader.choice.told == "It is loaded for the first question."
