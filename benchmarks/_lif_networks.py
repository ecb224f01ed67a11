"""Random networks of current-based integrate-and-fire neurons, as cards, as files for lif_loop.c, and what their spikes are compared by."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cortex_sim.cards.spiking._model import SpikingModel
from cortex_sim.simulation import _programs as programs
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.tasks._free import spontaneous

DURATION, SETTLED = 1.0, 0.1  # s; rates and CVs are taken after the second
FEWEST, ERRORS, SEEDS = 5, 4.0, range(11, 19)  # spikes of a neuron whose CV counts; standard deviations allowed; networks they are taken from
FLAGS = ("-O3", "-ffast-math", "-fno-finite-math-only", "-march=native")  # what Brian2 compiles its programs with
TAU, TAU_S, V_R, T_REF, DT, DELAY = 20.0, 5.0, 10.0, 2.0, 0.1, 1.0  # ms and mV

EQUATIONS = """
dv/dt = (-v + mu + I)/tau : volt (unless refractory)
dI/dt = -I/tau_s : volt
"""


@dataclass(frozen=True)
class Net:
    """Neurons (a fifth of them inhibitory), in-degree (a fifth of it inhibitory), weights and drive: mu constant, nu_ext Poisson.

    Attributes:
        weight: of an excitatory and of an inhibitory synapse, mV.
        theta: threshold, mV.
        w_ext: of a Poisson event, mV; 0 where the drive is constant.
        nu_ext: events at a neuron, Hz.
    """

    neurons: int
    indegree: int
    weight: tuple[float, float]
    mu: float
    theta: float = 20.0
    w_ext: float = 0.0
    nu_ext: float = 0.0

    @property
    def numbers(self) -> dict[str, float]:
        """Parameters, in SI units, in the order lif_loop.c reads them."""
        milli = {"tau": TAU, "tau_s": TAU_S, "theta": self.theta, "v_r": V_R, "t_ref": T_REF, "mu": self.mu, "dt": DT, "delay": DELAY}
        return {name: 1e-3 * value for name, value in milli.items()} | {"duration": DURATION, "w_ext": 1e-3 * self.w_ext, "nu_ext": self.nu_ext}

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return self.neurons * self.indegree


NETS = {
    "4k, 0.32 M": Net(4_000, 80, (2.2, -19.8), 22.2),
    "4k, 1.6 M": Net(4_000, 400, (1.42, -8.54), 25.0),
    "10k, 10 M": Net(10_000, 1_000, (0.9, -5.4), 30.0),
    "10k, 10 M, Poisson": Net(10_000, 1_000, (0.9, -5.4), 10.0, w_ext=0.2, nu_ext=20_000.0),
}


def card(net: Net, seed: int) -> SpikingModel:
    """The network as a spiking card."""
    unit = {"tau": "ms", "tau_s": "ms", "t_ref": "ms", "theta": "mV", "v_r": "mV", "mu": "mV"}
    unit |= {"w_ext": "mV", "nu_ext": "Hz"} if net.w_ext else {}
    value = {"tau": TAU, "tau_s": TAU_S, "t_ref": T_REF, "theta": net.theta, "v_r": V_R, "mu": net.mu, "w_ext": net.w_ext, "nu_ext": net.nu_ext}
    part = {
        "equations": EQUATIONS, "integrator": "exact", "threshold": "v > theta", "reset": "v = v_r", "refractory": "t_ref",
        "each_step": "I += w_ext*background(nu_ext, t, i)" if net.w_ext else "",
        "parameters": {name: {"value": value[name], "unit": unit[name]} for name in unit},
        "start": {"v": {"value": net.theta / 2, "width": net.theta / 2, "shape": "uniform", "unit": "mV"}},
    }  # fmt: skip
    wires = {
        "synapse": "current", "rule": "fixed_indegree", "sources": ["E", "I"], "targets": ["E", "I"],
        "weight": {"value": list(net.weight), "unit": "mV"}, "delay": {"value": DELAY, "unit": "ms"},
        "arguments": {"indegree": {"value": [0.8 * net.indegree, 0.2 * net.indegree]}},
    }  # fmt: skip
    return SpikingModel.model_validate({
        "name": "benchmark", "title": "benchmark", "paper": "none", "seed": seed, "dt": {"value": DT, "unit": "ms"}, "neurons": {"lif": part},
        "populations": {"E": {"neurons": "lif", "size": net.neurons * 4 // 5}, "I": {"neurons": "lif", "size": net.neurons // 5}},
        "inputs": {"background": {"kind": "poisson", "meaning": "background"}} if net.w_ext else {},
        "synapses": {"current": {"weight": "volt", "meaning": "jump of the current", "on_pre": "I_post += w"}}, "projections": {"all": wires},
    })  # fmt: skip


def write_for_loop(net: Net, seed: int, folder: Path) -> None:
    """Write what lif_loop.c reads: the synapses, parameters, first states and random stream of our programs."""
    plan = SpikingProblem(card(net, seed), spontaneous(DURATION), seed)
    programs.write_circuit(plan, folder)
    np.array(list(net.numbers.values())).tofile(folder / "numbers")
    plan.start("lif", 0)["v"].tofile(folder / "v")
    np.array([plan.source("lif", "background", 0).stream if net.w_ext else 0], dtype=np.uint64).tofile(folder / "stream")


def build_loop(folder: Path) -> Path:
    """Compile lif_loop.c."""
    made = folder / "lif_loop"
    subprocess.run(["gcc", *FLAGS, str(Path(__file__).with_name("lif_loop.c")), "-o", str(made), "-lm"], check=True)
    return made


class Activity(NamedTuple):
    """Mean rate (Hz) and CV of interspike intervals of a run."""

    rate: float
    cv: float

    def agrees(self, other: "Activity", spread: "Activity") -> bool:
        """Both differ by less than so many standard deviations of the difference of two independent networks."""
        return all(abs(one - two) < ERRORS * np.sqrt(2) * sd for one, two, sd in zip(self, other, spread, strict=True))


def activity(when: np.ndarray, unit: np.ndarray, neurons: int) -> Activity:
    """Rate, and mean CV of the neurons that fire often enough, once the start is over."""
    kept = when >= SETTLED
    when, unit = when[kept], unit[kept]
    order = np.lexsort((when, unit))
    gaps, same = np.diff(when[order]), np.diff(unit[order]) == 0
    gaps, owner = gaps[same], unit[order][1:][same]
    count = np.bincount(owner, minlength=neurons)
    mean, square = (np.bincount(owner, power, minlength=neurons) / np.maximum(count, 1) for power in (gaps, gaps**2))
    enough = count >= FEWEST - 1
    cv = np.sqrt(np.maximum(square - mean**2, 0))[enough] / mean[enough]
    return Activity(len(when) / neurons / (DURATION - SETTLED), float(cv.mean()))


def spread(net: Net, loop: Path, folder: Path) -> Activity:
    """Standard deviation of rate and CV from network to network, seed by seed, in the C loop: what two networks may differ by."""
    found = []
    for seed in SEEDS:
        write_for_loop(net, seed, folder / str(seed))
        subprocess.run([str(loop)], cwd=folder / str(seed), capture_output=True, check=True)
        found.append(activity(np.fromfile(folder / str(seed) / "t"), np.fromfile(folder / str(seed) / "i", dtype=np.int32), net.neurons))
        shutil.rmtree(folder / str(seed))
    return Activity(*map(float, np.std(found, axis=0, ddof=1)))


def alike(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> tuple[bool, float]:
    """Two runs have the very same spikes, and the time (s) until which they do."""
    rows = [np.stack([np.rint(when / (1e-3 * DT)), unit]).astype(np.int64) for when, unit in (one, other)]
    first, second = (row[:, np.lexsort((row[1], row[0]))] for row in rows)
    shared = min(first.shape[1], second.shape[1])
    apart = np.flatnonzero((first[:, :shared] != second[:, :shared]).any(axis=0))
    if not apart.size:
        return first.shape == second.shape, DURATION
    return False, 1e-3 * DT * float(min(first[0, apart[0]], second[0, apart[0]]))
