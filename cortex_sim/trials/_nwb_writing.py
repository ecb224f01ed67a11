"""Writing Neurodata Without Borders: a simulated session as a file that other laboratories' tools can read."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim import __version__
from cortex_sim.errors import FileProblem, OptionError, TrialsError
from cortex_sim.runtime import content_key, write_bytes
from cortex_sim.trials._nwb_rates import NOTED, PLACE, add_rates
from cortex_sim.trials._trials import Trials

GAP = 1.0  # s, at least, between a trial and the next
START = datetime(2000, 1, 1, tzinfo=UTC)  # a simulation has no date; one that is not fixed would make equal sessions differ
EVENT, CONDITION = "go_cue_time", "condition"
RESOLUTION = 1e-4  # s, where the provenance does not say the step of the simulation
DESCRIPTION = "Simulated session of cortex-sim: no animal was recorded. Trials are laid one after another on one clock."
LENGTHS = {"meters", "centimeters", "millimeters", "micrometers", "degrees", "radians", "pixels"}  # units of a position
SUBJECT = {
    "subject_id": "simulation", "description": "No animal: the units are simulated.", "sex": "U", "age": "P0D",
    "species": "http://purl.obolibrary.org/obo/NCBITaxon_32630",  # synthetic construct
}  # fmt: skip


def write_nwb(
    trials: Trials,
    path: str | Path,
    *,
    behaviour: Mapping[str, xr.DataArray] | None = None,
    session_description: str = DESCRIPTION,
    session_start_time: datetime = START,
) -> None:
    r"""Write the spikes or rates of simulated trials as one NWB session, whole or not at all.

    Time 0 of trial :math:`k` is a whole second :math:`s_k` of the session, late enough that the trial starts at least a second after the
    previous one ended. A spike at :math:`t` is written at :math:`s_k + t`, exact to half a unit in the last place of the sum. Subtracting
    :math:`s_k` is exact, so :func:`read_nwb` gives times to 1e-12 s in sessions of up to 4.5 hours, and everything else unchanged. NWB has no
    place for rates: they become a time series ``firing_rates`` of the processing module ``ecephys``, (sample, unit), read back unchanged.

    Args:
        trials: spikes or rates. Their provenance is kept in the notes; its ``dt_s``, if there is one, becomes the resolution of spike times.
        path: of the file.
        behaviour: by name, (trial, time, axis) with the coordinate ``time`` in s and the attribute ``units``; samples within the trials are written.
        session_description: what was simulated.
        session_start_time: the date that NWB requires; 1 January 2000 stands for none.

    Raises:
        TrialsError: no unit has a spike, a label is neither text nor number, or behaviour does not fit the trials.
        OptionError: pynwb is not installed.
        FileProblem: the folder cannot be written or the disk is full.
    """
    pynwb = _pynwb()
    spiking = "spike_time" in trials.dataset
    if spiking and not trials.spikes.time.size:
        raise TrialsError(f"none of the {trials.shape[2]} units has a spike; a recording without any is refused on reading, so none is written.")
    zero, note, labels = _zeros(trials), _note(trials), _labels(trials)
    activity = trials.spikes if spiking else [trials.dataset["rate"].values]
    session = pynwb.NWBFile(
        session_description=session_description, session_start_time=session_start_time, notes=note,
        identifier=content_key(note, *activity, labels.tolist(), trials.stop, trials.population.tolist(), session_description),
        experiment_description="Simulation of motor cortex.", keywords=["simulation", "motor cortex"],
        was_generated_by=[["cortex-sim", __version__]], subject=pynwb.file.Subject(**SUBJECT),
    )  # fmt: skip
    session.trials = _trial_table(pynwb, trials, zero, labels)
    if spiking:
        session.units = _unit_table(pynwb, trials, zero)
    else:
        add_rates(pynwb, session, trials, zero)
    _add_behaviour(pynwb, session, trials, zero, behaviour or {})
    content = h5py.File(Path(path).name, "w", driver="core", backing_store=False)
    try:
        with content, pynwb.NWBHDF5IO(file=content, mode="w") as file:
            file.write(session)
            content.flush()
            image = content.id.get_file_image()
    except OSError as problem:
        raise FileProblem(f"{path}: cannot be written ({problem.strerror or problem}); nothing was kept.") from None
    write_bytes(Path(path), image)


def _pynwb() -> ModuleType:
    try:
        import pynwb
    except ImportError:
        raise OptionError("writing NWB needs pynwb, which is not installed; say: pip install 'cortex-sim[nwb]'") from None
    return pynwb


def _zeros(trials: Trials) -> Float[ndarray, " trial"]:
    """Return the session times, in whole seconds, that are 0 on the clocks of the trials."""
    lead, zero = max(-trials.time[0], 0.0) + GAP, 0.0
    zeros = []
    for stop in trials.stop:
        zeros.append(np.ceil(zero + lead))
        zero = zeros[-1] + max(stop, 0.0)
    return np.array(zeros)


def _note(trials: Trials) -> str:
    """Return what NWB has no field for: how the trials are aligned and binned, and their provenance."""
    grid: dict[str, Any] = {
        "start": float(trials.time[0]),
        "bin": float((trials.time[-1] - trials.time[0]) / (trials.time.size - 1)),
        "bins": trials.time.size,
    }
    grid |= {} if "spike_time" in trials.dataset else {NOTED: PLACE}
    return json.dumps({"cortex-sim": grid | {"align": EVENT, "provenance": trials.provenance}}, sort_keys=True)


def _labels(trials: Trials) -> ndarray:
    labels = trials.condition
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.dtype.kind not in "biufU":
        raise TrialsError(f"conditions {labels[:3].tolist()} hold {labels.dtype}; NWB takes one kind of label, text or numbers.")
    return labels


def _trial_table(pynwb: ModuleType, trials: Trials, zero: ndarray, labels: ndarray) -> Any:
    columns = {
        "start_time": (zero + trials.time[0], "start of the trial, s"),
        "stop_time": (zero + trials.stop, "end of the trial, s"),
        EVENT: (zero, "go cue or movement onset: the moment that is 0 on the clock of the trial, s"),
        CONDITION: (labels.tolist() if labels.dtype.kind == "U" else labels, "label of what was asked of the circuit in the trial"),
    }
    made = [pynwb.core.VectorData(name=name, data=data, description=text) for name, (data, text) in columns.items()]
    return pynwb.epoch.TimeIntervals(name="trials", description="simulated trials", columns=made, id=np.arange(zero.size))


def _unit_table(pynwb: ModuleType, trials: Trials, zero: ndarray) -> Any:
    when, unit, trial = trials.spikes
    order = np.lexsort((when, trial, unit))
    data = pynwb.H5DataIO((zero[trial] + when)[order], compression="gzip", shuffle=True)
    times = pynwb.core.VectorData(name="spike_times", data=data, description="times of the spikes of each unit, s")
    ends = np.cumsum(np.bincount(unit, minlength=trials.shape[2]))
    columns = [times, pynwb.core.VectorIndex(name="spike_times_index", data=ends, target=times)]
    if "population" in trials.dataset.coords:
        names = trials.population.tolist()
        columns.append(pynwb.core.VectorData(name="population", data=names, description="population of the simulated circuit"))
    step = float(trials.provenance.get("dt_s", RESOLUTION))
    identity = trials.dataset["unit"].values
    return pynwb.misc.Units(name="units", description="simulated units, silent ones included", columns=columns, resolution=step, id=identity)


def _add_behaviour(pynwb: ModuleType, session: Any, trials: Trials, zero: ndarray, behaviour: Mapping[str, xr.DataArray]) -> None:
    if not behaviour:
        return
    module = session.create_processing_module(name="behavior", description="what the simulated plant did")
    for name, series in behaviour.items():
        if series.dims != ("trial", "time", "axis") or series.sizes["trial"] != zero.size or "time" not in series.coords:
            raise TrialsError(f"behaviour {name!r} is {dict(series.sizes)}; it should be (trial, time, axis) with 'time' in s, {zero.size} trials.")
        time = series["time"].values
        if time.min() < trials.time[0] - 1e-9:
            raise TrialsError(f"behaviour {name!r} starts at {time.min():g} s; trials start at {trials.time[0]:g} s.")
        within = time < trials.stop[:, None] - 1e-9
        said: dict[str, Any] = {"name": name, "unit": str(series.attrs.get("units", "n.a.")), "description": f"simulated {name}, (sample, axis)"}
        said |= {"data": series.values[within], "timestamps": (zero[:, None] + time)[within]}
        spatial = said["unit"] in LENGTHS
        module.add(pynwb.behavior.SpatialSeries(**said, reference_frame="of the simulation") if spatial else pynwb.TimeSeries(**said))
