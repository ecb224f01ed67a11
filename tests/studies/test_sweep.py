"""Sweeps: every combination once, nothing twice, nothing lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cortex_sim.errors import CortexSimError, FileProblem, OptionError
from cortex_sim.runtime import _cluster, code_key, workers
from cortex_sim.studies import Sweep, sweep
from cortex_sim.studies._grid import read_grid

PROTOCOL = '''"""How large is a product?

Question    how large is a product of the options?
"""
import os
import signal
import time
from pathlib import Path

import cortex_sim as cs

MODEL = "leaky_tanh"


def run(model, *, seed=0, smoke=False, gain: float = 1.0, fails: int = -1, breaks: int = -1, dies: int = -1, wait: float = 0.0, log: str = ""):
    """Return a product."""
    if log:
        Path(log, f"{gain}-{seed}").touch(exist_ok=False)
    time.sleep(wait)
    if seed == fails:
        raise cs.errors.TaskError("asked to fail")
    if seed == breaks:
        raise ZeroDivisionError("asked to break")
    if seed == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    value = gain * float(model.parameters["tau"].value) * (1 + seed)
    scores = [
        cs.Score(name, "toy", "all", sign * value, better, 3.0, None, "none", (sign * value - 1, sign * value + 1), "one", ceiling_reason="none")
        for name, sign, better in (("product/tau", 1, "higher"), ("distance", -1, "closer"))
    ]
    return cs.Report(title="toy", question="?", answer="!", scores=scores, claims=[cs.Claim("large", value, 300.0, 1e9, "toy")])
'''


@pytest.fixture
def toy(tmp_path: Path) -> str:
    path = tmp_path / "toy.py"
    path.write_text(PROTOCOL)
    return str(path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept_in(cache: Path) -> list[Path]:
    """Whole results: of a file that is being written the name is another."""
    return [path for path in (cache / "sweeps").glob("*.json") if re.fullmatch("[0-9a-f]{64}", path.stem)]


def test_every_combination_is_computed_once_and_stands_in_its_place(toy: str, cache: Path, tmp_path: Path) -> None:
    grid = {"gain": [1.0, 2.0], "card.tau": [100, 150, 200]}
    found = sweep(toy, grid, seeds=[0, 3], out=tmp_path / "out")
    assert len(found.done) == 12 == found.computed and not found.failed
    data = xr.load_dataset(tmp_path / "out" / "sweep.nc", engine="h5netcdf")
    wanted = np.array([1.0, 2.0])[:, None, None] * np.array([100, 150, 200])[:, None] * np.array([1, 4])
    np.testing.assert_array_equal(data["product per tau"].sel(student="toy").transpose("gain", "card.tau", "seed"), wanted)
    np.testing.assert_array_equal(data["product per tau, high"].sel(student="toy").transpose("gain", "card.tau", "seed"), wanted + 1)
    np.testing.assert_array_equal(data["claim holds"].sel(claim="large").transpose("gain", "card.tau", "seed"), wanted >= 300)
    assert data["card.tau"].attrs["units"] == "ms" and data["product per tau"].attrs["measure"] == "product/tau"
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    (one,) = [each for each in scores if each["measure"] == "distance" and each["split"] == "gain = 2.0, card.tau = 150"]
    assert one["estimate"] == -2 * 150 * 2.5 and one["better"] == "closer" and one["identical"] == 3.0 and one["interval_over"] == "seeds"
    longer = sweep(toy, {"gain": [2.0, 5.0], "card.tau": [150]}, seeds=[3, 0, 1])
    assert longer.computed == 6 - 2 and len(longer.done) == 6
    np.testing.assert_array_equal(longer.dataset["product per tau"].squeeze(), np.outer([2.0, 5.0], [4, 1, 2]) * 150)
    assert sweep(toy, grid, seeds=[0, 3]).computed == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "12 of 12 runs of toy came to an end" in page and "along card.tau" in page


def test_results_do_not_depend_on_the_number_of_processes(toy: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    datasets = []
    for jobs in (1, 2):
        monkeypatch.setenv("CORTEX_SIM_CACHE", str(cache / str(jobs)))
        datasets.append(sweep(toy, {"gain": [1.0, 2.0]}, seeds=range(2), jobs=jobs).dataset.drop_vars("seconds"))
    xr.testing.assert_identical(*datasets)


@pytest.mark.parametrize(("how", "said"), [("fails", "asked to fail"), ("breaks", "ZeroDivisionError: asked to break")])
def test_what_fails_is_listed_and_alone_run_again(
    toy: str, cache: Path, tmp_path: Path, how: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sweep(toy, {how: [1], "gain": [2.0]}, seeds=range(3), out=tmp_path / "out")
    (item,) = found.failed
    assert found.failed[item] == said and str(item) == f"{how} = 1, gain = 2.0, seed 1" and f"{item}: {said}" in capsys.readouterr().err
    assert np.isnan(found.dataset["product per tau"].sel(seed=1)).all() and len(found.done) == 2
    assert said in (tmp_path / "out" / "report.html").read_text()
    assert sweep(toy, {how: [1], "gain": [2.0]}, seeds=range(3)).computed == 1


def test_a_process_that_is_killed_costs_its_own_item_alone(toy: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    found = sweep(toy, {"dies": [2]}, seeds=range(5), jobs=2)
    assert [item.seed for item in found.failed] == [2] and [item.seed for item in found.done] == [0, 1, 3, 4]
    assert "process ended" in found.failed[next(iter(found.failed))]


def test_a_sweep_that_is_killed_goes_on_where_it_was(toy: str, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    grid = {"gain": [1.0, 2.0], "wait": [0.3], "log": [str(tmp_path / "log")]}
    code = f"import cortex_sim as cs\ncs.sweep({toy!r}, {grid!r}, seeds=range(4), jobs=1)"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    while len(kept_in(cache)) < 3:
        assert process.poll() is None
    process.kill()
    process.wait()
    begun = sorted((tmp_path / "log").iterdir(), key=lambda path: path.stat().st_mtime)
    kept = len(kept_in(cache))
    for path in begun[kept:]:
        path.unlink()  # it was being computed; a second touch of any other would fail the item
    found = sweep(toy, grid, seeds=range(4))
    assert len(found.done) == 8 and found.computed == 8 - kept and not found.failed


def test_ctrl_c_leaves_what_was_done(toy: str, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text("wait = [0.5]\n")
    command = [
        sys.executable,
        "-m",
        "cortex_sim",
        "sweep",
        toy,
        "--grid",
        str(tmp_path / "grid.toml"),
        "--seeds",
        "0:20",
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not kept_in(cache):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command does the others" in said and "Traceback" not in said
    assert not (tmp_path / "out").exists() and 0 < len(kept_in(cache)) < 20


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"scores": 1, "claims": []}', "\x00"])
def test_a_damaged_result_is_computed_again(toy: str, cache: Path, content: str) -> None:
    sweep(toy)
    (path,) = (cache / "sweeps").iterdir()
    path.write_text(content)
    found = sweep(toy)
    assert len(found.done) == 1 and json.loads(path.read_text())["scores"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"gian": [1.0]}, "'gian' is no option of protocol .*Did you mean 'gain'"),
        ({"card.tua": [1.0]}, "leaky_tanh has nothing named 'tua'.*Did you mean 'tau'"),
        ({"card.W.size": [1.0]}, r"the rule of 'W' has no argument 'size'"),
        ({"card.V.size": [1.0]}, r"has no projection 'V'"),
        ({"card.tau": [100, -3, "a"]}, r"mixes numbers and texts"),
        ({"card.tau": ["a"]}, r"card.tau = 'a'.*\[parameters.tau.value\]"),
        ({"card.units": [0]}, r"card.units = 0.*greater than or equal to 1"),
        ({"gain": []}, "at least one"),
        ({"gain": [1.0, 1.0]}, "different"),
        ({"gain": [1, 1.0]}, "different"),
        ({"gain": 1.0}, r"grid: gain = 1\.0 should be a list"),
        ({"gain": [1.0, float("inf")]}, "different finite numbers"),
        ({"seed": [1]}, "seed is no axis"),
        ({"scale": [0.1]}, "scale applies to spiking circuits"),
        ({"model": ["leaky_tanhh"]}, "Did you mean 'leaky_tanh'"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_runs(toy: str, cache: Path, grid: dict[str, list[object]], message: str) -> None:
    with pytest.raises(CortexSimError, match=re.compile(message, re.DOTALL)):
        sweep(toy, {"fails": [0]} | grid)  # type: ignore[arg-type]
    assert not (cache / "sweeps").exists()


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_seeds_are_different_and_not_negative(toy: str, seeds: list[int]) -> None:
    with pytest.raises(OptionError, match="different whole numbers"):
        sweep(toy, seeds=seeds)


def test_a_grid_file_names_axes_and_what_stands_on_the_card(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('model = ["a", "b"]\n[card]\ntau = [1, 2.5]\n[card.W]\ngain = [3]\n')
    assert read_grid(path) == {"model": ["a", "b"], "card.tau": [1, 2.5], "card.W.gain": [3]}
    path.write_text("model = 'a'\n")
    with pytest.raises(OptionError, match=r"grid.toml: model = 'a' should be a list"):
        read_grid(path)


def test_the_command_line_sweeps_and_says_what_failed(toy: str, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("gain = [1.0, 2.0]\nfails = [1]\n")
    command = [sys.executable, "-m", "cortex_sim", "sweep", toy, "--grid", str(path), "--seeds", "0:2", "--jobs", "1", "--out", str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1 and "2 of 4 runs of toy came to an end" in run.stdout and "2 runs failed" in run.stderr
    assert run.stderr.count("asked to fail") == 2 and "Traceback" not in run.stderr
    again = subprocess.run([*command[:-1], "again", "--seeds", "0:x"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert again.returncode == 2 and "--seeds '0:x' should be first:last" in again.stderr


def test_a_cluster_that_is_not_there_is_said(toy: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cluster, "ANSWERS", 0.5)
    with pytest.raises(OptionError, match="leave --jobs out"):
        sweep(toy, scheduler="tcp://127.0.0.1:1", jobs=2)
    with pytest.raises(OptionError, match="give one"):
        sweep(toy, scheduler="tcp://127.0.0.1:1", slurm="main")
    pytest.importorskip("distributed")
    with pytest.raises(OptionError, match=r"tcp://127.0.0.1:1: nothing answers there"):
        sweep(toy, scheduler="tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("threads", "answer", "message"),
    [
        (2, code_key(), "worker tcp://w does several jobs in one process"),
        (1, "other", "worker tcp://w has another version"),
        (1, ModuleNotFoundError("No module named 'cortex_sim'"), "cannot import this package .*ModuleNotFoundError"),
        (1, code_key(), None),
    ],
)
def test_workers_that_would_give_other_results_are_refused(threads: int, answer: object, message: str | None) -> None:
    class Client:
        def nthreads(self) -> dict[str, int]:
            return {"tcp://w": threads}

        def run(self, function: object) -> dict[str, object]:
            if isinstance(answer, Exception):
                raise answer
            return {"tcp://w": answer}

    with nullcontext() if message is None else pytest.raises(OptionError, match=f"tcp://s: .*{message}"):
        _cluster._check_workers(Client(), "tcp://s")


def test_an_option_may_be_named_as_the_dataset_names_its_own(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "toy.py"
    path.write_text(PROTOCOL.replace("gain", "student"))
    data = sweep(str(path), {"student": [1.0, 2.0]}).dataset
    assert data["product per tau"].sel(student="toy").squeeze().values.tolist() == [200.0, 400.0]  # of a card of 200 ms
    assert data.sizes["student (option)"] == 2


def test_a_cluster_that_is_lost_leaves_what_was_done(toy: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = sweep(toy, seeds=[0])

    def lost(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(workers, "map", lost)
    with pytest.raises(FileProblem, match=r"the work broke off \(ConnectionError: gone\)\. 1 of 2 items are kept"):
        sweep(toy, seeds=[0, 1])
    assert isinstance(done, Sweep)
