"""Every part of an NWB or MATLAB file that is read whole is refused, before it is allocated, if it does not fit in memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cortex_sim.errors import CortexSimError
from cortex_sim.runtime import _memory
from cortex_sim.trials import Trials, behaviour, read, write_nwb

MEMORY = 2e8  # bytes that there are said to be
WHOLE = 3 * 10**7  # numbers of a dataset that was never written: more than a sixth of that, 240 MB
NUMBERS = [
    "units/spike_times_index", "units/obs_intervals", "units/obs_intervals_index", "units/electrodes", "units/electrodes_index",
    "intervals/trials/start_time", "intervals/trials/stop_time", "general/notes", "identifier", "session_description",
]  # fmt: skip
READING = {"window": (0.0, 0.05)}


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "memory", lambda: MEMORY)


def session(path: Path) -> Path:
    rng = np.random.default_rng(0)
    spikes = np.sort(rng.uniform(0, 0.1, 40)), rng.integers(0, 2, 40), rng.integers(0, 3, 40)
    write_nwb(Trials.from_spikes(spikes, 0.01 * np.arange(10), units=2, condition=np.arange(3)), path)
    with h5py.File(path, "r+") as file:
        units = file["units"]
        units["obs_intervals"], units["obs_intervals_index"] = np.tile([0.0, 10.0], (2, 1)), np.array([1, 2])
        hand = file.require_group("processing/behavior").create_group("hand")
        hand.attrs["neurodata_type"] = "SpatialSeries"
        hand["data"], hand["timestamps"] = np.zeros((500, 2)), 0.01 * np.arange(500)
    return path


def replaced(path: Path, name: str, shape: tuple[int, ...] = (WHOLE,), dtype: str = "f8") -> None:
    """Put a dataset that was never written, and takes next to nothing in the file, in the place of another."""
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs) if name in file else {}
        if name in file:
            del file[name]
        file.create_dataset(name, shape, dtype, chunks=tuple(min(size, 1000) for size in shape)).attrs.update(
            {key: value for key, value in attributes.items() if not isinstance(value, h5py.Reference)})  # fmt: skip


def most(action: Callable[[], object]) -> tuple[float, str]:
    """Return the bytes that an action allocates at most, and its error."""
    tracemalloc.start()
    try:
        action()
    except CortexSimError as problem:
        return tracemalloc.get_traced_memory()[1], str(problem)
    else:
        return tracemalloc.get_traced_memory()[1], ""
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("asked", [{}, READING], ids=["all", "window"])
@pytest.mark.parametrize("name", NUMBERS)
def test_no_part_of_a_session_is_allocated_that_does_not_fit(tmp_path: Path, name: str, asked: dict[str, tuple[float, float]]) -> None:
    path = session(tmp_path / "a.nwb")
    plain, _ = most(lambda: read(path, **asked))
    replaced(path, name)
    allocated, said = most(lambda: read(path, **asked))
    assert allocated < plain + 0.02 * MEMORY
    assert name in ("general/notes", "units/electrodes", "units/electrodes_index") or "GB of memory" in said  # what is not asked for is not read


@pytest.mark.parametrize(("name", "shape", "dtype"), [
    ("intervals/trials/condition", (3,), f"S{10**8}"), ("identifier", (), f"S{2 * 10**8}"), ("units/spike_times", (40, 10**7), "f8"),
])  # fmt: skip
def test_the_width_of_an_entry_counts_as_well(tmp_path: Path, name: str, shape: tuple[int, ...], dtype: str) -> None:
    path = session(tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        file.create_dataset(name, shape, dtype)
    allocated, said = most(lambda: read(path))
    assert allocated < 0.1 * MEMORY and ("GB of memory" in said or "should hold the times of all units in one row" in said)


def test_one_long_text_does_not_widen_all_others_beyond_memory(tmp_path: Path) -> None:
    path = session(tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        del file["intervals/trials/condition"]
        file["intervals/trials"].create_dataset("condition", data=["a", "b", "c" * 10**7], dtype=h5py.string_dtype())
    allocated, said = most(lambda: read(path))  # 3 texts of 10^7 letters of 4 bytes each would take 120 MB
    assert allocated < 0.3 * MEMORY and "3 texts of up to 10000000 letters would take" in said


@pytest.mark.parametrize(("name", "shape"), [("data", (500, 10**7)), ("data", (10**11, 2)), ("timestamps", (500, 10**7))])
def test_behaviour_of_many_axes_is_refused_before_it_is_allocated(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    path = session(tmp_path / "a.nwb")
    replaced(path, f"processing/behavior/hand/{name}", shape)
    if name == "data" and shape[0] != 500:
        with h5py.File(path, "r+") as file:
            hand = file["processing/behavior/hand"]
            del hand["timestamps"]
            hand["starting_time"] = 0.0
            hand["starting_time"].attrs["rate"] = 1e9
    allocated, said = most(lambda: behaviour(path, "hand", window=(0.0, 0.05)))
    assert allocated < 0.1 * MEMORY and ("GB of memory" in said or "there should be one after the other" in said)


def test_arrays_of_a_matlab_file_are_counted_together_and_as_often_as_they_are_named(tmp_path: Path) -> None:
    part = WHOLE // 10
    with h5py.File(tmp_path / "a.mat", "w") as file:
        for place in range(5):
            file.create_dataset(f"array_{place}", (part,), "f8", chunks=(1000,))
    allocated, said = most(lambda: read(tmp_path / "a.mat"))
    assert allocated < 0.1 * MEMORY and "all of the 5 arrays would take" in said
    with h5py.File(tmp_path / "b.mat", "w") as file:
        one = file.create_dataset("#refs#/a", (part,), "f8", chunks=(1000,))
        file.create_group("table").create_dataset("column", data=np.array([one.ref] * 50, dtype=object), dtype=h5py.ref_dtype)
    allocated, said = most(lambda: read(tmp_path / "b.mat"))
    assert allocated < 0.1 * MEMORY and "all of the 50 entries of 'table' would take" in said
