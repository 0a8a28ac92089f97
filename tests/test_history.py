from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rag import Assistant, Settings, SyncReport
from rag.history import remember
from tests.fakes import WordEmbedder

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_sync_that_changed_something_is_kept_over_a_restart(settings: Settings) -> None:
    with Assistant.open(settings, embedder=WordEmbedder()) as desk:
        desk.sync()
    with Assistant.open(settings, embedder=WordEmbedder()) as desk:
        assert [one.documents for one in desk.history().syncs] == [3]


def test_a_sync_that_found_nothing_is_not_kept(desk: Assistant) -> None:
    desk.sync()
    assert len(desk.history().syncs) == 1


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["syncs", "skipped", "skipped_count", "unopened", "path", "reason", "at"]), inner
            )
        ),
    ).map(json.dumps)
    | st.sampled_from(["{", "", "[" * 100_000, '{"syncs": [{"at": "2026-01-02", "left_out": {}}]}'])
)
def test_a_damaged_history_is_no_error(desk: Assistant, stored: str) -> None:
    desk._known().remember("syncs", stored)
    found = desk.history()
    assert all(isinstance(path, str) for path in found.skipped)
    assert isinstance(found.skipped_count, int)
    assert found.syncs == ()


def test_only_the_last_twenty_are_kept(desk: Assistant) -> None:
    for number in range(30):
        remember(desk._known(), SyncReport(added=("x",), documents=number), NOON)
    assert [one.documents for one in desk.history().syncs] == list(range(29, 9, -1))


def test_what_is_of_another_format_or_cannot_be_opened_is_kept_until_it_is_gone(desk: Assistant, corpus: Path) -> None:
    (corpus / "picture.png").write_bytes(b"x")
    (corpus / "link.eml").symlink_to(corpus / "citi.eml")
    desk.sync()
    history = desk.history()
    assert (history.skipped, history.skipped_count) == (("picture.png",), 1)
    assert [one.path for one in history.unopened] == ["link.eml"]
    (corpus / "picture.png").unlink()
    (corpus / "link.eml").unlink()
    desk.sync()
    assert (desk.history().skipped, desk.history().unopened) == ((), ())


def test_what_is_in_the_catalogue_as_a_failure_is_not_kept_twice(desk: Assistant, corpus: Path) -> None:
    (corpus / "broken.pdf").write_bytes(b"no pdf")
    desk.sync()
    assert desk.history().unopened == ()
    assert desk.history().syncs[0].failed == 1
