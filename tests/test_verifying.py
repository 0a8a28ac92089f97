from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st

from rag import Assistant, Settings
from rag.errors import SettingsError
from rag.houses import use
from rag.modelfiles import CATALOGUE
from rag.store import Catalogue
from rag.verifying import Finding, Verification, model_digest, verification_json, verification_text, verify
from tests.conftest import BERNSTEIN, NOTE
from tests.fakes import WordEmbedder
from tests.receipted import JSON, Asked, ask, ask_in, sealed

ACME = '[[house]]\nname = "Acme"\nkind = "research"\naliases = ["Acme"]\ndomains = ["bernsteinsg.com"]\n'


def sync(settings: Settings, *, rebuild: bool = False) -> None:
    with Assistant.open(settings, embedder=WordEmbedder(), rebuild=rebuild) as desk:
        desk.sync()


def checked(facts: object, settings: Settings, here: str | None = "0" * 64) -> Verification:
    with closing(Catalogue.open(settings.index)) as catalogue:
        return verify(facts, catalogue, lambda name: here)


def of(found: Verification, check: str, number: int | None = None) -> Finding:
    return next(one for one in found.findings if (one.check, one.number) == (check, number))


# The corpus is read in a child process, which takes half a second: it is asked once, and copied to be changed.
@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return ask_in(tmp_path_factory.mktemp("receipts"))


@pytest.fixture
def settings(asked: Asked, tmp_path: Path) -> Settings:
    """A corpus and an index of the test's own."""
    for name in ("corpus", "index"):
        shutil.copytree(getattr(asked.settings, name), tmp_path / name)
    return replace(asked.settings, corpus=tmp_path / "corpus", index=tmp_path / "index")


@pytest.fixture
def facts(asked: Asked) -> dict[str, Any]:
    """A receipt of the test's own."""
    return copy.deepcopy(asked.facts)


@pytest.fixture(scope="module")
def catalogue(asked: Asked) -> Iterator[Catalogue]:
    with closing(Catalogue.open(asked.settings.index)) as opened:
        yield opened


# ------------------------------------------------------------------------------------------ what is found


def test_an_untouched_receipt_stands_in_every_check(facts: dict[str, Any], settings: Settings) -> None:
    found = checked(facts, settings)
    assert [(one["verdict"]) for one in facts["sentences"]] == ["checked", "withheld"]
    assert {one.state for one in found.findings} == {"unchanged"}
    assert {one.check for one in found.findings} == {"receipt", "quote", "speaker", "sentence", "index", "model"}
    assert found.stands


def test_what_the_question_was_limited_to_is_checked_again(settings: Settings) -> None:
    facts = ask(settings, house="Bernstein", since="2025-01-27", voice="own", kind="email").facts
    assert of(checked(facts, settings), "filters").state == "unchanged"
    later = (settings.corpus / "bernstein.eml").read_text().replace("Mon, 27 Jan", "Sun, 26 Jan")
    (settings.corpus / "bernstein.eml").write_text(later)
    sync(settings)
    found = of(checked(facts, settings), "filters")
    assert (found.state, found.broken, found.detail) == ("changed", True, "[1] would be left out now")


def test_a_receipt_without_voice_and_kind_was_not_limited_to_any(facts: dict[str, Any], settings: Settings) -> None:
    del facts["receipt"]["filters"]["voice"], facts["receipt"]["filters"]["kind"]
    assert {one.check for one in checked(sealed(facts), settings).findings} >= {"quote"}


def test_a_renamed_file_is_the_same_document_elsewhere(facts: dict[str, Any], settings: Settings) -> None:
    (settings.corpus / "bernstein.eml").rename(settings.corpus / "renamed.eml")
    sync(settings)
    found = checked(facts, settings)
    assert of(found, "quote", 1) == Finding("quote", "moved", 1, "from bernstein.eml to renamed.eml")
    assert found.stands


def test_a_copy_with_an_earlier_name_moves_nothing(facts: dict[str, Any], settings: Settings) -> None:
    (settings.corpus / "a.eml").write_text(BERNSTEIN, encoding="utf-8")
    sync(settings)
    assert of(checked(facts, settings), "quote", 1).state == "unchanged"


def test_words_that_still_stand_in_an_edited_file_are_found_there_and_checked_there(
    facts: dict[str, Any], settings: Settings
) -> None:
    (settings.corpus / "bernstein.eml").write_text(BERNSTEIN.replace("The claim", "Good morning. The claim"))
    sync(settings)
    found = checked(facts, settings)
    assert (of(found, "quote", 1).state, of(found, "quote", 1).broken) == ("edited", True)
    assert of(found, "sentence", 1).state == "unchanged"


def test_words_that_an_edited_file_has_lost_take_their_sentence_with_them(
    facts: dict[str, Any], settings: Settings
) -> None:
    (settings.corpus / "bernstein.eml").write_text(BERNSTEIN.replace("$5M is wrong", "$6M is right"))
    sync(settings)
    found = checked(facts, settings)
    assert of(found, "quote", 1) == Finding("quote", "changed", 1, "bernstein.eml is not as it was", broken=True)
    assert of(found, "sentence", 1).detail == "it would be withheld: there is no source [1]"


def test_a_deleted_file_is_gone(facts: dict[str, Any], settings: Settings) -> None:
    (settings.corpus / "bernstein.eml").unlink()
    sync(settings)
    found = checked(facts, settings)
    assert of(found, "quote", 1) == Finding("quote", "gone", 1, "bernstein.eml is not in the index", broken=True)
    assert not found.stands


def test_of_words_that_are_gone_it_is_told_who_else_has_them(facts: dict[str, Any], settings: Settings) -> None:
    (settings.corpus / "bernstein.eml").unlink()
    forwarded = BERNSTEIN.partition("\n\n")[2].replace("\n", "\n> ")
    (settings.corpus / "note.md").write_text(f"---\ntitle: Kept\ndate: 2025-02-01\n---\nHe wrote:\n\n> {forwarded}\n")
    sync(settings)
    assert of(checked(facts, settings), "quote", 1).detail.endswith("; the same words stand in note.md")


def test_a_document_that_is_read_differently_keeps_its_words_at_another_place(
    facts: dict[str, Any], settings: Settings
) -> None:
    with closing(Catalogue.open(settings.index)) as catalogue, catalogue._write() as connection:
        connection.execute("UPDATE documents SET text = '*' || text WHERE id = ?", (facts["quotes"][0]["document"],))
    found = checked(facts, settings)
    assert (of(found, "quote", 1).state, of(found, "quote", 1).broken) == ("shifted", False)


def test_a_list_of_houses_that_names_another_speaker_is_told(
    facts: dict[str, Any], settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "houses.toml").write_text(ACME)
    try:
        sync(replace(settings, houses=tmp_path / "houses.toml"), rebuild=True)
        found = checked(facts, settings)
    finally:
        use(None)
    assert of(found, "speaker", 1) == Finding("speaker", "changed", 1, "house was Bernstein, is Acme", broken=True)
    assert of(found, "quote", 1).state == "unchanged"
    assert of(found, "index").state == "another"


def test_a_mail_that_was_redated_is_told(facts: dict[str, Any], settings: Settings) -> None:
    with closing(Catalogue.open(settings.index)) as catalogue, catalogue._write() as connection:
        connection.execute("UPDATE documents SET date = '2025-03-01T00:00:00+00:00'")
    assert "date was 2025-01-27" in of(checked(facts, settings), "speaker", 1).detail


def test_a_quote_that_is_now_of_two_speakers_has_none(facts: dict[str, Any], settings: Settings) -> None:
    quote = facts["quotes"][0]
    middle = (quote["start"] + quote["end"]) // 2
    with closing(Catalogue.open(settings.index)) as catalogue, catalogue._write() as connection:
        document = catalogue.documents([quote["document"]])[quote["document"]]
        from rag.records import voice_facts

        halves = [replace(document.voices[0], end=middle), replace(document.voices[-1], start=middle)]
        connection.execute("UPDATE documents SET voices = ?", (json.dumps([voice_facts(one) for one in halves]),))
    found = checked(facts, settings)
    assert of(found, "speaker", 1).detail == "the words are not those of one speaker any more"
    assert of(found, "sentence", 1).broken


def test_new_mail_changes_the_index_and_breaks_nothing(facts: dict[str, Any], settings: Settings) -> None:
    (settings.corpus / "new.md").write_text(NOTE.replace("0.55", "0.75"))
    sync(settings)
    found = checked(facts, settings)
    assert (of(found, "index").state, found.stands) == ("changed", True)


def test_a_refusal_rests_on_the_whole_index(settings: Settings) -> None:
    refused = ask(settings, "what did Goldman Sachs say about chips?").facts
    assert (refused["refused"], checked(refused, settings).stands) == (True, True)
    (settings.corpus / "new.md").write_text(NOTE.replace("0.55", "0.75"))
    sync(settings)
    assert of(checked(refused, settings), "index").broken


@pytest.mark.parametrize(("here", "state_"), [("0" * 64, "unchanged"), ("1" * 64, "another"), (None, "absent")])
def test_the_model_s_file_is_compared_and_breaks_nothing(asked: Asked, here: str | None, state_: str) -> None:
    found = checked(asked.facts, asked.settings, here)
    assert (of(found, "model").state, found.stands) == (state_, True)


def test_a_server_s_model_is_not_to_be_compared(asked: Asked) -> None:
    facts = copy.deepcopy(asked.facts)
    facts["receipt"]["model"]["sha256"] = None
    assert of(checked(sealed(facts), asked.settings, "1" * 64), "model").state == "unknown"


def test_a_model_of_one_s_own_is_hashed_where_the_setting_names_it(tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(b"abc")
    assert (model_digest("own.gguf", str(tmp_path / "own.gguf")) or "")[:8] == "ba7816bf"
    assert model_digest("other.gguf", str(tmp_path / "own.gguf")) is None
    assert model_digest(next(iter(CATALOGUE))) is None


# --------------------------------------------------------------------------------- what is not to be believed


def _word(facts: dict[str, Any]) -> None:
    facts["quotes"][0]["text"] = facts["quotes"][0]["text"].replace("wrong", "right")


def _answer(facts: dict[str, Any]) -> None:
    facts["answer"] = "Bernstein calls the $5M claim right [1]."


def _verdict(facts: dict[str, Any]) -> None:
    facts["sentences"][1]["verdict"] = "checked"
    facts["answer"] += " It was $9M [1]."


def _house(facts: dict[str, Any]) -> None:
    facts["quotes"][0]["house"] = "Citi"


def _place(facts: dict[str, Any]) -> None:
    facts["quotes"][0]["start"] += 3


def _setting(facts: dict[str, Any]) -> None:
    facts["receipt"]["settings"]["seed"] = 7


EDITS = [_word, _answer, _verdict, _house, _place]


@pytest.mark.parametrize("edit", [*EDITS, _setting])
def test_an_edited_receipt_is_noticed(asked: Asked, edit: Callable[[dict[str, Any]], None]) -> None:
    facts = copy.deepcopy(asked.facts)
    edit(facts)
    found = checked(facts, asked.settings)
    assert of(found, "receipt") == Finding("receipt", "edited", None, "it is not as it was made", broken=True)


@pytest.mark.parametrize("edit", EDITS)
def test_a_forged_answer_that_was_sealed_anew_is_caught_by_the_index(
    asked: Asked, edit: Callable[[dict[str, Any]], None]
) -> None:
    facts = copy.deepcopy(asked.facts)
    edit(facts)
    assert not checked(sealed(facts), asked.settings).stands


def test_words_that_a_document_never_held_are_called_so(asked: Asked) -> None:
    facts = copy.deepcopy(asked.facts)
    _word(facts)
    detail = of(checked(sealed(facts), asked.settings), "quote", 1).detail
    assert detail == "bernstein.eml is as it was, and never said this"


@given(data=st.data())
@configured(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_any_place_of_a_receipt_is_checked_or_refused(
    asked: Asked, catalogue: Catalogue, data: st.DataObject
) -> None:
    facts: Any = copy.deepcopy(asked.facts)
    inner = facts
    while True:
        step = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[step], dict | list) or not inner[step] or data.draw(st.integers(0, 3)) == 0:
            break
        inner = inner[step]
    inner[step] = data.draw(JSON)
    try:
        found = verify(facts, catalogue, lambda name: "0" * 64)
    except SettingsError:
        return
    assert all(line.isprintable() for line in verification_text(found).split("\n"))
    assert found.stands is not of(found, "receipt").broken


# ------------------------------------------------------------------------------------------------ telling


def test_each_quote_and_each_check_has_a_line_and_the_last_is_the_verdict(
    asked: Asked,
) -> None:
    lines = verification_text(checked(asked.facts, asked.settings)).splitlines()
    assert lines[0] == "receipt unchanged"
    assert "[1] unchanged" in lines
    assert "sentence 1 unchanged" in lines
    assert lines[-1] == "It stands."


def test_what_failed_is_counted() -> None:
    found = Verification(
        (Finding("quote", "gone", 2, "b.eml is not in the index", True), Finding("index", "unchanged"))
    )
    assert verification_text(found) == (
        "[2] gone: b.eml is not in the index\nindex unchanged\nIt does not stand as it did: 1 of 2 checks failed."
    )


def test_a_path_in_a_receipt_can_not_steer_the_terminal() -> None:
    found = Verification((Finding("quote", "gone", 1, "\x1b[2Ja\nIt stands.\u202e"),))
    assert verification_text(found).splitlines()[0] == "[1] gone: [2Ja It stands."


def test_the_object_of_a_verification_has_its_findings(asked: Asked) -> None:
    found = verification_json(checked(asked.facts, asked.settings))
    assert found["stands"] is True
    assert found["findings"][0] == {
        "check": "receipt", "state": "unchanged", "number": None, "detail": "", "broken": False,
    }  # fmt: skip
