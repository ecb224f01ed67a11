"""The common style of all figures, and their SVG output."""

import inspect
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._plain import plain
from cortex_sim.runtime import missing_allowed

Given, Made = ParamSpec("Given"), TypeVar("Made")
STYLE = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9.5,
    "axes.titleweight": "bold", "legend.frameon": False, "svg.fonttype": "path", "svg.hashsalt": "cortex-sim", "figure.constrained_layout.use": True,
    "text.parse_math": False,
}  # fmt: skip

COLOURS = ("#2457a6", "#d1702a", "#1d8a66", "#8c4fb0", "#b8324f", "#7a6a3a", "#4b8fb8")

TEACHER, GREY = "#1c2430", "#9aa5b1"

FIXED = {"untrained": "#a9b2bd", "shuffled": "#6b7684"}

WIDTH = 10.0  # inches
ABREAST = 4  # panels in a row


def figure(draw: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return the function as one that draws in the common style, with text as written; missing numbers stay empty."""

    @missing_allowed(*inspect.signature(draw).parameters)
    @wraps(draw)
    def drawn(*given: Given.args, **named: Given.kwargs) -> Made:
        with matplotlib.rc_context(STYLE):
            made = draw(*given, **named)
            if isinstance(made, Figure):  # which a user may save under any settings of matplotlib's
                plain(made)
            return made

    return drawn


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure as SVG; equal figures give equal bytes."""
    path.write_text(svg_of(figure), encoding="utf-8")


def svg_of(figure: Figure) -> str:
    """Return a figure as the text of an SVG."""
    written = io.StringIO()
    with matplotlib.rc_context(STYLE):
        plain(figure)
        FigureCanvasSVG(figure)
        if (layout := figure.get_layout_engine()) is not None:  # laid out beforehand, so that it is drawn once instead of twice
            layout.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def colours(students: Sequence[str]) -> dict[str, str]:
    """Return each student's colour; untrained and shuffled ones are light and dark grey."""
    free = iter(COLOURS * 3)
    return {name: FIXED.get(name) or next(free) for name in students}


def broken(title: str, panels: int) -> str:
    """Return a title broken into lines that fit one of several panels side by side."""
    return textwrap.fill(title, max(10, 100 // panels))


def trajectories(ax: Axes, states: Float[ndarray, "condition time 2"]) -> None:
    shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(states)))
    order = np.argsort(states[:, 0, 0])
    for shade, path in zip(shades, states[order], strict=True):
        ax.plot(path[:, 0], path[:, 1], color=shade, lw=0.9)
        ax.plot(*path[0], ".", color=shade, ms=5)


def inked(systems: Mapping[str, object]) -> dict[str, str]:
    """Return colours: black for a recording, grey for a surrogate, others for the rest."""
    free = iter(COLOURS * 3)
    return {name: TEACHER if "record" in name and "surrogate" not in name else GREY if "surrogate" in name else next(free) for name in systems}
