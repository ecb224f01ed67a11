"""Many things at once: the same results whatever the number of workers, nothing done twice, nothing broken when it is stopped."""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info

import cortex_sim as cs
from cortex_sim.errors import FileProblem
from cortex_sim.runtime import content_key, load_arrays, save_arrays, workers


def drawn(seed: int, size: int) -> np.ndarray:
    """A product large enough for linear algebra to share it among threads, were it let to."""
    A = cs.stream(seed, "null", "a matrix of a test").standard_normal((size, size))
    return A @ A


def spread(name: str) -> tuple[int, int, str]:
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return os.getpid(), max(blas, default=1), name


def noted(folder: str, number: int, stop_at: int = -1) -> np.ndarray:
    if number == stop_at:
        raise KeyboardInterrupt
    Path(folder, f"{number}-{time.monotonic_ns()}").touch()
    return np.full(2, float(number))


def told(number: int, report: Any) -> int:
    report(0.5, "half way")
    time.sleep(0.7)
    return number


KEPT = workers.Kept(
    key=lambda folder, number, *rest: content_key(number),
    write=lambda path, array: save_arrays(path, {"array": array}),
    read=lambda path: load_arrays(path)["array"],
    folder="numbers",
    suffix=".safetensors",
)


def test_results_do_not_depend_on_the_number_of_workers_and_keep_their_order() -> None:
    jobs = {f"job {n}": (n, 200) for n in (3, 1, 2, 0)}
    ways: list[dict[str, Any]] = [{"workers": 1}, {"workers": 2}, {"workers": 2, "threads": True}, {"workers": 9}, {"each": 3}]
    found = [workers.map("products", drawn, jobs, **way) for way in ways]
    for one in found:
        assert list(one) == list(jobs)
        assert all(np.array_equal(one[name], found[0][name]) for name in jobs)
    assert workers.map("nothing", drawn, {}) == {}


def test_each_worker_has_one_thread_and_a_process_of_its_own() -> None:
    jobs = {n: (str(n),) for n in range(4)}
    alone, apart = (workers.map("threads", spread, jobs, workers=count) for count in (1, 2))
    assert {threads for _, threads, _ in (*alone.values(), *apart.values())} == {1}
    assert {process for process, _, _ in alone.values()} == {os.getpid()}
    assert os.getpid() not in {process for process, _, _ in apart.values()}


def of_process(number: int, module: str) -> tuple[int, bool]:
    time.sleep(0.2)
    return os.getpid(), module in sys.modules


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one core there are no processes")
@pytest.mark.parametrize("fails", [False, True])
def test_processes_stay_from_one_map_to_the_next_inside_a_block_and_end_with_it(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have imported what they were asked to before the first job needs it, and no map leaves any behind outside a block."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # tests have 1, since they run side by side themselves
    jobs, used = {number: (number, "wave") for number in range(4)}, []
    with contextlib.suppress(ZeroDivisionError), workers.together("wave"):
        for _ in range(2):
            found = workers.map("a map", of_process, jobs, workers=2)
            assert all(ready for _, ready in found.values())
            used.append({pid for pid, _ in found.values()})
        assert used[0] & used[1] and all(map(alive, used[1]))
        if fails:
            1 / 0  # noqa: B018
    assert not any(alive(pid) for pid in used[0] | used[1])
    outside = {pid for pid, _ in workers.map("a map", of_process, jobs, workers=2).values()}
    assert not outside & used[1] and not any(map(alive, outside))


def test_what_was_done_is_not_done_again_and_what_is_damaged_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    done = tmp_path / "done"
    done.mkdir()

    def run(stop_at: int = -1) -> list[float]:
        jobs = {n: (str(done), n, stop_at) for n in range(5)}
        return [float(one[0]) for one in workers.map("numbers", noted, jobs, workers=1, kept=KEPT).values()]

    with pytest.raises(KeyboardInterrupt):
        run(stop_at=3)
    assert len(list(done.iterdir())) == 3 == len(list((tmp_path / "cache/numbers").iterdir()))
    assert run() == [0, 1, 2, 3, 4] and len(list(done.iterdir())) == 5
    assert run() == [0, 1, 2, 3, 4] and len(list(done.iterdir())) == 5
    KEPT.path((str(done), 2)).write_bytes(b"no safetensors")
    assert run() == [0, 1, 2, 3, 4] and len(list(done.iterdir())) == 6
    assert "result computed anew" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert workers.map("numbers", noted, {0: (str(tmp_path), 0)}, workers=1, kept=KEPT)[0].tolist() == [0, 0]
    assert "result not kept" in capsys.readouterr().err


@pytest.mark.parametrize("way", [{"workers": 1}, {"workers": 2}, {"workers": 2, "threads": True}])
def test_a_job_that_fails_says_so_as_it_would_alone(way: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"absent\.safetensors: cannot be read as safetensors"):
        workers.map("arrays", load_arrays, dict.fromkeys(range(4), (tmp_path / "absent.safetensors",)), **way)


def test_jobs_tell_how_far_they_are() -> None:
    lines: list[tuple[float, str]] = []
    found = workers.map("sleep", told, {n: (n,) for n in range(2)}, workers=2, tells=True, report=lambda done, text: lines.append((done, text)))
    assert found == {0: 0, 1: 1}
    assert any("half way" in text and 0 < done <= 1 for done, text in lines)


def test_a_backend_of_joblib_takes_the_place_of_processes_by_one_argument() -> None:
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = workers.map("names", lambda n: (threading.current_thread() is threading.main_thread(), os.getpid()), {n: (n,) for n in range(4)})
    assert set(found.values()) == {(False, os.getpid())}


def test_blocks_of_one_thread_that_overlap_leave_the_process_as_it_was() -> None:
    before = dict(os.environ)
    first, second = workers.one_thread(), workers.one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert os.environ["OMP_NUM_THREADS"] == "1"
    second.__exit__(None, None, None)
    assert dict(os.environ) == before
