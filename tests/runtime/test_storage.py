"""Files are whole or absent; caches notice damage and change."""

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from cortex_sim.errors import FileProblem
from cortex_sim.runtime._storage import cache_folder, cached_arrays, load_arrays, save_arrays, whole_file, write_text


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_finished_block_puts_exactly_one_readable_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    write_text(path, "old")
    write_text(path, "r\u2080 = 5 Hz\n")
    assert contents(path.parent) == {"a.txt": "r\u2080 = 5 Hz\n".encode()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644  # mkstemp alone would leave 0600


@pytest.mark.parametrize("problem", [ValueError("stop"), KeyboardInterrupt("stop")])
def test_a_block_that_raises_leaves_the_folder_as_it_was(tmp_path: Path, problem: BaseException) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(type(problem), match="stop"), whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half of the n")
        raise problem
    assert contents(tmp_path) == {"a.txt": b"old"}


def test_a_full_disk_is_reported_and_the_old_file_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(FileProblem, match=r"a\.txt: cannot be written \(No space left on device\); nothing was kept"), whole_file(tmp_path / "a.txt"):
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"new")
    assert contents(tmp_path) == {"a.txt": b"old"}


def test_a_rename_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(FileProblem, match="Input/output error"):
        write_text(tmp_path / "a.txt", "new")
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be_made_and_a_target_that_is_a_folder_are_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileProblem, match=r"file/a\.txt: cannot be written \((Not a directory|File exists)\); choose another folder"):
        write_text(tmp_path / "file" / "a.txt", "new")
    with pytest.raises(FileProblem, match=r"folder: cannot be written \(Is a directory\)"):
        write_text(tmp_path / "folder", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


ARRAYS = {"W": np.arange(6.0).reshape(2, 3).T, "signs": np.array([1, -1], dtype=np.int8), "b": np.array([-0.0, 5e-324, 1e308])}


def test_arrays_come_back_bit_for_bit(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.safetensors", ARRAYS)
    found = load_arrays(tmp_path / "a.safetensors")
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in found.items()} == {n: (a.dtype, a.shape, a.tobytes()) for n, a in ARRAYS.items()}


def test_no_flipped_byte_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, ARRAYS)
    sound = path.read_bytes()
    for place in range(len(sound)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(FileProblem, match=r"a\.safetensors: (cannot be read as safetensors|its content does not match its own checksum)"):
            load_arrays(path)
    with pytest.raises(FileProblem, match=r"b\.safetensors: cannot be read"):
        load_arrays(tmp_path / "b.safetensors")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_entry_is_built_once_and_another_name_is_another_entry(cache: Path) -> None:
    built: list[int] = []

    def build() -> dict[str, np.ndarray]:
        built.append(1)
        return {"x": np.full(3, len(built))}

    found = [cached_arrays(name, build)["x"][0] for name in ("rules/a", "rules/a", "rules/b", "rules/a")]
    assert found == [1, 1, 2, 1]
    assert cache_folder() == cache
    assert sorted(contents(cache / "rules")) == ["a.safetensors", "b.safetensors"]


def test_a_damaged_entry_is_rebuilt_with_a_word_on_standard_error(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cached_arrays("a", lambda: {"x": np.zeros(3)})
    sound = (cache / "a.safetensors").read_bytes()
    (cache / "a.safetensors").write_bytes(sound[:-1] + b"\x01")
    assert (cached_arrays("a", lambda: {"x": np.ones(3)})["x"] == 1).all()
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("cache entry rebuilt: ") and "does not match its own checksum" in said.err
    assert (load_arrays(cache / "a.safetensors")["x"] == 1).all()


def test_a_cache_that_cannot_be_written_costs_no_result(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache.write_text("a file where the folder should be")
    assert (cached_arrays("a", lambda: {"x": np.ones(3)})["x"] == 1).all()
    assert capsys.readouterr().err.startswith("not cached: ")
