from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag import Assistant, Settings, bench, models, scaling, speedcard, tuning
from rag.errors import RagError, SettingsError
from rag.modelfiles import CATALOGUE, STAND_IN
from tests.pages import free_port

QUESTION = "What does Alpha Desk say about copper?"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("copper", "wheat", "freight"):
        text = f"# {name}\n\nAlpha Desk says that {name} rose by 5% in January and that demand will hold.\n"
        (corpus / f"{name}.md").write_text(text, encoding="utf-8")
    return Settings.load(folder=tmp_path, corpus=corpus, index=tmp_path / "index")


def measured(
    settings: Settings, sizes: tuple[int, ...] = (), questions: tuple[str, ...] = (QUESTION,)
) -> bench.Figures:
    with Assistant.open(settings) as desk:
        desk.sync()
    return bench.run(settings, questions, sizes, lambda done, total, what: None)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is asked once, which is enough to see that it is."""
    monkeypatch.setattr(bench, "_REPEATS", 1)


def test_without_a_model_search_and_indexing_are_measured_and_the_rest_is_told(settings: Settings) -> None:
    found = measured(settings)
    assert found.note == "No model is here: rag models pull r1-1.5b"
    assert found.pace is None
    assert all(one.word is None and 0 < one.quote <= one.whole for one in [*found.cold, *found.warm.asked])
    assert (len(found.cold), len(found.warm.asked)) == (5, 5)
    assert (found.indexing.files, found.indexing.passages) == (3, 3)


@pytest.mark.usefixtures("once")
def test_a_model_s_answers_are_timed_with_the_threads_that_were_found_for_it(settings: Settings, smol: Path) -> None:
    found = measured(replace(settings, model=str(smol)))
    assert (found.note, found.model) == ("", str(smol))
    assert found.cold[0].word
    assert found.cold[0].quote < found.cold[0].word <= found.cold[0].whole
    assert found.warm.asked[0].word
    assert found.pace
    assert found.pace.tried
    assert found.pace.threads == tuning.threads_for(0)


@pytest.mark.usefixtures("once")
def test_a_server_that_does_not_answer_is_not_called_fast(settings: Settings) -> None:
    found = measured(replace(settings, model=f"http://ann:secret@127.0.0.1:{free_port()}/v1"))
    assert "wrote nothing" in found.note
    table = speedcard.report_text(found, settings)
    assert "whole answer" not in table
    assert "price" not in table


@pytest.mark.usefixtures("once")
def test_a_server_s_password_is_in_nothing_that_is_told(settings: Settings) -> None:
    found = measured(replace(settings, model=f"http://ann:secret@127.0.0.1:{free_port()}/v1"))
    told = (speedcard.report_text(found, settings), speedcard.report_json(found, settings), speedcard.picture(found))
    assert "secret" not in repr(told)


@pytest.mark.usefixtures("once")
def test_a_new_process_has_the_settings_of_this_one(settings: Settings, tmp_path: Path) -> None:
    own = '[[house]]\nname = "Alpha Desk"\nkind = "research"\naliases = ["Alpha Desk"]\ndomains = []\n'
    (tmp_path / "houses.toml").write_text(own)
    found = measured(replace(settings, houses=tmp_path / "houses.toml", chunk_words=40, candidates=7))
    assert found.cold[0].quote > 0  # and not an index that is called stale


@pytest.mark.usefixtures("once")
def test_a_question_that_looks_like_a_flag_is_a_question(settings: Settings) -> None:
    assert measured(settings, questions=("--json",)).cold[0].quote > 0


def test_the_stand_in_is_measured_where_the_default_model_is_not_here(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = tmp_path / "stand-in.gguf"
    monkeypatch.setattr(models, "find", lambda name: here if name == STAND_IN else None)
    assert bench._model(settings) == (replace(settings, model=STAND_IN), here, "")
    other = next(name for name in CATALOGUE if name != STAND_IN)
    assert bench._model(replace(settings, model=other))[2] == f"No model is here: rag models pull {other}"


def test_a_model_s_path_may_begin_at_home(settings: Settings) -> None:
    assert bench._model(replace(settings, model="~/m.gguf"))[1] == Path.home() / "m.gguf"


def test_an_index_too_small_for_a_pattern_loses_nothing_else(settings: Settings) -> None:
    found = measured(settings, (100,))
    assert found.searches == []
    assert found.indexing.files == 3
    assert "has 3 passages; a pattern needs 20" in speedcard.report_text(found, settings)


@pytest.mark.usefixtures("once")
def test_a_size_that_is_too_much_for_the_machine_loses_nothing_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = scaling.Row(100, "exact", 1.0, 0.5, {}, 200.0, 1.0)

    def run(*_: object) -> Iterator[scaling.Row]:
        yield row
        raise RagError("A process has been ended.", remedy="Name fewer --chunks.")

    monkeypatch.setattr(scaling, "run", run)
    found = measured(settings, (100, 200))
    assert (list(found.searches), found.unsearched) == ([row], "A process has been ended. Name fewer --chunks.")


def test_what_the_index_leaves_out_is_not_copied(settings: Settings) -> None:
    (settings.corpus / ".git").mkdir()
    for name in (".git/HEAD", ".git/notes.md", "picture.png"):
        (settings.corpus / name).write_text("words")
    (settings.corpus / "link.md").symlink_to(settings.corpus / "copper.md")
    assert sorted(bench._small_files(settings.corpus)) == ["copper.md", "freight.md", "wheat.md"]


def test_a_file_that_is_gone_when_it_is_copied_ends_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_small_files", lambda corpus: iter(["gone.md", "copper.md"]))
    assert bench._indexing(settings).files == 1


def test_without_a_corpus_there_is_nothing_to_index(settings: Settings) -> None:
    assert bench._indexing(replace(settings, corpus=settings.corpus / "none")).files == 0


def test_our_pace_stands_beside_that_of_llama_cpp_alone(smol: Path, settings: Settings) -> None:
    pace = bench._pace(smol, replace(settings, threads=1), False)
    assert min(pace.read, pace.written, pace.raw_read, pace.raw_written) > 0
    assert pace.most == pytest.approx(pace.bandwidth / smol.stat().st_size)


def test_an_index_that_suggests_no_question_wants_a_set(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="no question"):
        bench.run(settings, [], (), lambda done, total, what: None)
