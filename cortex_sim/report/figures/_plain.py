"""Plain text in figures: names of systems and units are never parsed as formulas, and labels of logarithmic axes need none."""

import re

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter, LogFormatter

from cortex_sim.runtime import visible

LONGEST = 120  # characters of one text
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
POWER = re.compile(r"\^\{(-?\d+)\}")


class PlainFormatter(Formatter):
    """Labels of another formatter, as plain text.

    Args:
        inner: the other formatter, which knows its axis.
    """

    def __init__(self, inner: Formatter) -> None:
        self.inner = inner

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick."""
        return self._text(self.inner(x, pos))

    def format_ticks(self, values: list[float]) -> list[str]:
        """Return the labels of all ticks."""
        return [self._text(label) for label in self.inner.format_ticks(values)]

    def get_offset(self) -> str:
        """Return the common offset of all labels."""
        return self._text(self.inner.get_offset())

    def set_locs(self, locs: list[float]) -> None:
        """Set the positions of the ticks."""
        self.inner.set_locs(locs)

    def _text(self, label: str) -> str:
        if isinstance(self.inner, LogFormatter):
            bare = label.replace("$", "").replace(r"\mathdefault", "").replace(r"\times", "×")
            return POWER.sub(lambda found: found[1].translate(RAISED), bare).strip("{}")
        return visible(label, LONGEST)


def plain(figure: Figure) -> None:
    """Make every text of a figure appear as written, shortened if it is very long."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text(visible(text.get_text(), LONGEST))
    for axis in figure.findobj(Axis):
        for formatter, change in ((axis.get_major_formatter(), axis.set_major_formatter), (axis.get_minor_formatter(), axis.set_minor_formatter)):
            if not isinstance(formatter, PlainFormatter):
                change(PlainFormatter(formatter))
                formatter.set_axis(axis)
