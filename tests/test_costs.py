"""Costs: what is measured, the arithmetic, and the table of prices."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import costs
from rag.costs import Cost, Memory, Meter, Price, Rates, prices
from rag.errors import SettingsError
from rag.records import Usage
from rag.settings import Settings
from tests.pages import answered

SECONDS = {"search": 0.5, "load": 1.0, "first_token": 4.0, "prose": 10.0, "total": 16.0}
USAGE = Usage(prompt_tokens=1000, cached_tokens=600, thinking_tokens=50, answer_tokens=100, seconds=SECONDS)
PRICE = Price("R1", 0.55, 0.14, 2.19, date(2025, 2, 8), "somewhere")


def zone(powercap: Path, number: str, name: str, microjoules: int | str, highest: int = 1000) -> None:
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir(exist_ok=True)
    for file, content in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", highest)):
        (folder / file).write_text(f"{content}\n", encoding="ascii")


# ------------------------------------------------------------------------------------------------ energy


def test_each_package_and_its_memory_count_once(tmp_path: Path) -> None:
    for number, name in {"0": "package-0", "0:0": "core", "0:1": "uncore", "0:2": "dram", "1": "psys"}.items():
        zone(tmp_path, number, name, 100)
    assert costs.energy(tmp_path) == {"intel-rapl:0": (100, 1000), "intel-rapl:0:2": (100, 1000)}


def test_energy_is_the_growth_of_all_counters() -> None:
    before, after = {"a": (1_000_000, 9), "b": (0, 9)}, {"a": (3_500_000, 9), "b": (500_000, 9)}
    assert costs.joules(before, after) == 3.0


def test_a_counter_that_began_again_goes_on() -> None:
    assert costs.joules({"a": (9_000_000, 10_000_000)}, {"a": (2_000_000, 10_000_000)}) == 3.0


@pytest.mark.parametrize(("before", "after"), [("", ""), ("", "a"), ("a", ""), ("a", "b")])
def test_energy_without_both_readings_is_unknown(before: str, after: str) -> None:
    assert costs.joules(dict.fromkeys(before, (1, 9)), dict.fromkeys(after, (1, 9))) is None


def test_counters_that_cannot_all_be_read_are_none(tmp_path: Path) -> None:
    assert costs.energy(tmp_path / "nowhere") == {}
    zone(tmp_path, "0", "package-0", 100)
    zone(tmp_path, "1", "package-1", "no number")
    assert costs.energy(tmp_path) == {}
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    (tmp_path / "intel-rapl:1" / "energy_uj").mkdir()  # a file that the reader may not open, whoever he is
    assert costs.energy(tmp_path) == {}


def test_a_meter_passes_over_what_others_used(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 0, 10_000_000)
    meter = Meter(tmp_path)
    zone(tmp_path, "0", "package-0", 1_000_000, 10_000_000)
    meter.lap()
    zone(tmp_path, "0", "package-0", 6_000_000, 10_000_000)
    meter.lap(mine=False)
    zone(tmp_path, "0", "package-0", 8_000_000, 10_000_000)
    assert meter.cost(answered()).joules == 3.0


def test_a_meter_that_missed_a_reading_has_measured_nothing(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 0)
    meter = Meter(tmp_path)
    zone(tmp_path, "0", "package-0", "")
    meter.lap()
    zone(tmp_path, "0", "package-0", 10)
    assert meter.cost(answered()).joules is None


def test_a_meter_counts_the_cpu_seconds_of_the_process(tmp_path: Path) -> None:
    meter, ends = Meter(tmp_path), time.process_time() + 0.05
    while time.process_time() < ends:
        pass
    assert meter.cost(answered()).cpu_seconds >= 0.05


def test_measured_energy_stands_and_other_energy_is_estimated() -> None:
    assert costs.watt_hours(Cost(cpu_seconds=100, joules=7200), 7.0) == 2.0
    assert costs.watt_hours(Cost(cpu_seconds=3600), 7.0) == 7.0


def test_electricity_is_priced_by_the_kilowatt_hour() -> None:
    assert costs.electricity(Cost(joules=3600 * 500), Rates(0.4, 7.0, ())) == pytest.approx(0.2)


# ------------------------------------------------------------------------------------------------ memory


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1500 kB\n", encoding="utf-8")
    assert costs.memory(status) == Memory(1500 * 1024, 2000 * 1024)


@pytest.mark.skipif(sys.platform == "win32", reason="has no getrusage")
def test_without_proc_the_peak_alone_is_known(tmp_path: Path) -> None:
    found = costs.memory(tmp_path / "nowhere")
    assert found.resident is None
    assert found.peak is not None
    assert 1e7 < found.peak < 1e12


# ------------------------------------------------------------------------------------------------ arithmetic


def test_the_stages_add_up_to_the_total() -> None:
    found = costs.stages(USAGE)
    assert found == {"search": 0.5, "wait": 1.5, "read": 4.0, "write": 10.0, "total": 16.0}


def test_of_an_answer_that_was_stopped_search_and_total_are_known() -> None:
    assert costs.stages(Usage(seconds={"search": 0.5, "load": 1.0, "total": 3.0})) == {"search": 0.5, "total": 3.0}


def test_what_was_cached_is_not_read_and_what_was_thought_is_written() -> None:
    assert costs.read_per_second(USAGE) == 100.0
    assert costs.written_per_second(USAGE) == 15.0


def test_a_pace_without_tokens_or_time_is_unknown() -> None:
    assert costs.read_per_second(replace(USAGE, seconds={})) is None
    assert costs.written_per_second(Usage(seconds=SECONDS)) is None


def test_tokens_are_priced_as_new_cached_and_written() -> None:
    by_hand = (400 * 0.55 + 600 * 0.14 + 150 * 2.19) / 1e6
    assert costs.api_price(USAGE, PRICE) == pytest.approx(by_hand)


def test_a_session_is_the_sum_of_its_answers() -> None:
    one = Cost("q", "m", USAGE, costs.stages(USAGE), 20.0, 30.0, Memory(5, 9))
    both = costs.session([replace(one, memory=Memory(4, 11)), one])
    assert (both.usage.prompt_tokens, both.usage.cached_tokens, both.usage.thinking_tokens) == (2000, 1200, 100)
    assert both.seconds == {"search": 1.0, "wait": 3.0, "read": 8.0, "write": 20.0, "total": 32.0}
    assert (both.cpu_seconds, both.joules, both.memory) == (40.0, 60.0, Memory(5, 11))
    assert costs.written_per_second(both.usage) == 15.0


def test_a_stopped_answer_does_not_slow_the_session_s_pace() -> None:
    stopped = Cost(usage=Usage(seconds={"search": 0.1, "total": 90.0}), seconds={"search": 0.1, "total": 90.0})
    assert costs.written_per_second(costs.session([Cost(usage=USAGE), stopped]).usage) == 15.0


def test_a_session_is_measured_where_all_of_it_is() -> None:
    assert costs.session([Cost(joules=1.0), Cost()]).joules is None
    assert costs.session([]) == Cost()


# ------------------------------------------------------------------------------------------------ prices


def test_every_shipped_price_is_dated_and_sourced() -> None:
    found = prices()
    assert len({price.name for price in found}) == len(found) >= 6
    for price in found:
        assert 0 <= price.cached <= price.input <= price.output
        assert price.source.startswith("https://")
        assert price.date >= date(2025, 1, 1)


ROW = '[[price]]\nname = "Mine"\ninput = 1\noutput = 2.5\ndate = 2026-11-23\nsource = "an offer"\n'


def test_the_user_s_own_prices_take_the_place_of_the_shipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ROW, encoding="utf-8")
    settings = Settings(corpus=tmp_path, index=tmp_path, prices=path, electricity=0.2)
    mine = Price("Mine", 1.0, 1.0, 2.5, date(2026, 11, 23), "an offer")
    assert Rates.of(settings) == Rates(0.2, 7.0, (mine,))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[price", "cannot be read"),
        ("", "no list of prices"),
        ("price = 3", "no list of prices"),
        ("price = [3]", "no list of prices"),
        (ROW + "currency = 'EUR'", "price 1: currency is unknown"),
        (ROW.replace("output = 2.5\n", ""), "price 1: output is missing"),
        (ROW.replace("2.5", "-2.5"), "price 1: output is -2.5"),
        (ROW.replace("2.5", "nan"), "price 1: output is nan"),
        (ROW.replace("2.5", "true"), "price 1: output is True"),
        (ROW.replace("2.5", '"2.5"'), "price 1: output is '2.5'"),
        (ROW.replace("= 1\n", "= 1_000_001\n"), "price 1: input is 1000001"),
        (ROW.replace('"Mine"', '" "'), "price 1: name is empty"),
        (ROW.replace('"an offer"', "3"), "price 1: source is empty"),
        (ROW.replace("2026-11-23", '"today"'), "price 1: date is no day"),
        (ROW.replace("2026-11-23", "2026-11-23T10:00:00"), "price 1: date is no day"),
    ],
)
def test_a_price_that_cannot_be_used_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told) as caught:
        prices(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_a_file_of_prices_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        prices(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (0, "$0"),
        (2e-8, "<$0.0000001"),
        (0.00000912, "$0.0000091"),
        (0.046, "$0.046"),
        (0.999, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)
def test_dollars_are_told_in_two_digits(amount: float, told: str) -> None:
    assert costs.usd(amount) == told


@given(st.floats(0, 1e12, allow_subnormal=True))
def test_no_figure_is_written_with_an_exponent(amount: float) -> None:
    assert "e" not in costs.usd(amount) + costs.rounded(amount, 4)
