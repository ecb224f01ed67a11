"""A report as lines for a terminal, and whether the claims of a written report hold."""

import json
from pathlib import Path

from cortex_sim.report._report import Report


def told(report: Report, page: Path) -> str:
    """Return answer, findings and claims of a report, and the place of its page, as shown on a terminal."""
    lines = ["", report.answer, ""]
    for heading, text in report.findings.items():
        lines += [f"{heading}. {text}", ""]
    for claim in report.claims:
        lines.append(f"  {'holds' if claim.holds else 'FAILS':<6} {claim.text}: {claim.found:.5g}, should lie in {claim.low:.5g} to {claim.high:.5g}")
    return "\n".join([*lines, "", f"report: {page}"])


def claims_hold(folder: Path) -> bool:
    """Return whether every claim of a finished run holds.

    Args:
        folder: folder of the run.
    """
    return all(claim["holds"] for claim in json.loads((folder / "claims.json").read_text(encoding="utf-8")))
