"""Results do not depend on threads, hashing, folders, caches or the order of workers: to the bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import cortex_sim as cs
from tests.kills import PROTOCOL, RESULTS

ROOT = Path(__file__).parents[1]
WAYS = {
    "one thread, nothing cached, one process": {"threads": "1", "hash": "0", "workers": "1", "cache": "cold", "folder": "plain"},
    "two threads, all cached, two processes, blanks": {"threads": "2", "hash": "1", "workers": "2", "cache": "cold", "folder": "with blanks é"},
    "three threads, nothing cached, two processes": {"threads": "3", "hash": "12345", "workers": "2", "cache": "other", "folder": "deep/er"},
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("protocol", ["learn.py", "match", "match_spiking", "preparation", "force", "spike_statistics"])
def test_a_protocol_gives_the_same_bits_however_it_is_run(protocol: str, tmp_path: Path) -> None:
    found = {}
    for name, way in WAYS.items():
        folder = tmp_path / way["folder"]
        folder.mkdir(parents=True)
        (folder / "learn.py").write_text(PROTOCOL)
        settings = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), way["threads"])
        settings |= {"PYTHONHASHSEED": way["hash"], "LOKY_MAX_CPU_COUNT": way["workers"], "CORTEX_SIM_CACHE": str(tmp_path / way["cache"])}
        command = [sys.executable, "-m", "cortex_sim", "run", protocol, "--smoke", "--seed", "5", "--out", "out"]
        environment = os.environ | settings | {"PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
        assert run.returncode == 0, run.stderr
        found[name] = {each: (folder / "out" / each).read_bytes() for each in RESULTS}
    first = next(iter(found.values()))
    assert all(one == first for one in found.values()), [name for name, one in found.items() if one != first]


THREADS = '''"""How many threads?"""
import os
import torch
from threadpoolctl import threadpool_info
import cortex_sim as cs
MODEL = "murphy_miller_2009"
def run(model, *, seed, smoke):
    found = max(pool["num_threads"] for pool in threadpool_info()), torch.get_num_threads(), int(os.environ["OMP_NUM_THREADS"])
    return cs.Report("t", "q", "a", claims=[cs.Claim("threads", float(number), 1, 1, "itself") for number in found])
'''


@pytest.mark.parametrize("out", [None, "run"])
def test_linear_algebra_of_a_run_uses_one_thread_and_afterwards_what_it_used_before(
    out: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products shared by two threads are rounded otherwise: `match` differed in the last bits of eight numbers."""
    (tmp_path / "threads.py").write_text(THREADS)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"):
            assert cs.run(str(tmp_path / "threads.py"), out=out and tmp_path / out).holds
            assert max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas") == 2
        assert torch.get_num_threads() == 2 and os.environ["OMP_NUM_THREADS"] == "2"
    finally:
        torch.set_num_threads(before)
