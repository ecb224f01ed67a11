"""Findings about trials: kept in their provenance, and printed once."""

import json
from typing import TYPE_CHECKING

from cortex_sim.runtime import warn

if TYPE_CHECKING:
    from cortex_sim.trials._trials import Trials

FINDINGS = "findings"
_printed: set[str] = set()


def noted(trials: "Trials", *findings: str) -> "Trials":
    """Return trials with findings added to their provenance, under :data:`FINDINGS`; each is printed on standard error once per process.

    Args:
        trials: that the findings are about.
        findings: one sentence each.
    """
    known = trials.provenance.get(FINDINGS, [])
    new = [finding for finding in dict.fromkeys(findings) if finding not in known]
    if not new:
        return trials
    name = trials.provenance.get("recording", "trials")
    for line in (f"{name}: {finding}" for finding in new):
        if line not in _printed:
            _printed.add(line)
            warn(line)
    said = json.dumps(trials.provenance | {FINDINGS: [*known, *new]}, sort_keys=True)
    return type(trials)(trials.dataset.assign_attrs(provenance=said))
