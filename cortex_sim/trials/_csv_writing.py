"""Writing trials as comma-separated text that any program reads: a long table of rates, or a table of spikes."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.runtime import csv_text, write_text
from cortex_sim.trials._arrays import csv_columns
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._long_table import from_long_table
from cortex_sim.trials._nwb_cut import Choice
from cortex_sim.trials._spike_table import by_trial, from_spike_table
from cortex_sim.trials._trials import Trials

SAME = 1e-12  # s: what the milliseconds of a table of spikes round off
ELSE = "write .nc, which holds everything"


def write_csv(trials: Trials, path: str | Path) -> None:
    """Write trials as comma-separated text, whole or not at all: what :func:`read` gives has the same numbers.

    Rates: one row for each trial, time (s) and unit, with the condition and the rate in its unit; the digits of every number are enough to read it
    exactly. Units that were not observed in a trial, and bins after its end, have no rows. Spikes: one row a spike, in ms, exact to 1e-12 s.
    Provenance and the names of populations are not written.

    Args:
        trials: rates or spikes.
        path: of the file.

    Raises:
        TrialsError: a table would not hold them: a trial or unit without a row, or labels that would be read as others; the message says which.
        FileProblem: the file cannot be written.
    """
    spiking = "spike_time" in trials.dataset
    columns = _of_spikes(trials) if spiking else _of_rates(trials)
    text = csv_text([list(columns), *zip(*(column.tolist() for column in columns.values()), strict=True)])
    read = csv_columns(io.StringIO(text, newline=""))
    found = from_spike_table(by_trial(read)[0], {}, Choice()) if spiking else from_long_table(read, {})
    _check_same(trials, found)
    write_text(Path(path), text)


def _of_rates(trials: Trials) -> dict[str, ndarray]:
    """Return the columns of a long table."""
    there = trials.observed[:, None, :] & trials.lasting[:, :, None]
    check_fits(8.0 * there.sum(), f"a table of {int(there.sum())} rows")
    for axes, what in (((1, 2), "trial"), ((0, 1), "unit")):
        if (gone := ~there.any(axis=axes)).any():
            raise TrialsError(f"{what} {int(np.argmax(gone))} was observed nowhere, and would have no row in a table; {ELSE}, or leave it out.")
    trial, time, unit = np.nonzero(there)
    units = trials.dataset["rate"].attrs.get("units", "Hz")
    columns = {"trial": trial, "condition": trials.condition[trial], "time (s)": trials.time[time]}
    columns |= {"unit": trials.dataset["unit"].values[unit], f"rate ({units})": trials.dataset["rate"].values[there]}
    return columns | ({"stop (s)": trials.stop[trial]} if "stop" in trials.dataset.coords else {})


def _of_spikes(trials: Trials) -> dict[str, ndarray]:
    """Return the columns of a table of spikes."""
    when, unit, trial = trials.spikes
    silent = np.setdiff1d(np.arange(trials.shape[0]), trial)
    if silent.size:
        raise TrialsError(f"trial {silent[0]} has no spike, and would have no row in a table of spikes; {ELSE}, or leave it out.")
    columns = {"spike_time_ms": 1e3 * when, "spike_unit": unit, "spike_trial": trial, "trial_condition": trials.condition[trial]}
    columns |= {"trial_duration_ms": 1e3 * trials.stop[trial], "trial_start_ms": np.full(when.size, 1e3 * trials.time[0])}
    same: Mapping[str, Any] = {"bin_ms": 1e3 * trials.bin, "n_units": trials.shape[2]}
    return columns | {name: np.full(when.size, value) for name, value in same.items()}


def _check_same(trials: Trials, found: Trials) -> None:
    """Check that what is read is what was to be written."""
    if trials.shape != found.shape:
        raise TrialsError(f"a table would be read as {found.shape} trials, bins and units; there are {trials.shape}: {ELSE}.")
    if trials.condition.tolist() != found.condition.tolist():
        wrong = next((a, b) for a, b in zip(trials.condition.tolist(), found.condition.tolist(), strict=True) if a != b)
        raise TrialsError(f"condition {wrong[0]!r} would be read as {wrong[1]!r} from a table; {ELSE}, or name it otherwise.")
    for name, (own, other) in _compared(trials, found).items():
        if not np.allclose(own, other, rtol=0, atol=0 if name == "rate" else SAME, equal_nan=True):
            raise TrialsError(f"{name} would be read otherwise from a table; {ELSE}.")
    if "rate" in trials.dataset and trials.dataset["unit"].values.tolist() != found.dataset["unit"].values.tolist():
        raise TrialsError(f"units {trials.dataset['unit'].values[:3].tolist()}, ... are read in the order of their numbers or names; {ELSE}.")


def _compared(trials: Trials, found: Trials) -> dict[str, tuple[ndarray, ndarray]]:
    """Return the numbers of both sides by name."""
    sides: list[dict[str, ndarray]] = [{"time": side.time, "stop": side.stop, "observed": side.observed} for side in (trials, found)]
    for side, parts in zip((trials, found), sides, strict=True):
        if "rate" in side.dataset:
            there = side.observed[:, None, :] & side.lasting[:, :, None]
            parts["rate"] = np.where(there, side.dataset["rate"].values, np.nan)
        else:
            parts |= {name: side.dataset[name].values for name in ("spike_time", "spike_unit", "spike_trial")}
    return {name: (own, sides[1][name]) for name, own in sides[0].items()}
