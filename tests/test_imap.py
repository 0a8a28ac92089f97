from __future__ import annotations

import sys
import tempfile
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import MailboxUnavailable, SettingsError
from rag.imap import Mailbox, Refused, _modified_utf7, _numbered, _ranges, connected, find_password, parse_address
from rag.mirror import mirror
from tests.imap_server import Play, scripted

BOX = Mailbox("imap.example.com", 993, "mara@example.com")


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("imaps://mara@imap.example.com/INBOX", Mailbox("imap.example.com", 993, "mara", "INBOX")),
        ("imaps://mara@imap.example.com", Mailbox("imap.example.com", 993, "mara", "INBOX")),
        ("imaps://mara@example.com@imap.example.com:9993/", Mailbox("imap.example.com", 9993, "mara@example.com")),
        ("imaps://mara%40example.com@imap.example.com", Mailbox("imap.example.com", 993, "mara@example.com")),
        ("imaps://mara@h/Sell%20side/M%C3%A4rkte", Mailbox("h", 993, "mara", "Sell side/Märkte")),
        ("imap://mara@127.0.0.1:1143/INBOX", Mailbox("127.0.0.1", 1143, "mara", tls=False)),
        ("imap://mara@[::1]/INBOX", Mailbox("::1", 143, "mara", tls=False)),
    ],
)
def test_an_address_names_host_user_and_mailbox(address: str, mailbox: Mailbox) -> None:
    assert parse_address(address) == mailbox


@pytest.mark.parametrize(
    "address",
    [
        "",
        "INBOX",
        "imaps://imap.example.com/INBOX",
        "imaps://mara@/INBOX",
        "imaps://mara@imap.example.com:0/INBOX",
        "imaps://mara@imap.example.com:99999/INBOX",
        "imaps://mara@imap.example.com/INBOX?x=1",
        "imaps://mara@imap.example.com/INBOX#x",
        "imaps://mara@imap.example.com/INBOX;UIDVALIDITY=1",
        "imaps://mara@imap.example.com/a%0d%0ab",
        "imaps://mara%00@imap.example.com/",
        "imaps://mara@imap.example.com/%ff",
        "imaps://mara@imap.example.com/my box",
        "imaps://mara@[imap.example.com/",
        "https://mara@imap.example.com/",
        "imap://mara@imap.example.com/INBOX",
    ],
)
def test_an_odd_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_address(address)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "address",
    [
        "imaps://mara:hunter2@imap.example.com/INBOX",
        "imaps://mara:hunter2@imap.example.com:x/",
        "imaps://mara:12#hunter2@imap.example.com/",
        "imaps://mara:12/hunter2@imap.example.com/",
        "imaps://mara:12?hunter2@imap.example.com/",
        "imaps://mara:[hunter2@imap.example.com/",
        "imap://mara:hunter2@imap.example.com/",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_address(address)
    assert "hunter2" not in str(caught.value) + caught.value.remedy
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(max_size=80) | st.text(max_size=60).map(lambda rest: f"imaps://mara@host{rest}"))
def test_any_text_is_an_address_or_a_settings_error(text: str) -> None:
    with suppress(SettingsError):
        assert parse_address(text).name


def test_the_folder_of_a_mirror_is_one_safe_name() -> None:
    names = {Mailbox("h", 993, "../a", name).folder_name for name in ("x/y", "x_y", "..", "ä" * 300)}
    assert len(names) == 4
    assert all(name.isascii() and "/" not in name and not name.startswith(".") and len(name) < 100 for name in names)


def test_the_password_comes_from_the_environment_first() -> None:
    assert find_password(BOX, {"RAG_IMAP_PASSWORD": "from the shell"}) == "from the shell"


def test_without_a_password_both_ways_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SettingsError) as caught:
        find_password(BOX, {})
    assert "keyring set rag mara@example.com@imap.example.com" in caught.value.remedy
    assert "RAG_IMAP_PASSWORD" in caught.value.remedy


def test_the_password_comes_from_the_keyring() -> None:
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Ring(KeyringBackend):  # type: ignore[misc, unused-ignore]
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return {("rag", BOX.account): "from the ring"}.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Ring())  # type: ignore[no-untyped-call, unused-ignore]
    try:
        assert find_password(BOX, {}) == "from the ring"
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("name", "coded"), [("INBOX", "INBOX"), ("A&B", "A&-B"), ("Entwürfe", "Entw&APw-rfe"), ("台北", "&U,BTFw-")]
)
def test_mailbox_names_are_written_in_modified_utf7(name: str, coded: str) -> None:
    assert _modified_utf7(name) == coded


@given(st.sets(st.integers(1, 60)))
def test_ranges_say_exactly_the_numbers(uids: set[int]) -> None:
    said = [part.split(":") for part in _ranges(uids).split(",") if part]
    assert {uid for part in said for uid in range(int(part[0]), int(part[-1]) + 1)} == uids


def test_a_change_of_flags_in_between_hides_no_message() -> None:
    rows = _numbered(
        [b"1 (UID 5 FLAGS ())", (b"1 (UID 5 BODY[] {3}", b"one"), b")", (b"2 (BODY[] {3}", b"two"), b" UID 6)"]
    )
    assert {uid: row[1] for uid, row in rows.items()} == {5: [b"one"], 6: [b"two"]}


def refused_login(verdict: bytes, capabilities: bytes = b"IMAP4rev1") -> MailboxUnavailable:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.say(b"* OK ready")
        play.answer(b"* CAPABILITY " + capabilities)
        play.answer(verdict=verdict)

    with scripted(serve) as box, pytest.raises(MailboxUnavailable) as caught, connected(box, "pa55", threading.Event()):
        pass
    return caught.value


def test_the_reason_of_a_refused_login_is_told() -> None:
    error = refused_login(b"NO [ALERT] Use an app password\x1b[2J")
    assert isinstance(error, Refused)
    assert "Use an app password [2J" in str(error)


def test_a_server_that_is_busy_is_no_refusal() -> None:
    assert not isinstance(refused_login(b"NO [UNAVAILABLE] later"), Refused)


@pytest.mark.parametrize("verdict", [b"NO pa55 is wrong", b"BAD pa55"])
def test_a_server_that_repeats_the_password_is_not_quoted(verdict: bytes) -> None:
    error = refused_login(verdict)
    assert "pa55" not in str(error)
    assert error.__cause__ is error.__context__ is None


def test_a_login_is_not_sent_for_ever() -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.say(b"* OK ready")
        play.answer(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        while stream.readline():
            play.say(b"+ ")

    with scripted(serve) as box, pytest.raises(MailboxUnavailable, match="for ever"):
        mirror(box, Path("unused"), password="pa55")


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"* BYE too busy\r\n",
        b"* OK {1000000000}\r\n",
        b"* X {1000000000}\r\n",
        b"* X {" + b"9" * 5000 + b"}\r\n",
        b"\x16\x03\x01\x00",
        b"A" * 200_000,
        b"* OK ready\r\n" * 3 + b"* \xff\xfe\r\n",
        b"* CAPABILITY x\r\n" * 400_000,
    ],
    ids=lambda greeting: greeting[:14].hex(),
)
def test_a_server_that_is_none_is_a_clear_error(greeting: bytes) -> None:
    def serve(stream: BinaryIO) -> None:
        stream.write(greeting)

    with scripted(serve) as box, pytest.raises(MailboxUnavailable) as caught:
        mirror(box, Path("unused"), password="p")
    assert caught.value.remedy


@given(lines=st.lists(st.binary(max_size=40).map(lambda line: b"* " + line) | st.binary(max_size=40), max_size=6))
def test_garbage_after_the_login_is_a_clear_error_or_survived(lines: list[bytes]) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(2)
        play.say(*lines)

    with scripted(serve) as box, tempfile.TemporaryDirectory() as folder, pytest.raises(MailboxUnavailable):
        mirror(box, Path(folder), password="p")


def test_a_gigabyte_announced_is_not_waited_for(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(1)
        play.answer(b"* 1 FETCH (UID 1)")
        play.answer(b"* 1 FETCH (UID 1 RFC822.SIZE 10)")
        play.stream.readline()
        play.say(b"* 1 FETCH (UID 1 BODY[] {1000000000}")
        play.stream.readline()

    tracemalloc.start()
    try:
        with scripted(serve) as box, pytest.raises(MailboxUnavailable, match="1,000,000,000 bytes announced"):
            mirror(box, tmp_path, password="p")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_an_answer_without_an_end_is_cut_off(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(1)
        while True:
            stream.write(b"* 1 FETCH (FLAGS ())\r\n" * 1000)

    with scripted(serve) as box, pytest.raises(MailboxUnavailable, match="longer than"):
        mirror(box, tmp_path, password="p")


@pytest.mark.parametrize("line", [b"* OK nothing", b"* OK [UIDVALIDITY] x", b"* OK [UIDVALIDITY 99999999999999] x"])
def test_a_mailbox_without_uidvalidity_is_not_mirrored(line: bytes, tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(1, line)

    with scripted(serve) as box, pytest.raises(Refused, match="does not number"):
        mirror(box, tmp_path, password="p")


def test_a_count_that_is_not_true_is_no_endless_listing(tmp_path: Path) -> None:
    def serve(stream: BinaryIO) -> None:
        play = Play(stream)
        play.greet()
        play.open(4_000_000_000)
        play.answer(b"* 1 FETCH (UID 1)")
        play.answer(b"* 1 FETCH (UID 1)")
        play.answer(b"* 1 FETCH (UID 1 RFC822.SIZE 3)")
        play.answer(b"* 1 EXPUNGE", b"* 1 FETCH (UID 1 BODY[] {3}\r\none)", b"* 1 FETCH (UID 1 BODY[] {3}\r\ntwo)")
        play.answer(b"* BYE")

    with scripted(serve) as box:
        assert mirror(box, tmp_path, password="p").messages == 1
    assert [path.read_bytes() for path in (tmp_path / "cur").iterdir()] == [b"one"]


def test_a_host_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    with scripted(lambda _: None, connections=0) as box:
        pass
    with pytest.raises(MailboxUnavailable) as caught:
        mirror(box, tmp_path, password="p")
    assert caught.value.remedy
