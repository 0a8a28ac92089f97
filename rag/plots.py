"""An evaluation and a speed measurement as pictures.

In: estimates, seconds, a curve, speeds. Out: a PNG file. It does not know where they come from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import RagError, SettingsError
from rag.metrics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind readers; one colour a group, in this order.
_COLOURS = ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#999999")
_INK, _FAINT = "#222222", "#DDDDDD"
_SIZE = (13.0, 7.8)
_DOTS = 140
_LINES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", ":"))
_MARKED = 30


def require(path: Path) -> None:
    """Know early that ``path`` can be drawn. Raises RagError and SettingsError."""
    if find_spec("matplotlib") is None:
        raise RagError("matplotlib, which draws the plot, is not installed.", remedy="pip install 'rag[plot]'")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise SettingsError(f"{path} cannot be written.", remedy="Name a PNG file in a folder that is there.")


def draw(
    path: Path,
    *,
    title: str,
    bars: Sequence[tuple[str, str, Estimate]],
    seconds: Mapping[str, Sequence[float]],
    curve: Sequence[tuple[float, float]],
    judged: int,
) -> None:
    """Draw the name, group and estimate of each of ``bars``, seconds by stage, and a curve of (coverage, risk).

    ``judged`` is the number of questions behind the curve. Raises RagError where the file cannot be written.
    """
    with _figure(path, title) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1), wspace=0.08, hspace=0.1)
        _bars(figure.add_subplot(grid[:, 0]), bars)
        _latency(figure.add_subplot(grid[0, 1]), seconds)
        _curve(figure.add_subplot(grid[1, 1]), curve, judged)


def draw_speed(
    path: Path,
    *,
    title: str,
    waits: Mapping[str, Mapping[str, float]],
    speeds: Mapping[str, Mapping[str, float]],
    searches: Mapping[str, Sequence[tuple[int, float]]],
) -> None:
    """Draw seconds of what is waited for, tokens a second by who makes them, and milliseconds of a search by size.

    Raises RagError where the file cannot be written.
    """
    with _figure(path, title) as figure:
        grid = figure.add_gridspec(2, 2, wspace=0.08, hspace=0.1)
        _grouped(figure.add_subplot(grid[:, 0]), "What one waits for", waits, "seconds")
        _grouped(figure.add_subplot(grid[0, 1]), "Tokens", speeds, "tokens a second")
        _sizes(figure.add_subplot(grid[1, 1]), searches)


@contextmanager
def _figure(path: Path, title: str) -> Iterator[Figure]:
    """A figure to draw on, which is then written to ``path``."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    style: dict[Any, Any] = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
        "font.size": 10,
        "axes.titlesize": 12,
        "axes.titlelocation": "left",
        "axes.titlepad": 12,
        "axes.edgecolor": _FAINT,
    }
    with rc_context(style):
        figure = Figure(figsize=_SIZE, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15))
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.012, ha="left", fontsize=15, fontweight="bold", parse_math=False)
        yield figure
        try:
            figure.savefig(path, format="png", dpi=_DOTS)
        except OSError as error:
            raise RagError(f"{path} cannot be written: {error.strerror}.") from error


def _grouped(axes: Axes, title: str, groups: Mapping[str, Mapping[str, float]], unit: str) -> None:
    """Bars that lie, a group each, the longest first to be read."""
    axes.set_title(title)
    rows = [(f"{name}, {group}", value, number) for number, (group, bars) in enumerate(groups.items())
            for name, value in bars.items()]  # fmt: skip
    places = [place + 0.5 * number for place, (_, _, number) in enumerate(rows)]
    for place, (_, value, number) in zip(places, rows, strict=True):
        axes.barh(place, value, height=0.72, color=_COLOURS[number % len(_COLOURS)], zorder=2)
        axes.text(value, place, f" {value:.3g}", va="center", ha="left", fontweight="bold")
    axes.set_yticks(places, [name for name, _, _ in rows])
    axes.set(xlabel=unit, xlim=(0, 1.15 * max((value for _, value, _ in rows), default=1.0)))
    axes.invert_yaxis()
    _tidy(axes, "x")
    axes.tick_params(length=0)


def _sizes(axes: Axes, searches: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    axes.set_title("A search")
    axes.set(xlabel="passages (log scale)", ylabel="milliseconds", xscale="log")
    for number, (engine, points) in enumerate(searches.items()):
        colour, style = _LINES[number % len(_LINES)]
        sizes, times = zip(*sorted(points), strict=True)
        axes.plot(sizes, times, color=colour, linestyle=style, linewidth=2.2, marker="o", label=engine)
    slowest = max((time for points in searches.values() for _, time in points), default=1.0)
    axes.set_ylim(0, 1.15 * slowest)
    if searches:
        axes.legend(frameon=False)
    _tidy(axes, "both")


def _bars(axes: Axes, bars: Sequence[tuple[str, str, Estimate]]) -> None:
    axes.set_title("Figures of merit, with 95 % intervals")
    groups = list(dict.fromkeys(group for _, group, _ in bars))
    # Half a bar of air between groups.
    places = [row + 0.5 * groups.index(group) for row, (_, group, _) in enumerate(bars)]
    for place, (_, group, one) in zip(places, bars, strict=True):
        colour = _COLOURS[groups.index(group) % len(_COLOURS)]
        axes.barh(place, one.value, height=0.72, color=colour, zorder=2)
        for ink, width in (("white", 4.0), (_INK, 1.6)):  # a white edge parts the line from the bar
            axes.plot((one.low, one.high), (place, place), color=ink, linewidth=width, marker="|", markersize=8,
                      markeredgewidth=width, solid_capstyle="butt", zorder=3, clip_on=False)  # fmt: skip
        axes.text(1.04, place, f"{one.value:.2f}", va="center", ha="left", fontweight="bold")
        axes.text(1.15, place, f"n = {one.n}", va="center", ha="left", color="#666666")
    axes.set_yticks(places, [name for name, _, _ in bars])
    axes.set_ylim(max(places, default=0) + 0.6, -0.6)
    axes.set(xlim=(0, 1.28), xticks=(0, 0.25, 0.5, 0.75, 1), xlabel="share of questions; ↓ less is better")
    axes.xaxis.set_label_coords(0.39, -0.05)
    _tidy(axes, "x")
    axes.tick_params(length=0)


def _latency(axes: Axes, seconds: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_title("How long a question takes", pad=30)
    axes.set(xlabel="seconds (log scale)", ylabel="share of questions", ylim=(0, 1.03), xscale="log")
    for number, (stage, values) in enumerate(seconds.items()):
        colour, style = _LINES[number % len(_LINES)]
        axes.ecdf(values, color=colour, linestyle=style, linewidth=2.2, label=f"{stage} (n = {len(values)})")
    # Plain figures (0.02, not 2×10⁻²), the fewer the more decades there are.
    low, high = axes.get_xlim()
    subs = range(1, 10) if high < 6 * low else (1, 2, 5) if high < 200 * low else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=tuple(subs)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    if seconds:
        axes.legend(
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.99),
            ncols=3,
            columnspacing=1.2,
            handlelength=1.7,
            fontsize=9,
        )
    _tidy(axes, "both")


def _curve(axes: Axes, curve: Sequence[tuple[float, float]], judged: int) -> None:
    axes.set_title(f"Risk against coverage, surest questions first (n = {judged})")
    axes.set(xlabel="coverage: share of questions answered", ylabel="risk: share of them wrong", xlim=(0, 1.02))
    if curve:
        covered, risks = zip(*curve, strict=True)
        marker = "o" if len(curve) <= _MARKED else ""
        axes.plot(covered, risks, color=_COLOURS[0], linewidth=2.2, marker=marker, markersize=5, clip_on=False)
        axes.fill_between(covered, risks, color=_COLOURS[0], alpha=0.12, linewidth=0)
    axes.set_ylim(0, max(0.1, 1.15 * max((risk for _, risk in curve), default=0.0)))
    _tidy(axes, "both")


def _tidy(axes: Axes, lines: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=lines, color=_FAINT, linewidth=0.8, zorder=0)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
