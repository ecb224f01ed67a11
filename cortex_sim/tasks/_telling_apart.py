"""Classification of conditions: an input over time is classified at its end."""

from dataclasses import replace

import numpy as np
import xarray as xr
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from cortex_sim.tasks._labelled import targets
from cortex_sim.tasks._task import BIN, DT, Task


def telling_apart(
    heard: Float[ndarray, "trial time channel"],
    condition: Shaped[ndarray, " trial"],
    *,
    start: float,
    reference: Int[ndarray, " known"] | None = None,
    bin: float = BIN,
) -> Task:
    """Return the task of reporting, at the last bin, the condition of an input.

    Channels are z-scored by the reference trials and constant within a bin. For two conditions the target is one output, 1 for the second;
    for more it is one output per condition.

    Args:
        heard: input in bins, such as spike counts.
        condition: label of each trial.
        start: of the first bin, s.
        reference: positions of the trials that give means and standard deviations, such as the training trials; all if omitted.
        bin: width of the bins, s.
    """
    labels, which = np.unique(condition, return_inverse=True)
    bins = heard.shape[1]
    wanted = (which == 1)[:, None].astype(float) if len(labels) == 2 else np.eye(len(labels))[which]
    names = ["second"] if len(labels) == 2 else [str(label) for label in labels]
    known = heard if reference is None else heard[reference]
    mean, scale = known.mean(axis=(0, 1)), known.std(axis=(0, 1))
    values = np.repeat((heard - mean) / np.where(scale > 0, scale, 1.0), round(bin / DT), axis=1)
    bare = Task("telling reaches apart", start, float(np.round(start + bins * bin, 9)), np.arange(len(condition)), bin=bin)
    outputs = targets(bare, np.repeat(wanted[:, None], bins, axis=1), names, units="1", what="probability of the condition")
    mask = np.zeros((len(condition), bins))
    mask[:, -1] = 1.0
    return replace(bare, targets=outputs, mask=mask, channels=xr.DataArray(values, dims=("trial", "step", "channel"), attrs={"units": "1"}))
