"""The lists of the inbox: whatever a mail, a file or a reason says, the markup is ours."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.contents import Entry, HouseCount, Listing, Twin
from rag.errors import CorpusMissing
from rag.history import History, PastSync
from rag.indexing import Stopped
from rag.page import listing
from rag.records import Failure, SyncReport
from rag.upkeep import State
from tests.pages import ATTRIBUTES, OURS, Reader

DAY = datetime(2025, 1, 27, 9, tzinfo=UTC)


class Drawn(Reader):
    """The lists have a bar, a file's path and cells that span, besides."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        assert tag in OURS | {"progress", "code"}
        assert {name for name, _ in attrs} <= ATTRIBUTES | {"scope", "colspan", "max", "value"}


def entry(text: str = "On chips", **changes: object) -> Entry:
    facts: dict[str, object] = {"attachment": "", "parent": None, "passages": 3, "repeats": 0, "copies": 0}
    return Entry(text, text, text, text, DAY, text, text, **{**facts, **changes})  # type: ignore[arg-type]


@given(st.text(alphabet=st.sampled_from("<>&\"'/ aimgsrc=`$;#x\0\u202e\n" + "{}")))
def test_no_text_becomes_markup(text: str) -> None:
    one = entry(text, attachment=text, parent=text)
    history = History((PastSync(DAY, 1, left_out={text: 1}),), (text,), 1, (Failure(text, text),))
    for drawn in (
        listing.table(Listing((one,), 1, 0, {DAY.date(): 1}), text),
        listing.table(Listing(), text),
        listing.folds([one], history, [Failure(text, text)], ([Twin(text, text)], 1), [HouseCount(text, 1, DAY)]),
        listing.standing(State(syncing=True, done=1, total=2, doing=text), None),
        listing.standing(State(outcome=CorpusMissing(text, remedy=text)), {"files": 1, "documents": 1, "passages": 1}),
        listing.empty(Path("/" + text.replace("\0", ""))),
    ):
        assert Drawn(drawn).elements  # each of which, and its attributes, it has compared with ours


def test_a_row_says_who_what_and_what_it_came_with() -> None:
    one = entry(attachment="zinc.txt", parent="With a file", repeats=2, copies=4)
    words = Drawn(listing.table(Listing((one,), 1, 0, {DAY.date(): 1}), "")).words
    for part in ("Mon 27 Jan 2025", "On chips", "zinc.txt", "With a file", "2 said elsewhere", "repeated by 4"):
        assert part in words


def test_a_row_opens_its_document() -> None:
    assert 'data-passage="On chips"' in listing.table(Listing((entry(),), 1, 0, {}), "")


def test_a_title_of_nothing_can_be_pressed() -> None:
    assert "(no subject)" in Drawn(listing.table(Listing((entry("\u200b"),), 1, 0, {}), "")).words


def test_rows_stand_under_their_day_with_its_count() -> None:
    drawn = listing.table(Listing((entry(), entry()), 90, 50, {date(2025, 1, 27): 7}), "")
    assert drawn.count("rowgroup") == 1
    assert "Mon 27 Jan 2025 7" in Drawn(drawn).words
    assert "51 to 52 of 90" in Drawn(drawn).words


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State(syncing=True), "looking for what is new"),
        (State(syncing=True, done=1, total=4, doing="indexing"), "25%, indexing"),
        (State(following=True), "New mail shows up by itself."),
        (State(), "Press “Re-index now”"),
        (State(outcome=SyncReport()), "Nothing new was found."),
        (State(outcome=SyncReport(added=("x",))), "1 added"),
        (State(outcome=Stopped()), "What was read by then is kept"),
        (State(outcome=CorpusMissing("It is gone.", remedy="Fetch it.")), "Fetch it."),
        (State(outcome=ZeroDivisionError("secret")), "its terminal says where"),
    ],
)
def test_how_things_stand_is_told_in_words(state: State, told: str) -> None:
    words = Drawn(listing.standing(state, None)).words
    assert told in words
    assert "secret" not in words


def test_what_was_not_read_is_told_with_what_to_do() -> None:
    failure = Failure("scan.pdf", "it holds pictures only (no text layer)")
    words = Drawn(listing.folds([], History(), [failure], ((), 0), [])).words
    assert "Not readable (1)" in words
    assert "text recognition" in words


def test_of_many_failures_the_first_are_shown_and_the_rest_counted() -> None:
    drawn = listing.folds([], History(), [Failure("x", "y")] * 10_000, ((), 0), [])
    assert drawn.count("<tr>") < 2 * listing.SHOWN
    assert "and 9,950 more" in drawn


def test_an_empty_corpus_teaches_where_mail_goes() -> None:
    words = Drawn(listing.empty(Path("/mail/here"))).words
    assert "/mail/here" in words
    assert "rag index --imap" in words
