"""MATLAB files of version 5: what SciPy would crash on is refused, and what it reads is let through."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import csc_array

from cortex_sim.errors import FileProblem
from cortex_sim.trials._mat_five import check_five

CONTENTS: dict[str, Any] = {
    "numbers": np.arange(6.0).reshape(2, 3), "bytes": np.arange(4, dtype=np.uint8), "complex": np.array([1j]), "logical": np.array([True, False]),
    "text": "reach", "texts": np.array(["ab", "cde"]), "cell": np.array([1, "two", np.arange(3)], dtype=object), "empty": np.zeros((0, 3)),
    "struct": {"a": 1.0, "b": {"c": "deep"}}, "sparse": csc_array(np.eye(3)), "complex sparse": csc_array(1j * np.eye(3)),
}  # fmt: skip
FLAGS = struct.pack("<II", 6, 8)  # tag of the flags of an array, of which the second byte says whether it is complex


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", CONTENTS)
def test_what_scipy_writes_and_reads_passes(tmp_path: Path, name: str, compressed: bool) -> None:
    savemat(tmp_path / "a.mat", {"x": CONTENTS[name]}, do_compression=compressed)
    check_five(tmp_path / "a.mat")
    assert "x" in loadmat(tmp_path / "a.mat")


def test_the_examples_that_scipy_reads_pass() -> None:
    """Files of MATLAB 5 to 7.4 on several machines, and of programs that bend the format."""
    folder = Path(pytest.importorskip("scipy.io.matlab.tests").__file__).parent / "data"
    files = [path for path in sorted(folder.glob("*.mat")) if _readable(path)]
    for path in files:
        check_five(path)
    assert len(files) > 50 or not folder.exists()


def _readable(path: Path) -> bool:
    try:
        loadmat(path)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("name", ["numbers", "sparse", "bytes"])
def test_an_array_that_says_it_is_complex_and_has_no_imaginary_part_is_refused(tmp_path: Path, name: str) -> None:
    """SciPy takes what comes next for it, and crashes if that is no array of numbers."""
    path = tmp_path / "a.mat"
    savemat(path, {"x": CONTENTS[name], "y": CONTENTS["struct"]})
    data = bytearray(path.read_bytes())
    data[data.index(FLAGS) + len(FLAGS) + 1] |= 0x08
    path.write_bytes(data)
    with pytest.raises(FileProblem, match="that does not hold what it should; it is damaged"):
        check_five(path)


@pytest.mark.parametrize(("kind", "size"), [(14, 48), (1, 48), (9, 40), (16, 48)])
def test_numbers_of_another_type_or_length_are_refused(tmp_path: Path, kind: int, size: int) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"x": CONTENTS["numbers"]})
    data = path.read_bytes()
    assert data.count(struct.pack("<II", 9, 48)) == 1
    path.write_bytes(data.replace(struct.pack("<II", 9, 48), struct.pack("<II", kind, size)))
    with pytest.raises(FileProblem, match="it is damaged"):
        check_five(path)
