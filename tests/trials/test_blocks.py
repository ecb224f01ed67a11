"""What a compressed block unpacks to is known before a library unpacks it; blocks that cannot fill the memory are not looked at."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cortex_sim.errors import CortexSimError
from cortex_sim.runtime import _memory
from cortex_sim.trials import Trials, behaviour, read, write_nwb
from cortex_sim.trials import _blocks as blocks
from cortex_sim.trials._door import hdf5

MEMORY = 1e8  # bytes; a block may take a sixth of them
BOMB = 4 * 10**7  # bytes, of a block that should hold 8000
SIZE = 1000
Dataset = h5py.Dataset


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "memory", lambda: MEMORY)


def deflated(file: h5py.File, name: str, **options: Any) -> None:
    made = file.create_dataset(name, (SIZE,), "f8", chunks=(SIZE,), compression="gzip", **options)
    made.id.write_direct_chunk((0,), zlib.compress(bytes(BOMB)) + bytes(4 * ("fletcher32" in options)))


def shuffled(file: h5py.File, name: str) -> None:
    deflated(file, name, shuffle=True, fletcher32=True)


def many_and_one(file: h5py.File, name: str) -> None:
    made = file.create_dataset(name, (100 * SIZE,), "f8", chunks=(SIZE,), compression="gzip")
    made[:] = np.random.default_rng(0).normal(size=100 * SIZE)
    made.id.write_direct_chunk((50 * SIZE,), zlib.compress(bytes(BOMB)))


def in_lzf(file: h5py.File, name: str) -> None:
    """One zero, and then 264 bytes of it in every three."""
    made = file.create_dataset(name, (SIZE,), "f8", chunks=(SIZE,), compression="lzf")
    made.id.write_direct_chunk((0,), b"\x00\x00" + bytes([0xE0, 255, 0]) * (BOMB // 264))


def with_filter(file: h5py.File, name: str, *filters: tuple[int, tuple[int, ...]]) -> Dataset:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((SIZE,))
    for number, parameters in filters:
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, parameters)
    return Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((SIZE,)), plist))


def deflated_twice(file: h5py.File, name: str) -> None:
    made = with_filter(file, name, (h5py.h5z.FILTER_DEFLATE, (4,)), (h5py.h5z.FILTER_DEFLATE, (4,)))
    made.id.write_direct_chunk((0,), zlib.compress(zlib.compress(bytes(BOMB))))


def wide_block(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (1,), "f8", chunks=(3 * 10**6,), maxshape=(None,), compression="gzip")[0] = 1.0


@pytest.mark.parametrize("make", [deflated, shuffled, many_and_one, in_lzf, deflated_twice, wide_block], ids=lambda make: make.__name__)
def test_blocks_that_unpack_to_more_than_they_should_hold_are_refused(tmp_path: Path, little: None, make: Callable[[h5py.File, str], None]) -> None:
    for suffix, write in {".nc": Trials.save, ".nwb": write_nwb, ".mat": None}.items():
        path = tmp_path / f"a{suffix}"
        if write:
            write(trials(), path)
        with h5py.File(path, "r+" if write else "w") as file:
            make(file, "bomb")
        with pytest.raises(CortexSimError, match=r"a\.\w+: .*'/bomb'.*(unpacks to more than the|is compressed twice|GB of memory)"):
            read(path)


@pytest.mark.parametrize("make", [deflated, in_lzf], ids=lambda make: make.__name__)
def test_what_is_larger_in_the_file_than_in_memory_is_refused_however_much_memory_there_is(
    tmp_path: Path, make: Callable[[h5py.File, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 unpacks LZF again and again, into more and more room: 3 MB take it 42 s."""
    monkeypatch.setattr(_memory, "memory", lambda: 1e13)
    with h5py.File(tmp_path / "a.mat", "w") as file:
        make(file, "bomb")
    with pytest.raises(CortexSimError, match=r"a\.mat: '/bomb' has a block of \d+ bytes that unpacks to more than the 8000 it should hold"):
        read(tmp_path / "a.mat")


def trials() -> Trials:
    rng = np.random.default_rng(0)
    spikes = rng.uniform(0, 0.99, 200), rng.integers(0, 7, 200), rng.integers(0, 6, 200)
    return Trials.from_spikes(spikes, 0.01 * np.arange(100), units=7, condition=list("abcabc"))


@pytest.mark.parametrize("which", ["units/spike_times", "processing/behavior/hand/data"])
def test_arrays_of_which_only_parts_are_read_are_looked_at_before_that(tmp_path: Path, little: None, which: str) -> None:
    """Such may be larger than memory, as voltages are, so that to look at all of them on opening would take long."""
    path = tmp_path / "a.nwb"
    write_nwb(trials(), path)
    with h5py.File(path, "r+") as file:
        old = {} if which not in file else dict(file[which].attrs.items())
        if old:
            del file[which]
        made = file.create_dataset(which, (10**9,), "f8", chunks=(SIZE,), compression="gzip")
        made.id.write_direct_chunk((0,), zlib.compress(bytes(BOMB)))
        made.attrs.update(old)
        if not old:
            series = made.parent
            series.attrs["neurodata_type"] = "TimeSeries"
            series["starting_time"] = 0.0
            series["starting_time"].attrs["rate"] = 100.0
    with hdf5(path):
        assert True
    with pytest.raises(CortexSimError, match=rf"a\.nwb: '/{which}' has a block of \d+ bytes that unpacks to more than the 8000 it should hold"):
        behaviour(path, "hand") if not old else read(path)


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}])
def test_large_blocks_of_numbers_pass(tmp_path: Path, little: None, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise hardly shrinks, so that it could be anything by its size; it is looked into and read."""
    looked: list[int] = []
    known = blocks._unpacked
    monkeypatch.setattr(blocks, "_unpacked", lambda *given: looked.append(found := known(*given)) or found)
    values = np.random.default_rng(0).normal(size=(3, 40_000))
    values[:, ::2] = 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=values, chunks=(1, 40_000), **options)
    with hdf5(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["a"][()], values)
    assert looked == [320_000] * 3


def test_lzf_is_counted_as_it_is_unpacked(tmp_path: Path) -> None:
    values = np.repeat(np.random.default_rng(0).integers(0, 9, 2000), 7)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("a", data=values, chunks=(values.size,), compression="lzf")
        assert blocks._of_lzf(made.id.read_direct_chunk((0,))[1]) == values.nbytes


def test_blocks_that_cannot_fill_the_memory_are_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_unpacked", lambda *given: pytest.fail("looked into"))
    for suffix, write in {".nc": Trials.save, ".nwb": write_nwb}.items():
        write(trials(), tmp_path / f"a{suffix}")
        assert read(tmp_path / f"a{suffix}").shape == trials().shape


def test_a_filter_that_makes_room_for_more_than_a_block_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.arange(1000), chunks=(1000,), scaleoffset=0)
    raw = (tmp_path / "a.h5").read_bytes()
    number = (1000).to_bytes(4, "little")
    places = [at for at in range(len(raw) - 4) if raw[at : at + 4] == number]
    refused = 0
    for place in places:
        (tmp_path / "b.h5").write_bytes(raw[:place] + (2**31).to_bytes(4, "little") + raw[place + 4 :])
        try:
            with hdf5(tmp_path / "b.h5"):
                continue
        except (CortexSimError, OSError, RuntimeError, ValueError, KeyError) as problem:
            refused += "makes room for 1.72e+10 bytes in blocks of 8000" in str(problem)
    assert refused == 1


@pytest.mark.parametrize("options", [{}, {"chunks": (4,), "maxshape": (None,)}])
def test_lists_of_files_with_short_addresses_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    """Their entries take 12 bytes, and what stands where others have a length is an address."""
    plist = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    plist.set_sizes(4, 4)
    with h5py.File(h5py.h5f.create(str(tmp_path / "a.h5").encode(), fcpl=plist)) as file:
        made = file.create_dataset("a", (9,), h5py.vlen_dtype(np.float64), **options)
        for number in range(9):
            made[number] = np.arange(number + 1.0)
    with hdf5(tmp_path / "a.h5") as file:
        assert [len(entry) for entry in file["a"][:]] == list(range(1, 10))


@pytest.mark.parametrize("options", [{}, {"chunks": (4,), "maxshape": (None,)}])
@pytest.mark.parametrize("kind", [h5py.string_dtype(), h5py.vlen_dtype(np.float64)])
def test_a_text_or_list_longer_than_its_file_is_refused_before_room_is_made_for_it(tmp_path: Path, kind: np.dtype, options: dict[str, Any]) -> None:
    path, texts = tmp_path / "a.h5", h5py.check_string_dtype(kind)
    values = ["one", "two", "three", "four", "five"] if texts else [np.arange(n, dtype=float) for n in (3, 3, 5, 4, 4)]
    with h5py.File(path, "w") as file:
        made = file.create_dataset("a", (5,), kind, **options)
        made[:] = values if texts else np.array(values, dtype=object)
    with hdf5(path) as file:
        assert len(file["a"][2]) == 5
    data = bytearray(path.read_bytes())
    entry = struct.pack("<IQ", 5, data.index(b"GCOL\1\0\0\0"))  # length, and the heap where it lies
    assert data.count(entry) == 1
    place = data.index(entry)
    data[place : place + 4] = struct.pack("<I", 2**32 - 1)
    path.write_bytes(data)
    announced = (2**32 - 1) * (1 if texts else 8)
    with (
        pytest.raises(CortexSimError, match=rf"'/a' has an entry that announces {announced} bytes, in a file of {len(data)}; it is damaged"),
        hdf5(path),
    ):
        pass
