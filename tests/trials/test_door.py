"""Nothing in a file leads out of it: links, data that lie elsewhere, filters of others; and what it declares is bounded before it is allocated."""

import ast
import io
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from cortex_sim.errors import CortexSimError, FileProblem, TrialsError
from cortex_sim.trials import Trials, behaviour, read, write_nwb
from cortex_sim.trials._door import hdf5

ROOT = Path(__file__).parents[2] / "cortex_sim"
SECRET = "root:x:0:0"
QUICK = 2.0  # s
HUGE = 10**12
OPENERS = (
    "h5py.File",
    "xr.open_dataset",
    "xr.load_dataset",
    "xarray.open_dataset",
    "xarray.load_dataset",
    "xr.open_mfdataset",
    "np.load",
    "h5netcdf.File",
)


def trials() -> Trials:
    rng = np.random.default_rng(0)
    spikes = rng.uniform(0, 0.99, 200), rng.integers(0, 7, 200), rng.integers(0, 6, 200)
    return Trials.from_spikes(spikes, 0.01 * np.arange(100), units=7, condition=list("abcabc"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file beside the recording, with text and the arrays that a recording has."""
    (tmp_path / "secret.txt").write_text(SECRET * 100)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["labels"] = np.array([SECRET.encode()] * 6)
        file["numbers"] = np.arange(6.0)
    return tmp_path


def external_link(file: h5py.File, secret: Path) -> None:
    file["leak"] = h5py.ExternalLink(str(secret / "secret.h5"), "/labels")


def link_behind_links(file: h5py.File, secret: Path) -> None:
    file.create_group("a/b/c")["leak"] = h5py.ExternalLink("secret.h5", "/")
    file["a/b/c/back"] = file["a"]
    file["soft"] = h5py.SoftLink("/a/b/c/leak")


def external_data(file: h5py.File, secret: Path) -> None:
    file.create_dataset("a/leak", (6,), "S10", external=[(str(secret / "secret.txt"), 0, h5py.h5f.UNLIMITED)])


def virtual_data(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((6,), "f8")
    layout[:] = h5py.VirtualSource(str(secret / "secret.h5"), "numbers", (6,))
    file.create_virtual_dataset("leak", layout)


def plug_in(file: h5py.File, secret: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((6,))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    h5py.h5d.create(file.id, b"leak", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((6,)), plist)


ATTACKS: list[Callable[[h5py.File, Path], None]] = [external_link, link_behind_links, external_data, virtual_data, plug_in]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("suffix", [".nc", ".nwb", ".mat", ".h5"])
def test_what_leads_out_of_a_file_is_refused_whatever_it_is_read_as(secret: Path, suffix: str, attack: Any) -> None:
    path = secret / f"a{suffix}"
    {".nc": Trials.save, ".nwb": write_nwb, ".h5": Trials.save}.get(suffix, lambda _, path: h5py.File(path, "w").close())(trials(), path)
    with h5py.File(path, "r+") as file:
        attack(file, secret)
    for reads in (read, behaviour):
        with pytest.raises(FileProblem, match=r"a\.\w+: '.*leak' .*(out of the file; |in another file; |of other files; |a plug-in; )") as refused:
            reads(path)
        assert SECRET not in str(refused.value)


def test_what_only_a_reference_leads_to_is_looked_at(secret: Path) -> None:
    path = secret / "a.h5"
    with h5py.File(path, "w") as file:
        external_data(file, secret)
        file.create_dataset("held", data=np.array([file["a/leak"].ref, h5py.Reference()], dtype=h5py.ref_dtype))
        file["b"] = file.create_group("c")
        hidden, other = (struct.pack("<Q", h5py.h5o.get_info(file[name].id).addr) for name in "ac")
    path.write_bytes(path.read_bytes().replace(hidden, other))  # now "a" is the empty group, and no link leads to "leak"
    with h5py.File(path) as file:
        assert not list(file["a"]) and SECRET in file[file["held"][0]][()][0].decode()
    with pytest.raises(FileProblem, match=r"'/held \(reference\)' is stored in another file"), hdf5(path):
        pass


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "lzf", "shuffle": True}, {"fletcher32": True}, {"scaleoffset": 0}])
def test_what_h5py_brings_along_and_links_inside_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.arange(100), chunks=(10,), **options)
        file["again"], file["soft"], file["round"] = file["a"], h5py.SoftLink("/a"), file["/"]
        file["a"].attrs["self"] = file["a"].ref
    with hdf5(tmp_path / "a.h5") as file:
        assert file["soft"][99] == 99 == file["again"][99]


def test_every_reader_goes_through_the_door() -> None:
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in OPENERS:
                made = len(node.args) > 1 and ast.unparse(node.args[1]) == "'w'"  # a file that is written, not read
                found |= set() if made else {(path.stem, called)}
    assert found == {("_door", "h5py.File"), ("_door", "xr.open_dataset")}


def test_a_folder_that_leads_out_of_itself_is_refused(secret: Path) -> None:
    pytest.importorskip("zarr")
    folder = secret / "a.zarr"
    (folder / "units").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / "units" / "0").symlink_to(secret / "secret.txt")
    with pytest.raises(FileProblem, match=r"a\.zarr: units/0 is a link to '.*secret\.txt', out of the folder; "):
        read(folder)
    (folder / "units" / "0").unlink()
    os.mkfifo(folder / "units" / "0")
    with pytest.raises(FileProblem, match=r"a\.zarr: units/0 is neither a file nor a folder; "):
        read(folder)


@pytest.mark.parametrize("suffix", [".nwb", ".nc", ".mat", ".npz", ".csv", ".h5"])
def test_a_pipe_is_no_file(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"a{suffix}")
    with pytest.raises(FileProblem, match=r"no (such|plain) file"):
        read(tmp_path / f"a{suffix}")


def sparse_netcdf(path: Path) -> None:
    trials().save(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("huge", (HUGE,), "f8", chunks=(1000,))


def sparse_nwb(path: Path) -> None:
    write_nwb(trials(), path)
    with h5py.File(path, "r+") as file:
        index = file["units/spike_times_index"][:].astype("i8")
        index[-1] = HUGE
        attributes = dict(file["units/spike_times_index"].attrs)
        del file["units/spike_times"], file["units/spike_times_index"]
        file.create_dataset("units/spike_times", (HUGE,), "f8", chunks=(1000,))
        file["units"].create_dataset("spike_times_index", data=index).attrs.update({"description": attributes["description"]})


def sparse_trials(path: Path) -> None:
    write_nwb(trials(), path)
    with h5py.File(path, "r+") as file:
        del file["intervals/trials/start_time"]
        file.create_dataset("intervals/trials/start_time", (HUGE,), "f8", chunks=(1000,))


def noted_bins(path: Path) -> None:
    write_nwb(trials(), path)
    with h5py.File(path, "r+") as file:
        note = json.loads(file["general/notes"][()])
        note["cortex-sim"]["bins"] = HUGE
        file["general/notes"][()] = json.dumps(note)


def sparse_matlab(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("firing_rate", (HUGE, 10, 10), "f8", chunks=(1000, 1, 1))


def claimed(path: Path, shape: str = f"({HUGE},)") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
        archive.writestr("firing_rate.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"1234567890")


def bomb(path: Path) -> None:
    """40 GB of zeros in 40 MB would take a minute to write: the size is only stated."""
    claimed(path, "(5000000000,)")
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        size = archive.infolist()[0].file_size
    path.write_bytes(bytes(raw).replace(struct.pack("<II", size, size), struct.pack("<II", size, 4_000_000_000 + 0)))


def packed_by_lzma(path: Path) -> None:
    """Python unpacks members in pieces only where they are deflated."""
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + b"{'descr': '<f8', 'fortran_order': False, 'shape': (10,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("firing_rate.npy", header + bytes(80))


def long_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("firing_rate.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**7) + b" " * 10**7)


def numbered_units(path: Path) -> None:
    table = {"spike_time_ms": np.arange(40.0), "spike_unit": np.arange(40) % 4, "spike_trial": np.arange(40) % 4}
    np.savez(path, **table, trial_condition=np.arange(4), trial_duration_ms=np.full(4, 50.0), n_units=HUGE)


def long_trials(path: Path) -> None:
    table = {"spike_time_ms": 1e12 * np.arange(10.0), "spike_unit": np.arange(10) % 4, "spike_trial": np.arange(10) % 4}
    np.savez(path, **table, trial_condition=np.arange(4), trial_duration_ms=np.full(4, 1e13))


def deep_matlab(path: Path) -> None:
    """Cells within cells, 200,000 deep, at which SciPy ends in a segmentation fault."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    def head(kind: int) -> bytes:
        return element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"")

    content = element(14, head(6) + element(9, struct.pack("<d", 1.0)))
    size, tops = len(content), []
    for _ in range(200_000):
        size += len(head(1))
        tops.append(struct.pack("<II", 14, size) + head(1))
        size += 8
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(reversed(tops)) + content)


def wide_csv(path: Path) -> None:
    path.write_text("a" * 10_000_000 + "\n1\n")


def many_csv(path: Path) -> None:
    path.write_text("," * 10_000_000)


SIZES = {
    sparse_netcdf: ".nc", sparse_nwb: ".nwb", sparse_trials: ".nwb", noted_bins: ".nwb", sparse_matlab: ".mat", claimed: ".npz", bomb: ".npz",
    packed_by_lzma: ".npz", long_header: ".npz", numbered_units: ".npz", long_trials: ".npz", deep_matlab: ".mat", wide_csv: ".csv", many_csv: ".csv",
}  # fmt: skip


@pytest.mark.parametrize("make", SIZES, ids=lambda make: make.__name__)
def test_what_a_file_declares_is_bounded_before_it_is_allocated(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / f"a{SIZES[make]}"
    make(path)
    started = time.process_time()
    with pytest.raises(CortexSimError, match=r"a\.\w+: .") as refused:
        read(path)
    assert time.process_time() - started < QUICK
    if make not in (claimed, bomb, packed_by_lzma, long_header, deep_matlab, wide_csv, many_csv):
        assert "GB of memory" in str(refused.value)


@pytest.mark.parametrize("window", [(-1e9, 1e9), (0.0, 1e18), (-1.0, 1e300)])
def test_a_window_that_no_memory_holds_is_refused(tmp_path: Path, window: tuple[float, float]) -> None:
    write_nwb(trials(), tmp_path / "a.nwb")
    trials().save(tmp_path / "a.nc")
    started = time.process_time()
    with pytest.raises(TrialsError, match=r"a\.nwb: "):
        read(tmp_path / "a.nwb", window=window)
    assert read(tmp_path / "a.nc", window=window).shape == trials().shape  # asks for no more than there is
    assert time.process_time() - started < QUICK


def test_counts_that_no_memory_holds_are_refused() -> None:
    spikes = np.array([0.1]), np.array([0]), np.array([0])
    with pytest.raises(TrialsError, match=r"units .* GB of memory"):
        Trials.from_spikes(spikes, 0.01 * np.arange(100), units=HUGE, condition=["a"])
    with pytest.raises(TrialsError, match="spikes name units 4294967296 to 4294967296; there are 5"):
        Trials.from_spikes((spikes[0], np.array([2**32]), spikes[2]), 0.01 * np.arange(100), units=5, condition=["a"])


@pytest.mark.parametrize("text", ["", "[1]", "nonsense", "[" * 100_000, 3])
def test_provenance_that_is_no_object_is_refused(tmp_path: Path, text: Any) -> None:
    trials().save(tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        file.attrs["provenance"] = text
    with pytest.raises(TrialsError, match=r"a\.nc: trials: attribute 'provenance' "):
        read(tmp_path / "a.nc")


def test_savemat_of_usual_depth_is_read(tmp_path: Path) -> None:
    inner: dict[str, Any] = {"x": 1.0}
    for _ in range(20):
        inner = {"s": inner}
    for compressed in (True, False):
        content = {"deep": inner, "firing_rate": np.random.default_rng(0).uniform(size=(7, 20, 5)), "time_ms": 10.0 * np.arange(20)}
        savemat(tmp_path / "a.mat", content, do_compression=compressed)
        assert read(tmp_path / "a.mat").shape == (5, 20, 7)


def test_a_heap_over_which_hdf5_turns_in_a_circle_is_refused(tmp_path: Path) -> None:
    trials().save(tmp_path / "a.nc")
    raw = bytearray((tmp_path / "a.nc").read_bytes())
    first = raw.index(b"GCOL\1\0\0\0") + 16
    raw[first : first + 16] = bytes(16)
    (tmp_path / "a.nc").write_bytes(raw)
    with pytest.raises(FileProblem, match=r"a\.nc: has a heap with free space of no size"):
        read(tmp_path / "a.nc")


@pytest.mark.parametrize("where", ["attribute", "dataset"])
def test_lists_of_no_kind_that_there_is_are_refused(where: str, tmp_path: Path) -> None:
    """The HDF5 library ends in a segmentation fault on them: found among 6,000 damaged NWB files."""
    path, texts = tmp_path / "a.h5", h5py.string_dtype()
    with h5py.File(path, "w") as file:
        if where == "attribute":
            file.attrs["said"] = "text"
        else:
            file.create_dataset("said", data=["text"], dtype=texts)
    whole = path.read_bytes()
    assert whole.count(b"\x19\x01\x01\x00") == 1  # class and version of a type, and that it is one of texts in UTF-8
    path.write_bytes(whole.replace(b"\x19\x01\x01\x00", b"\x19\xe3\x01\x00"))
    with pytest.raises(FileProblem, match="said' holds lists of no kind that HDF5 has; it is damaged"), hdf5(path) as file:
        file["said"][()] if where == "dataset" else file.attrs["said"]
