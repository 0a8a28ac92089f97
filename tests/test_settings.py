from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.settings import Settings


def write(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def test_a_keyword_beats_the_environment_and_that_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "[tool.rag]\nquotes = 2\nseed = 2\nthreads = 2\n")
    monkeypatch.setenv("RAG_QUOTES", "3")
    monkeypatch.setenv("RAG_SEED", "3")
    found = Settings.load(folder=tmp_path, quotes=5)
    assert (found.quotes, found.seed, found.threads) == (5, 3, 2)


def test_another_process_with_its_environment_has_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, '[tool.rag]\nquotes = 2\nhouses = "mine.toml"\nmodel = "r1-7b"\n')
    ours = replace(Settings.load(folder=tmp_path, quotes=5, index=tmp_path / "i"), houses=None, model="", seed=4)
    for name, value in ours.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load(folder=tmp_path) == ours


def test_paths_in_the_file_count_from_the_file(tmp_path: Path) -> None:
    write(tmp_path, '[tool.rag]\ncorpus = "mail"\nindex = "built"\n')
    found = Settings.load(folder=tmp_path)
    assert (found.corpus, found.index) == (tmp_path / "mail", tmp_path / "built")


def test_the_folder_s_own_corpus_and_index_are_used_where_they_exist(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    found = Settings.load(folder=tmp_path)
    assert (found.corpus, found.index) == (tmp_path / "corpus", tmp_path / "index")


def test_elsewhere_the_user_s_data_folder_is_used(tmp_path: Path) -> None:
    found = Settings.load(folder=tmp_path)
    assert found.corpus.is_relative_to(tmp_path / "data")
    assert found.index.is_relative_to(tmp_path / "data")


def test_a_corpus_that_was_named_never_shares_the_index_of_the_folder(tmp_path: Path) -> None:
    for name in ("corpus", "other", "third"):
        (tmp_path / name).mkdir()
    indexes = {Settings.load(folder=tmp_path, corpus=name).index for name in ("corpus", "other", "third")}
    assert len(indexes) == 3


def test_the_folder_s_own_corpus_keeps_its_index_when_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    assert Settings.load(folder=tmp_path, corpus="corpus").index == tmp_path / "index"


@pytest.mark.parametrize(
    "line", ["chunks = 3", "candidates = 0", 'quotes = "many"', "quotes = true", 'think = "long"', "chunk_words = 999",
             "context_tokens = 12", "threads = -1", "answer_tokens = 4000", "electricity = true",
             "watts_per_core = nan", "electricity = -0.1"],
)  # fmt: skip
def test_an_unknown_or_useless_value_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, f"[tool.rag]\n{line}\n")
    with pytest.raises(SettingsError):
        Settings.load(folder=tmp_path)


@pytest.mark.parametrize("text", ["[tool.rag", "tool = 3", "tool = 3\n[tool.rag]", "[tool]\nrag = 3"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        Settings.load(folder=tmp_path)


def test_no_folder_is_made(tmp_path: Path) -> None:
    Settings.load(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["quotes", "answer_tokens", "threads"])
def test_a_negative_number_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must not be negative"):
        Settings.load(folder=tmp_path, **{name: -1})


def test_a_folder_s_own_file_may_not_name_a_server(tmp_path: Path) -> None:
    write(tmp_path, '[tool.rag]\nmodel = "http://192.0.2.2:8080"\n')
    with pytest.raises(SettingsError, match="names a server"):
        Settings.load(folder=tmp_path)


@pytest.mark.parametrize("name", ["corpus", "index"])
def test_an_empty_path_is_no_path(tmp_path: Path, name: str) -> None:
    assert Settings.load(folder=tmp_path, **{name: ""}) == Settings.load(folder=tmp_path)


def test_a_home_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nosuchuser"):
        Settings.load(folder=tmp_path, corpus="~nosuchuser/mail")
