"""A full disk: no crash, no file that looks whole, one message, and no result that is lost."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import FileProblem

SMALL = 64  # kB on the disk, less than any of the files that are to be written there
WRITERS = {
    "trials": "trials.save(place / 'a.nc')",
    "spikes": "cs.trials.write_nwb(spikes, place / 'a.nwb')",
    "weights": "from cortex_sim.runtime import save_arrays; save_arrays(place / 'a.safetensors', {'W': rng.normal(size=(200, 200))})",
    "model": "cs.load('leaky_tanh').with_arrays({}, units=300).with_arrays({'W': rng.normal(size=(300, 300))}).save(place / 'a.toml')",
    "report": "cs.Report('t', 'q', 'a', trials={'x': trials}).write(place / 'run')",
}
SET_UP = """
import sys
from pathlib import Path
import numpy as np
import cortex_sim as cs
place, rng = Path(sys.argv[1]), np.random.default_rng(0)
trials = cs.Trials.from_arrays(rng.normal(size=(40, 50, 20)) + 9, 0.01 * np.arange(50))
spikes = cs.Trials.from_spikes((rng.uniform(0, 1, 30000), rng.integers(0, 9, 30000), np.sort(rng.integers(0, 4, 30000))),
                               0.01 * np.arange(100), units=9, condition=[0, 1, 2, 3])
{limit}
try:
    {write}
except cs.errors.FileProblem as problem:
    print(problem)
"""
LIMIT = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({SMALL} * 1024, {SMALL} * 1024))"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk that soon is full."""
    place = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}k", "none", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here; a limit on the size of files stands for it")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def said(write: str, place: Path, limit: str = "", **environment: str) -> str:
    program = SET_UP.format(limit=limit, write=write)
    run = subprocess.run([sys.executable, "-c", program, str(place)], capture_output=True, text=True, check=False, env=os.environ | environment)
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    return run.stdout


@pytest.mark.parametrize("name", WRITERS)
def test_no_writer_crashes_or_leaves_a_part_on_a_full_disk(name: str, disk: Path, tmp_path: Path) -> None:
    found = said(WRITERS[name], disk, CORTEX_SIM_CACHE=str(tmp_path))
    assert "No space left on device" in found and str(disk) in found
    assert not list(disk.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_no_writer_crashes_or_leaves_a_part_where_files_may_not_grow(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = said(WRITERS[name], tmp_path / "out", LIMIT, CORTEX_SIM_CACHE=str(tmp_path / "cache"))
    assert "File too large" in found
    assert not list((tmp_path / "out").iterdir()) and not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("suffix", ["nc", "nwb"])
def test_convert_onto_a_full_disk_says_so(suffix: str, disk: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.uniform(0, 1, 30000), rng.integers(0, 9, 30000), np.sort(rng.integers(0, 4, 30000)))
    cs.Trials.from_spikes(spikes, 0.01 * np.arange(100), units=9, condition=[0, 1, 2, 3]).save(tmp_path / "a.nc")
    command = [sys.executable, "-m", "cortex_sim", "convert", str(tmp_path / "a.nc"), str(disk / f"b.{suffix}")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and run.stderr.startswith(f"cortex-sim: {disk / f'b.{suffix}'}: cannot be written (No space left on device)")
    assert run.stderr.count("\n") == 1 and not list(disk.iterdir())


def test_a_report_without_room_is_kept_in_the_cache_and_the_message_says_where(disk: Path, tmp_path: Path) -> None:
    found = said(WRITERS["report"], disk, CORTEX_SIM_CACHE=str(tmp_path))
    place = Path(found.split("It is kept whole in ")[1].split("; move it")[0])
    assert place.parent == tmp_path / "reports" and (place / "report.html").is_file() and cs.Trials.load(place / "x.nc").shape == (40, 50, 20)
    assert set(json.loads((place / "run.json").read_text())["outputs"]) == {
        "report.html", "claims.json", "scores.json", "scores.csv", "references.bib", "x.nc",
    }  # fmt: skip


def test_a_run_on_a_full_disk_goes_on_without_what_it_cannot_keep(disk: Path, tmp_path: Path) -> None:
    """Students that cannot be kept, and checkpoints, are said to be lost; the run itself ends with its report in the cache."""
    from tests.kills import PROTOCOL

    (tmp_path / "learn.py").write_text(PROTOCOL)
    (disk / "filled").write_bytes(b"x" * (SMALL - 16) * 1024)
    try:
        command = [sys.executable, "-m", "cortex_sim", "run", "learn.py", "--out", str(disk / "run")]
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"CORTEX_SIM_CACHE": str(tmp_path)})
        assert run.returncode == 2 and "Traceback" not in run.stderr
        assert "result not kept: " in run.stderr and "It is kept whole in" in run.stderr
        assert len(list((tmp_path / "reports").glob("*/report.html"))) == 1
        assert (disk / "run/unfinished.json").is_file() and not (disk / "run/report.html").exists()
        shutil.rmtree(disk / "run")
    finally:
        (disk / "filled").unlink()


def test_a_run_onto_a_disk_that_is_full_to_the_last_byte_is_refused_before_it_begins(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "never.py").write_text('MODEL = "murphy_miller_2009"\ndef run(model, *, seed, smoke):\n    raise KeyboardInterrupt\n')
    with pytest.raises(OSError, match="No space left"):
        (disk / "filled").write_bytes(b"x" * SMALL * 1024 * 2)
    try:
        with pytest.raises(FileProblem, match=r"run: cannot be written \(No space left on device\); choose another --out"):
            cs.run(str(tmp_path / "never.py"), out=disk / "run")
        assert [path.name for path in disk.iterdir()] == ["filled"]
    finally:
        (disk / "filled").unlink()
