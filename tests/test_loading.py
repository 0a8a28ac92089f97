"""Which model answers, and how one takes the place of another."""

from __future__ import annotations

import gc
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from rag import Assistant, Settings
from rag.errors import ModelUnavailable
from rag.loading import Abandoned, ModelLoader
from rag.modelfiles import Generation, ModelFile
from rag.models import models_folder
from tests import tiny_gguf
from tests.fakes import ScriptedModel, WordEmbedder

QUESTION = "what does Bernstein say about the $5M?"
PROSE = "Bernstein calls the claim of $5M wrong [1]. It leaves out earlier research [1]."


def file(name: str, path: Path) -> ModelFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    return ModelFile(name=name, repo="", file=path.name, size=size, licence="MIT", sha256=digest, reads="tests only")


@pytest.fixture
def catalogue(tmp_path: Path) -> MappingProxyType[str, ModelFile]:
    """Two models that are here, one that is too small to answer, one whose file no model can be loaded from."""
    folder = models_folder()
    folder.mkdir(parents=True)
    r1 = file("first", tiny_gguf.write_r1(folder / "first.gguf"))
    chat = file("second", tiny_gguf.write_chatml(folder / "second.gguf"))
    (folder / "broken.gguf").write_bytes(b"GGUF")
    broken = file("broken", folder / "broken.gguf")
    small = replace(chat, name="small", generation=Generation(prose=False))
    return MappingProxyType({model.name: model for model in (r1, chat, small, broken)})


@pytest.fixture
def scripted() -> ScriptedModel:
    return ScriptedModel(PROSE)


@pytest.fixture
def desk(
    settings: Settings, catalogue: MappingProxyType[str, ModelFile], scripted: ScriptedModel
) -> Iterator[Assistant]:
    with Assistant.open(settings, embedder=WordEmbedder(), model=scripted, models=catalogue) as assistant:
        assistant.sync()
        yield assistant


def settle(desk: Assistant) -> None:
    deadline = time.monotonic() + 30
    while not (desk.loader.choice.ready or desk.loader.choice.failed) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_another_model_answers_from_the_next_question_on(desk: Assistant, scripted: ScriptedModel) -> None:
    assert desk.ask(QUESTION).answer.model == "scripted"
    desk.choose("first")
    answer = desk.ask(QUESTION).answer
    assert answer.model == "first"
    assert scripted.closed
    assert desk.settings.model == "first"
    assert desk.status().model == "first"
    assert (desk.loader.choice.name, desk.loader.choice.ready) == ("first", True)


def test_a_reply_under_way_ends_with_the_model_it_has(desk: Assistant, scripted: ScriptedModel) -> None:
    reply = desk.ask(QUESTION)
    prose = iter(reply)
    begun = next(prose)
    desk.choose("second")
    time.sleep(0.3)
    assert not scripted.closed
    assert begun + "".join(prose) == PROSE
    assert reply.answer.model == "scripted"
    settle(desk)
    assert scripted.closed
    assert desk.loader.choice.name == "second"


def test_the_new_model_is_loaded_only_when_the_old_one_is_closed(desk: Assistant) -> None:
    prose = iter(desk.ask(QUESTION))
    next(prose)
    desk.choose("first")
    time.sleep(0.3)
    assert not desk.loader.choice.ready
    list(prose)
    settle(desk)
    assert desk.loader.choice.ready


def test_a_reply_that_nobody_holds_keeps_no_model(desk: Assistant, scripted: ScriptedModel) -> None:
    next(iter(desk.ask(QUESTION)))
    gc.collect()
    desk.choose("first")
    settle(desk)
    assert scripted.closed


def test_the_last_of_several_choices_counts(desk: Assistant) -> None:
    for name in ("first", "second", "first", "second"):
        desk.choose(name)
    assert desk.ask(QUESTION).answer.model == "second"


def test_a_model_that_cannot_be_loaded_says_why_and_the_quotes_are_the_answer(desk: Assistant) -> None:
    desk.choose("broken")
    answer = desk.ask(QUESTION).answer
    assert (answer.text, bool(answer.quotes)) == ("", True)
    assert "llama.cpp can load" in answer.note
    settle(desk)
    assert desk.loader.choice.failed
    assert "Pull it again" in desk.loader.choice.told


def test_after_one_that_cannot_be_loaded_another_can_be_chosen(desk: Assistant) -> None:
    desk.choose("broken")
    settle(desk)
    desk.choose("first")
    assert desk.ask(QUESTION).answer.model == "first"


@pytest.mark.parametrize("name", ["/etc/passwd", "http://127.0.0.1:9", "first.gguf", "r1-7b"])
def test_what_is_not_of_the_catalogue_is_refused(desk: Assistant, name: str) -> None:
    with pytest.raises(ModelUnavailable):
        desk.choose(name)
    assert desk.ask(QUESTION).answer.model == "scripted"


def test_a_model_that_is_too_small_to_answer_is_refused(desk: Assistant) -> None:
    with pytest.raises(ModelUnavailable, match="too small"):
        desk.choose("small")


def test_a_file_that_was_given_at_the_start_can_be_chosen_again(
    settings: Settings, catalogue: MappingProxyType[str, ModelFile], tmp_path: Path
) -> None:
    own = tiny_gguf.write_r1(tmp_path / "own.gguf")
    given = replace(settings, model=str(own))
    with Assistant.open(given, embedder=WordEmbedder(), models=catalogue) as desk:
        desk.sync()
        desk.choose("first")
        desk.choose(str(own))
        assert desk.ask(QUESTION).answer.model == "own.gguf"


def test_a_model_that_is_not_in_use_is_measured_beside_it(desk: Assistant, scripted: ScriptedModel) -> None:
    assert desk.loader.measure("first", stop=threading.Event()).written > 0
    assert not scripted.closed
    assert desk.loader.choice.name == "scripted"


def test_the_model_in_use_is_measured_itself_and_goes_on(desk: Assistant) -> None:
    desk.choose("first")
    settle(desk)
    desk.loader.measure("first", stop=threading.Event())
    assert desk.ask(QUESTION).answer.model == "first"


def test_a_measurement_waits_for_replies_and_can_be_stopped(desk: Assistant) -> None:
    prose, stop = iter(desk.ask(QUESTION)), threading.Event()
    next(prose)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Abandoned):
        desk.loader.measure("first", stop=stop)
    assert list(prose)


def test_a_measurement_does_not_wait_for_ever_behind_a_reply_that_nobody_reads(
    settings: Settings, catalogue: MappingProxyType[str, ModelFile], scripted: ScriptedModel
) -> None:
    loader = ModelLoader(settings, scripted, catalogue, patience=0.1)
    with (
        closing(loader),
        loader.using(stop=threading.Event()),
        pytest.raises(ModelUnavailable, match="busy") as told,
    ):
        loader.measure("first", stop=threading.Event())
    assert told.value.remedy


def test_a_measurement_that_waits_ends_with_the_desk(
    settings: Settings, catalogue: MappingProxyType[str, ModelFile], scripted: ScriptedModel
) -> None:
    loader = ModelLoader(settings, scripted, catalogue)
    with loader.using(stop=threading.Event()):
        threading.Timer(0.2, loader.close).start()
        with pytest.raises(Abandoned):
            loader.measure("first", stop=threading.Event())


def test_what_is_not_here_is_not_measured(desk: Assistant) -> None:
    (models_folder() / "first.gguf").unlink()
    with pytest.raises(ModelUnavailable, match="not here"):
        desk.loader.measure("first", stop=threading.Event())


def test_closing_while_a_choice_waits_closes_both(
    settings: Settings, catalogue: MappingProxyType[str, ModelFile]
) -> None:
    old = ScriptedModel(PROSE)
    desk = Assistant.open(settings, embedder=WordEmbedder(), model=old, models=catalogue)
    desk.sync()
    prose = iter(desk.ask(QUESTION))
    next(prose)
    desk.choose("first")
    desk.close()
    deadline = time.monotonic() + 10
    while not old.closed and time.monotonic() < deadline:
        time.sleep(0.02)
    assert old.closed


def test_a_real_model_that_is_exchanged_while_it_writes_ends_its_sentence(desk: Assistant) -> None:
    desk.choose("first")
    settle(desk)
    prose = iter(desk.ask(QUESTION))
    next(prose)
    desk.choose("second")
    assert "".join(prose)
    assert desk.ask(QUESTION).answer.model == "second"
