"""Trials in a notebook."""

from typing import TYPE_CHECKING

import numpy as np

from cortex_sim.runtime import html_facts, html_heat

if TYPE_CHECKING:
    from cortex_sim.trials._trials import Trials

FEW, ROWS = 6, 80  # conditions named and units drawn


def shown(trials: "Trials") -> str:
    """Return a table of what there is, and the mean rates or first spikes as a heat map."""
    count, bins, units = trials.shape
    named = [str(label) for label in dict.fromkeys(trials.condition.tolist())]
    facts: dict[str, object] = {
        "trials": f"{count}, of {len(named)} conditions ({', '.join(named[:FEW])}{', …' * (len(named) > FEW)})",
        "time": f"{trials.time[0]:g} to {trials.time[-1] + trials.bin:g} s, {bins} bins of {trials.bin * 1e3:g} ms",
        "units": units,
    } | {name: trials.provenance[name] for name in ("model", "task", "seed") if name in trials.provenance}
    if "rate" in trials.dataset:
        mean, what = (
            np.ma.masked_invalid(trials._rate).mean(axis=0).filled(0.0),
            f"mean over trials ({trials.dataset['rate'].attrs.get('units', 'Hz')})",
        )
    else:
        facts["spikes"] = trials.dataset.sizes["spike"]
        first = trials.select([0])
        mean, what = first._counts(None)[0].astype(float), "spikes of the first trial in each bin"
    drawn = mean.T[np.linspace(0, units - 1, min(units, ROWS)).astype(int)]
    return html_facts("Trials", facts, html_heat(drawn, f"Units from above ({len(drawn)} of {units}), time from left to right; {what}"))
