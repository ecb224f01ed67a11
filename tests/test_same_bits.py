"""Results do not depend on threads, hashing, folders, caches or the order of workers: to the bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kills import PROTOCOL, RESULTS

ROOT = Path(__file__).parents[1]
WAYS = {
    "one thread, nothing cached, one process": {"threads": "1", "hash": "0", "workers": "1", "cache": "cold", "folder": "plain"},
    "two threads, all cached, two processes, blanks": {"threads": "2", "hash": "1", "workers": "2", "cache": "cold", "folder": "with blanks é"},
    "three threads, nothing cached, two processes": {"threads": "3", "hash": "12345", "workers": "2", "cache": "other", "folder": "deep/er"},
}  # fmt: skip


@pytest.mark.parametrize(
    "protocol",
    ["learn.py", *(pytest.param(name, marks=pytest.mark.long) for name in ("match", "match_spiking", "preparation", "force", "spike_statistics"))],
)
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
