"""The report as one self-contained page."""

import base64
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cortex_sim.report._alternative import alternative
from cortex_sim.runtime import content_key, missing_allowed, visible
from cortex_sim.statistics import Score

if TYPE_CHECKING:
    from cortex_sim.report._report import Report

MINUS = re.compile(r"(?<![\w)])-(?=\d)")
PLUS, SIGN = re.compile(r"\+(?=[\d.])"), re.compile(r"(?<!\w)[-−](?=[\d.])")
LONGEST = 60  # characters of a file name, each of up to four bytes where systems allow 255
ARROWS = {"higher": "↑", "lower": "↓", "closer": "→"}


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a file name for each name, without suffix, unique among them on any file system.

    Signs of numbers are spelt out; names that would still coincide, or are very long, end in a hash.
    """
    spelt = {name: PLUS.sub("plus ", SIGN.sub("minus ", name.lower())) for name in names}
    stems = {name: re.sub(r"\W+", "_", text).strip("_") for name, text in spelt.items()}
    alike = Counter(stems.values())
    return {
        name: stem if stem and alike[stem] == 1 and len(stem) <= LONGEST else f"{stem[:LONGEST]}_{content_key(visible(name))[:8]}"
        for name, stem in stems.items()
    }


def render(report: "Report", run: Mapping[str, Any], figures: Path) -> str:
    """Return the page: the filled template, with figures embedded so that the page is self-contained."""
    environment = Environment(loader=PackageLoader("cortex_sim.report", "."), autoescape=True, undefined=StrictUndefined, finalize=_readable)
    environment.filters["number"] = number
    environment.filters["listed"] = listed
    environment.filters["alternative"] = alternative
    environment.filters["minus"] = lambda text: MINUS.sub("−", text)
    named = file_names(report.pictures)
    pictures = [(name, picture, _data(figures / f"{named[name]}.svg")) for name, picture in report.pictures.items()]
    tables = {measure: [_row(s) for s in report.scores if s.measure == measure] for measure in dict.fromkeys(s.measure for s in report.scores)}
    return environment.get_template("report.html.j2").render(
        report=report, run=run, pictures=pictures, tables=tables, units_of_inference=_units_of_inference(report.scores),
        csv=_data(figures.parent / "scores.csv", "text/csv"),
    )  # fmt: skip


def _readable(value: Any) -> Any:
    """Return text for the page, with invisible characters escaped."""
    return visible(value) if type(value) is str else value


@missing_allowed("value")
def number(value: float | None) -> str:
    """Return a number with three significant digits, at most four decimals, and a proper minus sign; a dash for NaN and None."""
    if value is None or math.isnan(value):
        return "–"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    digits = f"{value:.4f}" if 0.99 <= abs(value) < 1 else f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return digits.replace("-", "−")


def listed(value: Any) -> str:
    """Return a number of a card as it is, a list of numbers in full, and of a table its size."""
    if not isinstance(value, list):
        return f"{value:g}"
    if isinstance(value[0], list):
        return f"{len(value)} × {len(value[0])} table"
    return ", ".join(f"{item:g}" for item in value)


def _units_of_inference(scores: Sequence[Score]) -> str:
    """Return what intervals are over, each once: intervals by the jackknife, and by subsets, of the conditions are both over conditions."""
    return ", ".join(dict.fromkeys(score.interval_over.removeprefix("subsets of the ") for score in scores if score.interval))


def _row(score: Score) -> dict[str, Any]:
    row = score.as_json()
    row["arrow"] = ARROWS[score.better] + (f" {number(score.identical)}" if score.better == "closer" else "")
    row["beats"] = ""
    if score.null is not None and len(score.null) > 1 and score.better != "closer":
        worse = score.null < score.estimate if score.better == "higher" else score.null > score.estimate
        row["beats"] = f"{float(worse.mean()):.0%}"
    return row


def _data(path: Path, kind: str = "image/svg+xml") -> str:
    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()
