"""What an answer costs: seconds, tokens, memory, energy; and what the same tokens would cost at published prices.

In: the usage that a model tells, the clocks and counters of this machine, a table of prices. Out: a `Cost` for each
answer, and arithmetic on it. It knows no page, and claims nothing of quality: another model is another model.
"""

from __future__ import annotations

import math
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from rag.errors import SettingsError
from rag.records import Answer, Usage
from rag.settings import Settings

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of Intel's and AMD's processors (RAPL); since 2020 only root may read them."""

DEAREST = 1e6
"""The most that a million tokens may cost, in USD: more is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider asked on a day, in USD for a million tokens; ``cached`` for those that it had read before."""

    name: str
    input: float
    cached: float
    output: float
    date: date
    source: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of this process in bytes, now and at most so far; None where the system does not tell."""

    resident: int | None = None
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer used, or several in a row.

    ``seconds`` are those of `stages`. ``cpu_seconds`` are this process's, of all its threads; ``joules`` the whole
    processor's, other programs included, and None where its counter cannot be read.
    """

    question: str = ""
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    joules: float | None = None
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Rates:
    """What is multiplied with: USD for a kilowatt-hour, watts of a busy core where none are measured, API prices."""

    electricity: float
    watts_per_core: float
    prices: tuple[Price, ...]

    @classmethod
    def of(cls, settings: Settings) -> Rates:
        """What ``settings`` name. Raises SettingsError for a table of prices that cannot be used."""
        return cls(settings.electricity, settings.watts_per_core, prices(settings.prices))


# ------------------------------------------------------------------------------------------------ measuring


class Meter:
    """Counts what is used from now until `cost`, except while somebody else's answer is being written.

    One process serves every visitor, and its clock and the processor's counter do not know them apart: what others
    search meanwhile is counted too.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        """Begin to count."""
        self._powercap = powercap
        self._cpu_seconds, self._joules = 0.0, 0.0
        self._measured = True
        self._cpu, self._energy = time.process_time(), energy(powercap)

    def lap(self, *, mine: bool = True) -> None:
        """Count what was used since the last lap, or pass over it; call it often, for whose it is may change."""
        cpu, now = time.process_time(), energy(self._powercap)
        if mine:
            used = joules(self._energy, now)
            self._measured = self._measured and used is not None
            self._joules += used or 0.0
            self._cpu_seconds += cpu - self._cpu
        self._cpu, self._energy = cpu, now

    def cost(self, answer: Answer) -> Cost:
        """What ``answer`` used."""
        self.lap()
        return Cost(
            question=answer.question,
            model=answer.model,
            usage=answer.usage,
            seconds=stages(answer.usage),
            cpu_seconds=self._cpu_seconds,
            joules=self._joules if self._measured else None,
            memory=memory(),
        )


def energy(powercap: Path = POWERCAP) -> Mapping[str, tuple[int, int]]:
    """The energy counter of each processor and its memory, and where it begins again, in microjoules; may be empty.

    ``core`` and ``uncore`` are parts of a package, ``psys`` holds it all once more: neither is counted twice.
    """
    found = {}
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text(encoding="ascii").strip()
            if name.startswith("package") or name == "dram":
                counter, highest = (
                    int((zone / file).read_text(encoding="ascii")) for file in ("energy_uj", "max_energy_range_uj")
                )
                found[zone.name] = counter, highest
        except (OSError, ValueError):  # A sum that lacks a part would be too small.
            return {}
    return found


def joules(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> float | None:
    """What was used between two readings of `energy`; None where either is missing.

    A counter begins again at its highest value: after 18 minutes at 60 W on the smallest, so once at most in a lap.
    """
    if not before or before.keys() != after.keys():
        return None
    used = 0
    for name, (counter, highest) in after.items():
        grown = counter - before[name][0]
        used += grown if grown >= 0 else grown + highest
    return used / 1e6


def memory(status: Path = Path("/proc/self/status")) -> Memory:
    """The memory of this process; what of the model's file is in memory is counted."""
    if sys.platform == "win32":
        return Memory()
    try:
        # Not getrusage: what it says on Linux includes the process that this one was started by.
        rows = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        resident, peak = (int(rows[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    except (OSError, KeyError, ValueError, IndexError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Memory(peak=most if sys.platform == "darwin" else most * 1024)
    return Memory(resident, peak)


# ------------------------------------------------------------------------------------------------ arithmetic


def stages(usage: Usage) -> Mapping[str, float]:
    """Seconds by stage: ``search``, ``wait`` (for the model to load and for answers before), ``read``, ``write``.

    ``total`` is all of it. Of an answer that was stopped, or written by no model, only ``search`` and ``total`` are
    known.
    """
    told = usage.seconds
    known = {name: told[name] for name in ("search", "total") if name in told}
    if "first_token" not in told or "prose" not in told:
        return known
    rest = told.get("total", 0.0) - told.get("search", 0.0) - told["first_token"] - told["prose"]
    return {**known, "wait": max(rest, 0.0), "read": told["first_token"], "write": told["prose"]}


def read_per_second(usage: Usage) -> float | None:
    """Tokens of the prompt, without those that were known, over the time to the first one written."""
    return _pace(usage.prompt_tokens - usage.cached_tokens, usage.seconds.get("first_token"))


def written_per_second(usage: Usage) -> float | None:
    """Tokens of thought and answer, over the time from the first to the last."""
    return _pace(usage.thinking_tokens + usage.answer_tokens, usage.seconds.get("prose"))


def _pace(tokens: int, seconds: float | None) -> float | None:
    return tokens / seconds if tokens and seconds else None


def watt_hours(cost: Cost, watts_per_core: float) -> float:
    """The energy: as measured, else an estimate from the process's CPU seconds.

    An estimate with 7 W is twice the 3.5 W that the Cloud Carbon Footprint project takes for a fully used vCPU, which
    is half a core: its mean over the server processors in SPECpower's results (AWS_CLOUD_CONSTANTS, MAX_WATTS_AVG).
    """
    return (cost.cpu_seconds * watts_per_core if cost.joules is None else cost.joules) / 3600


def electricity(cost: Cost, rates: Rates) -> float:
    """The price of the energy, in USD."""
    return watt_hours(cost, rates.watts_per_core) / 1000 * rates.electricity


def api_price(usage: Usage, price: Price) -> float:
    """What as many tokens cost at ``price``, in USD; thoughts are billed as output."""
    new = usage.prompt_tokens - usage.cached_tokens
    written = usage.thinking_tokens + usage.answer_tokens
    return (new * price.input + usage.cached_tokens * price.cached + written * price.output) / 1e6


def session(costs: Sequence[Cost]) -> Cost:
    """The sum; its energy is measured where that of each is, its memory the latest, and the highest peak."""
    tokens = {
        one.name: sum(getattr(cost.usage, one.name) for cost in costs) for one in fields(Usage) if one.name != "seconds"
    }
    measured = [cost.joules for cost in costs if cost.joules is not None]
    peaks = [cost.memory.peak for cost in costs if cost.memory.peak is not None]
    return Cost(
        usage=Usage(**tokens, seconds=_summed([cost.usage.seconds for cost in costs])),
        seconds=_summed([cost.seconds for cost in costs]),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        joules=sum(measured) if costs and len(measured) == len(costs) else None,
        memory=Memory(costs[-1].memory.resident if costs else None, max(peaks, default=None)),
    )


def _summed(seconds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in seconds for name in one)
    return {name: sum(one.get(name, 0.0) for one in seconds) for name in names}


# ------------------------------------------------------------------------------------------------ prices


@cache
def prices(path: Path | None = None) -> tuple[Price, ...]:
    """The published prices in the TOML file at ``path``, or the shipped ones; read once in a process.

    Raises SettingsError.
    """
    place = files("rag").joinpath("prices.toml") if path is None else path
    try:
        table = tomllib.loads(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"prices: {path} cannot be read: {error}", remedy="Mend the file, or unset prices."
        ) from error
    rows = table.get("price")
    if set(table) != {"price"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"prices: {path} is no list of prices.", remedy="Begin each price with a line [[price]].")
    return tuple(_price(f"prices: {path}, price {number}", row) for number, row in enumerate(rows, start=1))


def _price(place: str, row: Mapping[str, Any]) -> Price:
    """One price of the table; raises SettingsError that names the place and the field."""
    names = [one.name for one in fields(Price)]
    if wrong := [name for name in (*names, *row) if (name not in row and name != "cached") or name not in names]:
        raise SettingsError(
            f"{place}: {wrong[0]} is {'unknown' if wrong[0] in row else 'missing'}.",
            remedy=f"Give {', '.join(names)}; cached may be left out.",
        )
    amounts = {name: row.get(name, row["input"]) for name in ("input", "cached", "output")}
    for name, amount in amounts.items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount <= DEAREST:
            raise SettingsError(f"{place}: {name} is {amount!r}.", remedy="Give USD for a million tokens.")
    for name in ("name", "source"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise SettingsError(f"{place}: {name} is empty or no text.", remedy="Write it in quotation marks.")
    if not isinstance(row["date"], date) or isinstance(row["date"], datetime):
        raise SettingsError(f"{place}: date is no day.", remedy="Write it as in date = 2025-02-08.")
    return Price(**{**row, **{name: float(amount) for name, amount in amounts.items()}})


# ------------------------------------------------------------------------------------------------ words


def rounded(amount: float, decimals: int, sign: str = "") -> str:
    """Two significant digits, and at most so many ``decimals``; ``sign`` stands before the figure."""
    if amount <= 0:
        return f"{sign}0"
    if amount < 10**-decimals:
        return f"<{sign}{10**-decimals:.{decimals}f}"
    digits = 1 - math.floor(math.log10(amount))
    return f"{sign}{round(amount, digits):,.{min(max(digits, 0), decimals)}f}"


def usd(amount: float) -> str:
    """An amount of dollars; an answer's electricity is some hundred thousandths of one."""
    return f"${amount:,.2f}" if amount >= 1 else rounded(amount, 7, "$")
