from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import CorpusMissing
from rag.records import SourceFile
from rag.scanning import Known, Sighting, identified, sightings


def nothing(paths: Sequence[str]) -> dict[str, SourceFile]:
    return {}


def remembering(seen: list[Sighting]) -> Known:
    known = {sighting.path: sighting.source for sighting in seen}
    return lambda paths: {path: known[path] for path in paths if path in known}


def look(root: Path, known: Known = nothing) -> list[Sighting]:
    return list(identified(root, sightings(root, known), known))


def states(root: Path, known: Known = nothing) -> dict[str, str]:
    return {sighting.path: sighting.state for sighting in look(root, known)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("a.md", "b.eml"):
        (folder / name).write_text(name)
    return folder


def test_everything_is_new_to_an_empty_index(root: Path) -> None:
    assert states(root) == {"a.md": "added", "b.eml": "added"}


def test_nothing_differs_from_what_was_seen_before(root: Path) -> None:
    assert set(states(root, remembering(look(root))).values()) == {"unchanged"}


def test_other_bytes_are_a_change_and_the_same_bytes_are_none(root: Path) -> None:
    known = remembering(look(root))
    (root / "a.md").write_text("other")
    os.utime(root / "b.eml", ns=(1, 1))
    assert states(root, known) == {"a.md": "changed", "b.eml": "touched"}


def test_a_file_that_was_begun_and_not_finished_is_read_again(root: Path) -> None:
    assert states(root, lambda paths: {"a.md": SourceFile("a.md", "", 0, 0)})["a.md"] == "changed"


def test_the_hash_is_of_the_bytes(root: Path) -> None:
    (root / "b.eml").write_bytes((root / "a.md").read_bytes())
    assert len({sighting.source.sha256 for sighting in look(root)}) == 1


def test_what_was_written_a_moment_ago_waits(root: Path) -> None:
    os.utime(root / "b.eml", (time.time() - 60,) * 2)
    found = {sighting.path: sighting.state for sighting in sightings(root, nothing, settle=30)}
    assert found == {"a.md": "waiting", "b.eml": "added"}


def test_a_message_of_a_maildir_is_whole_when_it_is_seen(root: Path) -> None:
    (root / "new").mkdir()
    (root / "new" / "1.host").write_text("Subject: a\n\nb")
    assert {s.path: s.state for s in sightings(root, nothing, settle=30)}["new/1.host"] == "added"


def test_a_file_from_the_future_does_not_wait_for_it(root: Path) -> None:
    os.utime(root / "a.md", (time.time() + 3600,) * 2)
    assert next(sightings(root, nothing, settle=30)).state == "added"


def test_other_formats_are_skipped_and_hidden_files_left_alone(root: Path) -> None:
    for name in ("slides.pptx", ".hidden.md"):
        (root / name).write_text("x")
    (root / ".git").mkdir()
    (root / ".git" / "c.md").write_text("x")
    assert states(root) == {"a.md": "added", "b.eml": "added", "slides.pptx": "skipped"}


def test_of_a_maildir_only_whole_messages_are_seen(root: Path) -> None:
    for folder in ("Mail/cur", "Mail/new", "Mail/tmp", "Mail/.Sent/cur", "Mail/.Sent/new", "Mail/.Sent/tmp"):
        (root / folder).mkdir(parents=True)
        (root / folder / "1.host").write_text("Subject: a\n\nb")
    assert [path for path in states(root) if "/" in path] == [
        "Mail/.Sent/cur/1.host", "Mail/.Sent/new/1.host", "Mail/cur/1.host", "Mail/new/1.host",
    ]  # fmt: skip


def test_a_folder_called_tmp_is_read_where_there_is_no_maildir(root: Path) -> None:
    (root / "tmp").mkdir()
    (root / "tmp" / "a.md").write_text("x")
    assert "tmp/a.md" in states(root)


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "c.md").write_text("secret")
    (root / "link.md").symlink_to(tmp_path / "secret" / "c.md")
    (root / "folder").symlink_to(tmp_path / "secret")
    found = {sighting.path: sighting.reason for sighting in look(root) if sighting.state == "failed"}
    assert found == {"link.md": "it is a symbolic link", "folder": "it is a symbolic link"}


def test_a_name_that_is_no_text_is_told_in_ascii(root: Path) -> None:
    with open(os.fsencode(root) + b"/caf\xe9.md", "wb") as file:
        file.write(b"x")
    assert states(root)["'caf\\udce9.md'"] == "failed"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_opened_is_told(root: Path) -> None:
    (root / "closed").mkdir(mode=0)
    assert states(root)["closed"] == "failed"


def vanishing(seen: Callable[[], None]) -> Known:
    def known(paths: Sequence[str]) -> dict[str, SourceFile]:
        seen()
        return {}

    return known


def test_a_file_that_vanishes_while_it_is_looked_at_is_no_failure(root: Path) -> None:
    known = vanishing((root / "a.md").unlink)
    found = sightings(root, known)
    assert [sighting.path for sighting in identified(root, found, nothing)] == ["b.eml"]


def test_a_missing_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing, match="nowhere"):
        list(sightings(tmp_path / "nowhere", nothing))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.sampled_from("xy"), st.sampled_from("xyz"))))
def test_every_file_is_in_one_state_that_its_bytes_explain(root: Path, files: dict[str, tuple[str, str]]) -> None:
    for path in root.iterdir():
        path.unlink()
    for name, (before, _) in files.items():
        (root / f"{name}.md").write_text(before)
    known = remembering(look(root))
    for name, (_, after) in files.items():
        (root / f"{name}.md").write_text(after)
        os.utime(root / f"{name}.md", ns=(1, 1))
    assert states(root, known) == {
        f"{name}.md": "touched" if before == after else "changed" for name, (before, after) in files.items()
    }
