"""Rates in NWB, which has no place of its own for them: one series over all trials, beside the table of trials and that of the units."""

from types import ModuleType
from typing import Any

import h5py
import numpy as np
from numpy import ndarray

from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._door import whole
from cortex_sim.trials._nwb_cut import Choice, Cut, text, values
from cortex_sim.trials._stored import DIMENSIONS
from cortex_sim.trials._trials import Trials

MODULE, SERIES, UNITS = "ecephys", "firing_rates", "simulated_units"
PLACE, TABLE = f"processing/{MODULE}/{SERIES}", f"processing/{MODULE}/{UNITS}"
NOTED = "rates"  # what the note of a session calls the place of its rates


def add_rates(pynwb: ModuleType, session: Any, trials: Trials, zero: ndarray) -> None:
    """Add the rates of trials to a session: a row a bin of a trial, a column a unit, NaN where a unit was not observed.

    Args:
        pynwb: the package.
        session: to add to.
        trials: rates.
        zero: time 0 of each trial, s of the session.
    """
    there = trials.lasting
    rates = np.where(trials.observed[:, None, :], trials.dataset["rate"].values, np.nan)[there]
    moments = (zero[:, None] + trials.time)[there]
    module = session.create_processing_module(name=MODULE, description="what the simulated units did")
    module.add(pynwb.TimeSeries(
        name=SERIES, data=pynwb.H5DataIO(rates, compression="gzip", shuffle=True), timestamps=moments,
        unit=str(trials.dataset["rate"].attrs.get("units", "Hz")),
        description="rates of the units, in the order of their table, at the left edges of bins within the trials, (sample, unit)",
    ))  # fmt: skip
    columns = []
    if "population" in trials.dataset.coords:
        names = trials.population.tolist()
        columns = [pynwb.core.VectorData(name="population", data=names, description="population of the simulated circuit")]
    identity = trials.dataset["unit"].values
    about = f"units whose rates are the columns of {SERIES}"  # NWB's own table of units is one of spikes
    module.add(pynwb.core.DynamicTable(name=UNITS, description=about, columns=columns, id=identity))


def as_written(choice: Choice, note: dict[str, Any]) -> Choice:
    """Return how rates are cut: as they were written; their window comes after.

    Raises:
        OptionError: another event, bin or table is asked for.
    """
    fixed = {"align": note["align"], "bin": note["bin"], "table": "trials"}
    for name, own in fixed.items():
        asked = getattr(choice, name)
        if asked is not None and asked != own and not (name == "bin" and abs(asked - own) < 1e-9):
            raise OptionError(f"{name} {asked!r} does not apply: the file holds rates, of {name} {own!r}. Leave it out.")
    return choice._replace(align=None, window=None, bin=None)


def rates_of(file: h5py.File, cut: Cut, made: dict[str, Any]) -> Trials:
    """Return the rates that :func:`write_nwb` wrote, bin for bin.

    Args:
        file: opened.
        cut: of its trials, as they were written.
        made: provenance.

    Raises:
        FileProblem: the series is damaged: a bin of a trial has no sample.
    """
    series = file.get(PLACE)
    if series is None or not {"data", "timestamps"} <= set(series):
        raise FileProblem(f"its note says that rates are in {PLACE!r}, where there is no series with data and timestamps; it is damaged.")
    data, stamps = whole(series["data"]), whole(series["timestamps"])
    unit = text(series["data"].attrs.get("unit", "Hz"))
    count = len(file[TABLE]["id"]) if TABLE in file else -1
    check_fits(float(cut.time.size) * cut.zero.size * max(1, count), f"{cut.time.size} bins of {count} units in {cut.zero.size} trials")
    inside = cut.time + cut.note["bin"] <= cut.stop[:, None] + 1e-6 * cut.note["bin"]
    asked = (cut.zero[:, None] + cut.time)[inside]
    place = np.minimum(np.searchsorted(stamps, asked - cut.edge), max(0, len(stamps) - 1))
    if data.ndim != 2 or data.shape != (len(stamps), count) or not len(stamps) or (abs(stamps[place] - asked) > cut.edge).any():
        raise FileProblem(f"series {PLACE!r} of shape {data.shape} does not have a row for each bin of each trial, and {count} units; it is damaged.")
    rate = np.full((*inside.shape, count), np.nan)
    rate[inside] = data[place]
    seen: ndarray = np.asarray(~(np.isnan(rate) & inside[:, :, None]).any(axis=1))
    found = Trials.from_arrays(np.nan_to_num(rate), cut.time, condition=cut.labels, stop=cut.stop, units=unit, provenance=made).dataset
    if not seen.all():
        shown = np.where(inside[:, :, None] & seen[:, None, :], rate, np.nan)
        found = found.assign(rate=(DIMENSIONS, shown, found["rate"].attrs)).assign_coords(observed=(("trial", "unit"), seen))
    found = found.assign_coords(unit=values(file[TABLE]["id"]).reshape(-1))
    if "population" in file[TABLE]:
        found = found.assign_coords(population=("unit", values(file[TABLE]["population"]).astype(str)))
    return Trials(found)
