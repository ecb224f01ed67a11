"""Recordings, weights and spaces that are damaged at random are read or refused in our own words, in bounded time."""

import contextlib
import io
import shutil
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from cortex_sim.errors import CortexSimError
from cortex_sim.runtime import load_arrays, save_arrays
from cortex_sim.studies.tuning import read_space
from cortex_sim.trials import Trials, behaviour, hand, read, write_nwb
from tests.mutations import damaged

SHORT, LONG = 25, 800  # damaged files of each kind
PATIENCE = 5.0  # s of computing that reading one may take, a hundred times what it takes
RNG = np.random.default_rng(0)
AVERAGES: dict[str, Any] = {
    "firing_rate": RNG.uniform(0, 60, (7, 21, 5)), "time_ms": np.arange(-100.0, 110.0, 10.0), "direction_deg": np.arange(0.0, 360.0, 72.0),
    "xhandposition": np.zeros((5, 21)), "yhandposition": np.ones((5, 21)),
}  # fmt: skip
TABLE: dict[str, Any] = {
    "spike_time_ms": RNG.uniform(0, 400, 60), "spike_unit": np.arange(60) % 5, "spike_trial": np.arange(60) % 6,
    "trial_condition": np.array(list("ababab")), "trial_duration_ms": np.full(6, 400.0),
}  # fmt: skip
SPACE = '[rate]\nlow = 1e-4\nhigh = 1e-2\nlog = true\n[units]\nlow = 10\nhigh = 100\nstep = 10\n[card]\nchoices = ["leaky_tanh", "gru"]\n'


def trials(count: int = 60) -> Trials:
    spikes = np.linspace(0, 0.39, count), np.arange(count) % 7, np.arange(count) % 6
    return Trials.from_spikes(spikes, 0.01 * np.arange(40), units=7, condition=list("abcabc"), population=list("xxxyyyy"))


def rows(path: Path) -> None:
    fields = ("trial_id", "bin_size", "M1_spikes", "vel", "idx_go_cue", "target")
    table = np.zeros(4, dtype=[(name, object) for name in fields])
    for row in range(4):
        table[row] = (row, 0.01, RNG.poisson(0.3, (30, 7)), RNG.normal(size=(30, 2)), 5, "ab"[row % 2])
    savemat(path, {"trial_data": table})


def matlab_73(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in AVERAGES.items():
            file[name] = np.atleast_2d(array).T


def columns(path: Path) -> None:
    made = {name: array if name.startswith("spike") else array[TABLE["spike_trial"]] for name, array in TABLE.items()}
    path.write_text("\n".join(",".join(map(str, row)) for row in [made, *zip(*made.values(), strict=True)]))


def rates(path: Path) -> None:
    Trials.from_arrays(RNG.uniform(size=(5, 20, 7)), 0.01 * np.arange(20)).save(path)


def zarr(path: Path) -> None:
    hdmf_zarr, pynwb = pytest.importorskip("hdmf_zarr"), pytest.importorskip("pynwb")
    write_nwb(trials(), path.with_suffix(".nwb"))
    with pynwb.NWBHDF5IO(path.with_suffix(".nwb"), "r") as source, hdmf_zarr.NWBZarrIO(str(path), mode="w") as file:
        file.export(src_io=source, write_args={"link_data": False})


def recording(path: Path) -> None:
    read(path)
    for look in (behaviour, hand):
        with contextlib.suppress(CortexSimError):  # many files have none
            look(path)


def saved(path: Path) -> None:
    made = read(path)
    assert repr(made) and made.key and made.provenance is not None


KINDS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "averages.npz": (lambda path: np.savez(path, **AVERAGES), recording),
    "packed.npz": (lambda path: np.savez_compressed(path, **AVERAGES), recording),
    "spikes.npz": (lambda path: np.savez(path, **TABLE), recording),
    "members.npz": (lambda path: np.savez(path, **TABLE), recording),
    "averages.mat": (lambda path: savemat(path, AVERAGES), recording),
    "packed.mat": (lambda path: savemat(path, AVERAGES, do_compression=True), recording),
    "rows.mat": (rows, recording),
    "seven.mat": (matlab_73, recording),
    "spikes.csv": (columns, recording),
    "rates.nc": (rates, saved),
    "spikes.nc": (lambda path: trials().save(path), saved),
    "spikes.nwb": (lambda path: write_nwb(trials(), path), saved),
    "spikes.zarr": (zarr, saved),
    "weights.safetensors": (lambda path: save_arrays(path, {"W": RNG.normal(size=(3, 3)), "b": np.arange(3)}), load_arrays),
    "space.toml": (lambda path: path.write_text(SPACE), read_space),
}


def in_place(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite a few bytes, so that what comes after stays where it is."""
    raw = bytearray(data)
    for place in rng.integers(0, len(raw), rng.integers(1, 6)):
        new = rng.choice(np.frombuffer(b"\0\1\x7f\x80\xff", np.uint8), rng.integers(1, 9)).tobytes() if rng.random() < 0.5 else rng.bytes(1)
        raw[place : place + len(new)] = new
    return bytes(raw[: len(data)])


def within(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage what is in an archive, whose checksums are right again."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as copy:
        names = archive.namelist()
        chosen = names[rng.integers(len(names))]
        for name in names:
            content = archive.read(name)
            head = content[:128] if rng.random() < 0.7 else content
            copy.writestr(name, any_damage(head, rng) + content[len(head) :] if name == chosen else content)
    return made.getvalue()


def any_damage(data: bytes, rng: np.random.Generator) -> bytes:
    return in_place(data, rng) if data and rng.random() < 0.6 else damaged(data, rng)


def read_damaged(kind: str, count: int, seed: int, folder: Path) -> Counter[str]:
    """Damage a file of a kind again and again, read it, and count how that ended."""
    make, look = KINDS[kind]
    whole, path = folder / f"whole_{kind}", folder / kind
    make(whole)
    look(whole)
    rng, ends = np.random.default_rng([seed, *kind.encode()]), Counter[str]()
    files = sorted(item for item in whole.rglob("*") if item.is_file()) if whole.is_dir() else [whole]
    for number in range(count):
        if whole.is_dir():
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(whole, path)
        chosen = files[rng.integers(len(files))]
        target = path / chosen.relative_to(whole) if whole.is_dir() else path
        target.write_bytes((within if kind == "members.npz" else any_damage)(chosen.read_bytes(), rng))
        started = time.process_time()
        try:
            look(path)
            ends["read"] += 1
        except CortexSimError as problem:
            ends["refused" if kind in str(problem) else f"refused without its name: {problem}"] += 1
        except Exception as problem:
            ends[f"foreign: {type(problem).__name__}"] += 1
            shutil.copy(target, folder / f"{number}-{kind}") if target.is_file() else None
        ends["slow"] += time.process_time() - started > PATIENCE
    return ends


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, kind: str) -> None:
    ends = read_damaged(kind, SHORT, 0, tmp_path)
    assert +ends == Counter(read=ends["read"], refused=ends["refused"]), ends
    assert ends["refused"] > 0


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    ends = read_damaged(kind, LONG, 1, tmp_path)
    assert +ends == Counter(read=ends["read"], refused=ends["refused"]), ends
