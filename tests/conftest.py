"""One cache for the whole session, the recordings beside the checkout, and a linear circuit any test may build."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards._model import Model
from tests import shapes

ROOT = Path(__file__).parents[1]

os.environ |= {name: os.environ.get(name) or "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}  # small matrices; workers share cores
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")  # tests run side by side already: what a protocol trains, it trains in its own process
threadpool_limits(1)  # for what was loaded before this file

if not os.environ.get("CORTEX_SIM_CACHE"):  # at import, before xdist starts its workers: they inherit it and share one build of a circuit
    os.environ["CORTEX_SIM_CACHE"] = tempfile.mkdtemp(prefix="cortex-sim-tests-")
    atexit.register(shutil.rmtree, os.environ["CORTEX_SIM_CACHE"], ignore_errors=True)

shapes.install()

LINEAR: dict[str, Any] = {
    "name": "linear", "kind": "rate", "title": "Linear circuit", "paper": "none", "rate": "r",
    "equations": "dx/dt = (-x + W(r) + drive(t, i))/tau : Hz\nr = x : Hz (constant over dt)",
    "parameters": {"tau": {"value": 200, "unit": "ms", "meaning": "time constant"}},
    "inputs": {"drive": {"unit": "Hz", "meaning": "input"}},
    "projections": {"W": {"rule": "gaussian", "arguments": {"gain": {"value": 0.5, "meaning": "gain"}}}},
}  # fmt: skip


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The recordings that lie beside a checkout and are not shipped."""
    folder = Path(os.environ.get("CORTEX_SIM_SHARED") or ROOT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; recordings are not shipped with the package")
    return folder


@pytest.fixture(scope="session")
def linear_circuit() -> Callable[..., Model]:
    """tau dx/dt = -x + W x + drive, tau = 200 ms, r = x, with the given W and step; any field of the card may be changed."""

    def build(W: ndarray, *, dt: float = 1e-3, **changes: Any) -> Model:
        step = {"value": dt, "unit": "second", "meaning": "step"}
        return Model.model_validate(LINEAR | {"units": len(W), "dt": step} | changes).with_arrays({"W": W})

    return build


@pytest.fixture(scope="module", autouse=True)
def _what_was_imported_meanwhile_is_not_searched_for_garbage() -> None:
    """Brian2 collects before every run: 80 ms where torch and Matplotlib have been imported since the last freeze."""
    gc.freeze()


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of garbage collection: Brian2 collects before every run, over a heap of a million objects."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the whole first: they take longest, and no worker should end alone with one of them."""
    items.sort(key=lambda item: item.path.parent != ROOT / "tests")
