"""NWB in Zarr gives what the same file in HDF5 gives; what could execute something is left and named."""

import bz2
import gzip
import json
import lzma
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
import xarray as xr

from cortex_sim.errors import CortexSimError, FileProblem, OptionError
from cortex_sim.runtime import _memory
from cortex_sim.trials import Trials, behaviour, read, write_nwb
from cortex_sim.trials._blocks import _size

hdmf_zarr = pytest.importorskip("hdmf_zarr")
START = __import__("datetime").datetime(2020, 1, 1, tzinfo=__import__("datetime").timezone.utc)

REFUSED = "(block '0' of array '/units/spike_times', which unpacks to .* GB of memory|array '/units/spike_times' has a block of .* unpacks to more)"
BOMB = 10**8  # bytes that a block unpacks to, where a sixth of the memory is 2e7
BOMBS = {
    "zlib": zlib.compress(bytes(BOMB)), "gzip": gzip.compress(bytes(BOMB)), "bz2": bz2.compress(bytes(BOMB)), "lzma": lzma.compress(bytes(BOMB)),
    "zstd": b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", BOMB), "lz4": struct.pack("<I", BOMB),
    "blosc": struct.pack("<4B3I", 2, 1, 0, 8, BOMB, BOMB, 16),
}  # fmt: skip


def exported(path: Path) -> Path:
    """The same content in a folder."""
    folder = path.with_suffix(".nwb.zarr")
    with pynwb.NWBHDF5IO(path, "r") as source, hdmf_zarr.NWBZarrIO(str(folder), mode="w") as file:
        file.export(src_io=source, write_args={"link_data": False})
    return folder


@pytest.fixture
def session(tmp_path: Path) -> Path:
    rng, file = np.random.default_rng(0), pynwb.NWBFile(session_description="s", identifier="i", session_start_time=START)
    device = file.create_device("probe")
    groups = [file.create_electrode_group(name, description="d", location=name, device=device) for name in ("M1", "PMd")]
    for group in (groups[0], groups[0], groups[1]):
        file.add_electrode(location=group.location, group=group)
    file.add_trial_column("success", "whether it was one")
    file.add_trial_column("target", "where it went")
    for trial in range(8):
        file.add_trial(start_time=2.0 * trial, stop_time=2.0 * trial + 1.2, success=trial != 3, target="ab"[trial % 2])
    for unit in range(3):
        seen = [[0.0, 9.0]] if unit == 1 else [[0.0, 16.0]]
        file.add_unit(spike_times=np.sort(rng.uniform(0, 16, 300)), electrode_group=groups[unit // 2], electrodes=[unit], obs_intervals=seen)
    module = file.create_processing_module("behavior", "what it did")
    module.add(pynwb.TimeSeries(name="speed", data=np.arange(1600.0), unit="m/s", rate=100.0, starting_time=0.0))
    place = pynwb.behavior.SpatialSeries(name="hand", data=rng.normal(size=(800, 2)), timestamps=np.arange(800) / 50, reference_frame="body")
    module.add(pynwb.behavior.Position(name="Position", spatial_series=place))
    with pynwb.NWBHDF5IO(tmp_path / "a.nwb", "w") as opened:
        opened.write(file)
    return tmp_path / "a.nwb"


@pytest.mark.parametrize(
    "options", [{}, {"window": (0.1, 0.9), "where": "success == 1 and target == a"}, {"condition": ("target", "success"), "bin": 0.02}]
)
def test_a_session_is_the_same_from_a_folder(session: Path, options: dict[str, Any]) -> None:
    folder = exported(session)
    found, expected = read(folder, **options), read(session, **options)
    assert found.dataset.drop_attrs().identical(expected.dataset.drop_attrs()) and found.population.tolist() == ["M1", "M1", "PMd"]
    said = [finding for finding in found.provenance["findings"] if finding not in expected.provenance.get("findings", [])]
    pickled = "is stored by pickle, which may execute something, and was skipped."
    assert said and all(finding.endswith(pickled) for finding in said)
    for series in ("speed", "hand", "processing/behavior/speed"):
        xr.testing.assert_identical(behaviour(folder, series, **options), behaviour(session, series, **options))


def test_what_we_write_comes_back_from_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    spikes = rng.uniform(-0.2, 0.79, 500), rng.integers(0, 5, 500), rng.integers(0, 6, 500)
    trials = Trials.from_spikes(spikes, -0.2 + 0.01 * np.arange(100), units=5, condition=list("abcabc"), population=["x", "x", "y", "y", "y"])
    write_nwb(trials, tmp_path / "a.nwb")
    assert read(exported(tmp_path / "a.nwb")).key == read(tmp_path / "a.nwb").key


def test_nothing_pickled_is_opened_even_where_it_was_allowed(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True)
    monkeypatch.setattr("pickle.loads", lambda *given, **named: pytest.fail("unpickled"))
    folder = exported(session)
    about = folder / "intervals/trials/target/.zarray"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"filters": [{"id": "pickle", "protocol": 5}]}))
    trials = read(folder)
    assert trials.provenance["condition"] == "number"
    assert any("/intervals/trials/target is stored by pickle" in finding for finding in trials.provenance["findings"])


def test_what_is_wrong_with_a_folder_is_said(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported(session)
    (session.parent / "empty").mkdir()
    with pytest.raises(FileProblem, match=r"empty: is a folder without '.zgroup'; a folder is read as NWB in Zarr of version 2"):
        read(session.parent / "empty")
    (folder / "units/spike_times/0").write_bytes(b"junk")
    with pytest.raises(FileProblem, match=r"a.nwb.zarr: cannot be read as NWB \(.*it is damaged or something else"):
        read(folder)
    shutil.rmtree(folder / "units")
    with pytest.raises(Exception, match=r"a.nwb.zarr: there is no table of units"):
        read(folder)
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(
        OptionError, match=r"a.nwb.zarr: reading NWB in Zarr needs hdmf-zarr, which is not installed; say: pip install 'cortex-sim\[nwb\]'"
    ):
        read(folder)


@pytest.mark.parametrize("codec", BOMBS)
def test_blocks_that_unpack_to_more_than_memory_holds_are_refused(session: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported(session)
    about = folder / "units/spike_times/.zarray"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"compressor": {"id": codec}}))
    (folder / "units/spike_times/0").write_bytes(BOMBS[codec])
    monkeypatch.setattr(_memory, "memory", lambda: 1.2e8)
    with pytest.raises(CortexSimError, match=rf"a\.nwb\.zarr: {REFUSED}"):
        read(folder)


@pytest.mark.parametrize("codec", BOMBS)
def test_what_a_block_says_of_its_size_is_understood(codec: str) -> None:
    numcodecs = pytest.importorskip("numcodecs")
    values = np.random.default_rng(0).integers(0, 5, 40_000)
    found = _size("a", codec, bytes(numcodecs.get_codec({"id": codec}).encode(values)))
    assert found == values.nbytes or (codec in ("zlib", "gzip") and found >= values.nbytes)


def test_blocks_within_blocks_are_looked_into(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As hdmf-zarr makes them of HDF5: gzip, which comes along, within Blosc."""
    numcodecs = pytest.importorskip("numcodecs")
    folder = exported(session)
    about = folder / "units/spike_times/.zarray"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"compressor": {"id": "blosc"}, "filters": [{"id": "zlib"}]}))
    times = np.frombuffer(numcodecs.get_codec({"id": "blosc"}).decode((folder / "units/spike_times/0").read_bytes()))
    blosc = numcodecs.get_codec({"id": "blosc"})
    (folder / "units/spike_times/0").write_bytes(blosc.encode(zlib.compress(times.tobytes())))
    assert read(folder).key == read(session).key
    (folder / "units/spike_times/0").write_bytes(blosc.encode(BOMBS["zlib"]))
    monkeypatch.setattr(_memory, "memory", lambda: 1.2e8)
    with pytest.raises(CortexSimError, match=REFUSED):
        read(folder)


@pytest.mark.parametrize("compressor", [None, {"id": "zlib", "level": 1}])
def test_a_block_that_announces_more_texts_than_it_may_hold_is_refused(session: Path, compressor: dict[str, Any] | None) -> None:
    """The library makes room for as many, 17 GB here, before it looks for them."""
    folder = exported(session)
    about = folder / "intervals/trials/target/.zarray"
    told = json.loads(about.read_text())
    assert told["filters"] == [{"id": "vlen-utf8"}] or told["filters"][0]["id"] == "pickle"
    about.write_text(json.dumps(told | {"filters": [{"id": "vlen-utf8"}], "compressor": compressor}))
    texts = struct.pack("<I", 2**31) + struct.pack("<I1s", 1, b"a") * 8
    (about.parent / "0").write_bytes(zlib.compress(texts) if compressor else texts)
    message = rf"'/intervals/trials/target' has a block that announces {2**31} texts, and holds 8; it is damaged"
    with pytest.raises(FileProblem, match=message):
        read(folder)
    texts = struct.pack("<I", 8) + struct.pack("<I1s", 1, b"a") * 8
    (about.parent / "0").write_bytes(zlib.compress(texts) if compressor else texts)
    assert read(folder, condition="target").condition.tolist() == ["a"] * 8
