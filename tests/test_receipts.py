from __future__ import annotations

import copy
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.conditions import Conditions
from rag.errors import SettingsError
from rag.present import answer_json
from rag.receipts import load, recorded
from rag.records import Turn
from tests.receipted import JSON, Asked, ask_in, sealed


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return ask_in(tmp_path_factory.mktemp("receipts"))


@pytest.fixture
def facts(asked: Asked) -> dict[str, Any]:
    """A receipt of the test's own."""
    return copy.deepcopy(asked.facts)


# ------------------------------------------------------------------------------------------------- making


def test_a_receipt_is_all_that_the_answer_object_is_and_more(asked: Asked) -> None:
    plain = answer_json(asked.answer)
    assert {name: asked.facts[name] for name in plain} == plain
    assert list(asked.facts) == [*plain, "receipt"]
    assert list(asked.facts["receipt"]) == [
        "format", "made", "rag", "index", "settings", "filters", "as_of", "prompt", "model", "quotes",
        "gate", "sha256",
    ]  # fmt: skip


def own(asked: Asked, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of `Asked`
    """What `receipt` adds to the answer object."""
    return dict(replace(asked, **changes).facts["receipt"])


def test_a_receipt_without_a_model_names_neither_model_nor_prompt(asked: Asked) -> None:
    found = own(asked, answer=replace(asked.answer, model=None), turns=())
    assert (found["model"], found["prompt"]) == (None, {"sha256": None})


def test_another_prompt_has_another_hash(asked: Asked) -> None:
    sent = (Turn("user", "a"),), (Turn("user", "b"),), (Turn("assistant", "a"),)
    assert len({own(asked, turns=turns)["prompt"]["sha256"] for turns in sent}) == 3


def test_a_receipt_holds_the_conditions_of_the_question(asked: Asked) -> None:
    found = own(asked, conditions=Conditions("Citi", "2025-01-20", voice="own", as_of="2025-01-31"))
    assert found["filters"] == {
        "houses": ["Citi"], "since": "2025-01-20", "until": None, "voice": "own", "kind": None,
    }  # fmt: skip
    assert found["as_of"] == "2025-01-31"


def test_a_receipt_names_no_place_of_this_machine_and_no_key(asked: Asked, tmp_path: Path) -> None:
    settings = replace(
        asked.settings, model="http://ann:secret@host:1/v1", embedding_model=f"{tmp_path}/words", houses=tmp_path / "h"
    )
    answer = replace(asked.answer, note=f"Sent to http://ann:secret@host:1. Put it into {Path.home()}/models.")
    found = json.dumps(replace(asked, settings=settings, answer=answer).facts)
    places = (str(tmp_path), str(settings.corpus), str(settings.index), str(Path.home()))
    assert [word for word in ("secret", *places) if word in found] == []


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("written", [{"indent": 3}, {"sort_keys": True}, {"ensure_ascii": False}])
def test_another_layout_of_the_same_json_is_the_same_receipt(facts: dict[str, Any], written: dict[str, Any]) -> None:
    assert recorded(load(io.BytesIO(json.dumps(facts, **written).encode()))) == recorded(facts)


def test_a_whole_number_written_without_its_point_is_the_same_number(facts: dict[str, Any]) -> None:
    assert recorded(json.loads(json.dumps(facts).replace(".0,", ","))).flaw == ""


@pytest.mark.parametrize("wrong", [{"houses": "Citi"}, {"houses": [5]}, {"voice": "loud"}, {"since": 5}, {"kind": []}])
def test_limits_that_cannot_be_are_refused(facts: dict[str, Any], wrong: dict[str, Any]) -> None:
    facts["receipt"]["filters"] |= wrong
    with pytest.raises(SettingsError):
        recorded(facts)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"no json", b"\xff\xfe\x00\xd8", bytes(range(256)), b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"1e999",
        b'{"receipt": {"format": 1, "quotes": [NaN]}}', b" " * 5_000_001, b"9" * 5_000, b'"\\ud800"', b"null", b"[]",
        b"{}", b'{"receipt": 1}', b'{"receipt": {"format": true}}', b'{"receipt": {"format": 2}}',
    ],
)  # fmt: skip
def test_what_is_no_receipt_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(SettingsError) as refused:
        recorded(load(io.BytesIO(raw)))
    assert str(refused.value).startswith("This is no receipt that can be checked: ")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("quotes", 0, "start"), -1), (("quotes", 0, "start"), True), (("quotes", 0, "end"), 10**30),
        (("quotes", 0, "n"), 0), (("quotes", 0, "text"), " "), (("quotes", 0, "text"), "\ud800"), (("quotes",), [[]]),
        (("quotes",), []), (("receipt", "quotes"), [{}] * 101), (("sentences", 0, "citations"), [1.5]),
        (("sentences", 0, "verdict"), "true"), (("sentences", 0, "text"), "a" * 20_001), (("sentences",), [{}] * 201),
        (("support",), float("nan")), (("receipt", "index"), None), (("receipt", "model"), {"name": 1}),
        (("receipt", "index", "generation"), "1"), (("refused",), 0), (("answer",), None),
    ],
)  # fmt: skip
def test_a_receipt_with_an_impossible_value_is_refused_in_words(
    asked: Asked, where: tuple[str | int, ...], value: object
) -> None:
    facts: Any = copy.deepcopy(asked.facts)
    if where == ("answer",):
        sealed(facts)
    inner = facts
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    if where == ("answer",):
        sealed(facts)
    with pytest.raises(SettingsError):
        recorded(facts)


@given(JSON)
def test_json_that_is_no_receipt_is_refused(value: object) -> None:
    with pytest.raises(SettingsError):
        recorded(value)


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(raw: bytes) -> None:
    try:
        found = repr(load(io.BytesIO(raw)))
    except SettingsError:
        found = "refused"
    assert found == ("refused" if _is_no_json(raw) else repr(json.loads(raw)))


def _is_no_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return True
    return False
