"""The page of published results: a table, and a small figure for each row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortex_sim.report import Claim, Picture, Report
from cortex_sim.report.figures import rows_beside_bands
from cortex_sim.studies._reproduced import CLASSES, KNOWN, Found

if TYPE_CHECKING:
    from cortex_sim.studies._reproduced import Reproduction

COLUMNS = ("paper", "what is compared", "published", "ours", "should lie in", "", "class", "known", "s")


def report_of(found: "Reproduction") -> Report:
    """Return the report of a reproduction."""
    tested = [row for row in found.rows if row.holds in ("holds", "does not hold")]
    failing = [row for row in tested if row.holds == "does not hold"]
    left = [row for row in found.rows if row.holds == "not tested"]
    papers = {row.row.paper for row in found.rows}
    answer = f"{len(tested) - len(failing)} of {len(tested)} tested results of {len(papers)} papers hold."
    if failing:
        answer += f" Those that do not: {', '.join(row.row.name for row in failing)}."
    claims = [Claim(f"{row.row.name}: {row.compares}", row.ours, _end(row.low, -1), _end(row.high, 1), f"{row.row.published}; {row.tolerance}")
              for row in tested if row.ours is not None]  # fmt: skip
    drawn = [row for row in found.rows if row.ours is not None]
    caption = "Grey: where the claim says it should lie. Line: the published value. Dot: ours, with its span over seeds. Red: outside."
    pictures = {"rows": Picture(rows_beside_bands(
        [(row.row.name, row.ours, row.span, row.low, row.high, row.row.value, row.holds in ("holds", "in the band")) for row in drawn]),
        "Published and ours, a row each", caption)} if drawn else {}  # fmt: skip
    return Report(
        title="Which published results does cortex-sim reproduce?",
        question="Each number of a paper beside ours, from the protocol that makes it, with its tolerance and where that comes from.",
        answer=answer, claims=claims, pictures=pictures, smoke=found.smoke, seed=found.seeds[0], seconds={"all protocols": found.seconds},
        facts={f"class {name}": text for name, text in CLASSES.items()} | {f"known, {name}": text for name, text in KNOWN.items()},
        absent=[f"{row.row.name} ({row.row.published}): {row.why or 'remembered without confidence, never tested'}" for row in left],
        findings={f"{row.row.name}": f"{row.row.paper}: {row.row.published}; ours {_ours(row)}, {row.holds}." for row in found.rows
                  if row.row.group == "C"},
        methods="Rows are read off the claims of whole protocols; nothing is computed for the table alone. rows.json has every field.",
    )  # fmt: skip


def markdown(rows: Sequence[Found]) -> str:
    """Return the table in Markdown, a row each."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        paper = row.row.paper + (f", figure {row.row.figure}" if row.row.figure else "")
        bounds = "" if row.low is None and row.high is None else f"{_number(row.low)} to {_number(row.high)} ({row.tolerance})"
        cells = (paper, row.compares, row.row.published, _ours(row), bounds, row.holds + (f": {row.why}" if row.why else ""), row.row.group,
                 row.row.known, f"{row.seconds:.0f}")  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _ours(row: Found) -> str:
    if row.ours is None:
        return ""
    return f"{row.ours:.4g}" + (f" ({row.span[0]:.4g} to {row.span[1]:.4g})" if row.span else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _end(value: float | None, side: int) -> float:
    return side * float("inf") if value is None else value
