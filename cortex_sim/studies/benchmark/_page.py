"""The page of the benchmark: what every measure sees, leaves alone and ranks, and what to do about it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cortex_sim.report import Claim, Report
from cortex_sim.runtime import run_folder
from cortex_sim.studies.benchmark._changes import ORTHOGONAL
from cortex_sim.studies.benchmark._observed import RESPONSES
from cortex_sim.studies.benchmark._results import Result, write_results
from cortex_sim.studies.benchmark._sizes import VERSION

EXACT, UNIFORM = 1e-6, 0.01  # how far a measure of equal averages may be from equal; smallest corrected p at which it is still at chance


def report_of(results: Sequence[Result]) -> Report:
    """Return the report of results.

    Args:
        results: of measures and methods.
    """
    measures = [result for result in results if result["kind"] == "measure"]
    return Report(
        title="Which comparison tells how a circuit works?",
        question=f"{VERSION}, {results[0]['set']} set, {max(result['circuits'] for result in results)} circuits.",
        answer=", ".join(f"{result['name']}: {result['numbers']['views'][RESPONSES]['slope']:.2f}" for result in measures) or "No measure.",
        claims=_claims(measures), smoke=any(result["smoke"] for result in results),
    )  # fmt: skip


def _claims(measures: Sequence[Result]) -> list[Claim]:
    if not measures:
        return []
    off = {result["name"]: result["numbers"]["chance"]["exact"] for result in measures}
    worst = max(off, key=lambda name: off[name])
    turned = {result["name"]: abs(result["numbers"]["invariance"][RESPONSES][ORTHOGONAL]["shift"]) for result in measures}
    return [
        Claim(f"largest change of a measure of equal averages along a family ({worst})", off[worst], 0.0, EXACT, "averages are equal to round-off"),
        Claim("smallest change under rotation", float(np.min(list(turned.values()))), 0.0, 1.0, "by definition"),
    ]


def write(report: Report, results: Sequence[Result], folder: Path, *, command: str) -> Path:
    """Write the page, and a JSON file for each result beside it, into a new folder; return the page.

    Args:
        report: of the results.
        results: of measures and methods.
        folder: must not exist.
        command: that was typed.

    Raises:
        FileProblem: the folder exists or cannot be written.
    """
    with run_folder(folder, asked={"command": command}):
        page = report.write(folder, command=command)
        write_results(results, folder / "results")
    return page
