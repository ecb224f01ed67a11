"""Currents between regions: those of circuits, and those of networks fitted to them."""

from collections.abc import Mapping, Sequence

import numpy as np

from cortex_sim.comparison import RegionFit, mean_current_correlations, shares_from_others
from cortex_sim.report._report import Picture
from cortex_sim.report.figures._lines import explained_by_pass
from cortex_sim.report.figures._matrices import region_tables
from cortex_sim.report.figures._scatters import clouds


def current_pictures(fits: Mapping[str, Sequence[RegionFit]], regions: Sequence[str]) -> dict[str, Picture]:
    """Return tables of currents and shares, one current compared with the true one, and learning curves, for each setting.

    Args:
        fits: circuits and networks by setting.
        regions: their names.
    """
    tables = {name: mean_current_correlations(each) for name, each in fits.items()}
    shares = {name: tuple(side.mean(axis=0) for side in shares_from_others(each)) for name, each in fits.items()}
    target, source = regions[:2]
    sent = {f"{source} to {target}, {name.replace(', ', chr(10))}": (each[0].true[target, source], each[0].found[target, source])
            for name, each in fits.items()}  # fmt: skip
    return {
        "regions": Picture(
            region_tables(tables, shares, regions), "Currents from region to region",
            "Above: correlation of true and inferred currents, over units and time, mean over circuits. Below: how much of the current power into a "
            "region comes from the other two.",
        ),
        "currents": Picture(
            clouds(sent, xlabel="true current", ylabel="inferred current"), f"Currents from {source} to {target}",
            f"A dot: one unit of {target} at one moment, in one circuit; dashed: equality. Currents have the unit of the state, 1.",
        ),
        "passes": Picture(
            explained_by_pass({name: np.array([fit.fitted.train for fit in each]) for name, each in fits.items()}), "Learning",
            "What is left of the variance of each unit while it is being corrected. Thin: circuits.",
        ),
    }  # fmt: skip
