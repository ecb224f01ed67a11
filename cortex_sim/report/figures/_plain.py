"""Plain text in figures: names of systems and units are never parsed as formulas, and labels of logarithmic axes need none."""

import re
from collections.abc import Iterator

from matplotlib.artist import Artist
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
    for part in _parts(figure):
        if isinstance(part, Text):
            part.set_parse_math(False)
            part.set_text(visible(part.get_text(), LONGEST))
        if isinstance(part, Axis):
            for formatter, change in ((part.get_major_formatter(), part.set_major_formatter), (part.get_minor_formatter(), part.set_minor_formatter)):
                if not isinstance(formatter, PlainFormatter):
                    change(PlainFormatter(formatter))
                    formatter.set_axis(part)


def _parts(artist: Artist) -> Iterator[Artist]:
    """Yield all that an artist consists of; of an axis, only the ticks that it has by now, since asking for all of them would make them."""
    yield artist
    made = [tick for kind in ("majorTicks", "minorTicks") for tick in vars(artist).get(kind, ())] if isinstance(artist, Axis) else []
    for child in (artist.label, artist.offsetText, *made) if isinstance(artist, Axis) else artist.get_children():
        yield from _parts(child)
