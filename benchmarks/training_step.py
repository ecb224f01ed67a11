"""A forward and backward step of a leaky tanh network: plain torch loop, ours, torch's own kernels, and C.

Ours is what training runs: the twin of the card leaky_readout, unrolled and differentiated. The C program multiplies with SciPy's BLAS.
"""

import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from _measure import alternate, write
from scipy.linalg import cython_blas
from threadpoolctl import threadpool_limits

from cortex_sim import load
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._task import BIN, Task

SIZES = ((256, 27, 100), (256, 64, 200), (512, 128, 100))  # units, trials, steps
REPEATS = 5
LEAK = 0.2


def compiled() -> ctypes.CDLL | None:
    """The C program, or None where there is no compiler."""
    folder = Path(tempfile.mkdtemp())
    source, program = Path(__file__).with_suffix(".c"), folder / "step.so"
    command = ["cc", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", str(source), "-o", str(program), "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        print(f"no C program: {problem}", file=sys.stderr)
        return None
    library = ctypes.CDLL(str(program))
    library.step.restype = ctypes.c_float
    return library


def blas() -> ctypes.c_void_p:
    """Address of SciPy's sgemm."""
    capsule = cython_blas.__pyx_capi__["sgemm"]
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(pointer(capsule, name(capsule)))


def in_c(library: ctypes.CDLL, W: np.ndarray, x0: np.ndarray, steps: int):
    """A call of the C program that gives the loss and the gradient of W."""
    trials, units = x0.shape
    space = {name: np.empty((steps + 1, trials, units), np.float32) for name in ("x", "r", "back")}
    u, gradient, sgemm = np.zeros((trials, units), np.float32), np.empty((units, units), np.float32), blas()

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return array.ctypes.data_as(ctypes.c_void_p)

    def call() -> tuple[float, np.ndarray]:
        arrays = (W, x0, u, space["x"], space["r"], space["back"], gradient)
        return library.step(sgemm, steps, trials, units, ctypes.c_float(LEAK), *map(pointer, arrays)), gradient

    return call


def ours(W: np.ndarray, x0: np.ndarray, steps: int, *, plain: bool):
    """The twin's step, by its fast loops or by the equation text step by step."""
    trials, units = x0.shape
    card = load("leaky_readout").with_arrays({"W": W.astype(float)}, units=units, observed=2, channels=0)
    schedule = Problem(card, card.arrays(), Task("free", 0.0, steps * BIN, np.arange(trials)))
    twin = Twin(card, card.arrays(), dtype=torch.float32)
    if plain:
        twin._recurrent = None
    start = torch.tensor(x0)

    def call() -> tuple[float, np.ndarray]:
        twin.zero_grad()
        loss = (twin.unroll(start, Inputs(twin, schedule), schedule).rates ** 2).mean()
        loss.backward()
        return loss.item(), twin.W.grad.numpy()

    return call


def loop(W: np.ndarray, x0: np.ndarray, steps: int):
    """What one writes first: a loop of torch operations."""
    weights, start = torch.tensor(W, requires_grad=True), torch.tensor(x0)

    def call() -> tuple[float, np.ndarray]:
        weights.grad = None
        x, rates = start, []
        for _ in range(steps):
            r = torch.tanh(x)
            rates.append(r)
            x = x + LEAK * (-x + r @ weights.T)
        loss = (torch.stack(rates) ** 2).mean()
        loss.backward()
        return loss.item(), weights.grad.numpy()

    return call


def kernel(module: torch.nn.Module, x0: np.ndarray, steps: int):
    """Time of the recurrent kernels of torch, which compute other equations; so that their numbers are not compared."""
    inputs = torch.zeros(steps, len(x0), 1)

    def call() -> None:
        module.zero_grad()
        (module(inputs)[0] ** 2).mean().backward()

    return call


def main() -> None:
    library, rows = compiled(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        threadpool_limits(threads)  # of SciPy's BLAS, for C
        for units, trials, steps in SIZES:
            rng = np.random.default_rng(0)
            W = (1.2 * rng.standard_normal((units, units)) / np.sqrt(units)).astype(np.float32)
            x0 = rng.standard_normal((trials, units)).astype(np.float32)
            runs = {"torch loop": loop(W, x0, steps), "equation text": ours(W, x0, steps, plain=True), "ours": ours(W, x0, steps, plain=False)}
            runs |= {"nn.RNN": kernel(torch.nn.RNN(1, units), x0, steps), "nn.GRU": kernel(torch.nn.GRU(1, units), x0, steps)}
            if library:
                runs["C"] = in_c(library, W, x0, steps)
            found = {name: run() for name, run in runs.items() if not name.startswith("nn.")}
            for name, (loss, gradient) in found.items():
                np.testing.assert_allclose(loss, found["torch loop"][0], rtol=1e-4, err_msg=name)
                np.testing.assert_allclose(gradient, found["torch loop"][1], atol=1e-3 * np.abs(found["torch loop"][1]).max(), err_msg=name)
            seconds = alternate(runs, REPEATS)
            row = {"units": units, "trials": trials, "steps": steps, "threads": threads} | {f"{name} (ms)": 1e3 * s for name, s in seconds.items()}
            row["torch loop / ours"] = seconds["torch loop"] / seconds["ours"]
            if "C" in seconds:
                row["ours / C"] = seconds["ours"] / seconds["C"]
            rows.append(row)
    write("training_step", rows)


if __name__ == "__main__":
    main()
