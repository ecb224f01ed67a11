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


def more_conditions(units: int, conditions: int, cure: str) -> list[str]:
    """Return a finding if there are more conditions than units, which may be the other way round or labels of single trials.

    Args:
        units: number of units.
        conditions: number of different conditions.
        cure: what to do if it is so, as the end of a sentence.
    """
    return [f"{units} units x {conditions} conditions: more conditions than units. {cure}."] if conditions > units else []
