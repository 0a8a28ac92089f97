from pathlib import Path

from rag.settings import Settings
from rag.status import status


def test_without_an_index_there_are_no_documents(tmp_path: Path) -> None:
    found = status(Settings.load(corpus=tmp_path, index=tmp_path / "index"), None)
    assert (found.files, found.documents, found.chunks, found.houses, found.fingerprint) == (0, 0, 0, (), "")


def test_a_server_s_password_is_not_told(tmp_path: Path) -> None:
    settings = Settings.load(index=tmp_path, model="https://ann:secret@host:80/v1?key=secret")
    assert status(settings, None).model == "https://host:80/v1"


def test_whether_the_model_is_here_is_asked_of_the_catalogue_that_is_given(tmp_path: Path) -> None:
    settings = Settings.load(index=tmp_path, model="stand-in-1.5b")
    assert not status(settings, None).model_is_here
    assert status(settings, None, models={}).model_is_here  # no name that it knows: a path, which loading will judge
