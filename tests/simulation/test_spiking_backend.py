"""One spiking circuit on three code targets: the same spikes, closed forms, programs that are built once, and circuits that run away."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim import load, simulate
from cortex_sim.cards.spiking._model import SpikingModel
from cortex_sim.errors import CardError, OptionError, TaskError
from cortex_sim.simulation import _programs as programs
from cortex_sim.simulation._spiking_backend import choose
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.tasks._free import spontaneous
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task
from cortex_sim.trials._trials import Spikes, Trials
from tests.cards.spiking.test_spiking import CARD, table

COMPILED = pytest.mark.skipif(not programs.has_compiler(), reason="no C++ compiler")
TARGETS = ["numpy", pytest.param("standalone", marks=COMPILED)]

NET: dict[str, Any] = CARD | {
    "name": "net",
    "neurons": {"lif": CARD["neurons"]["lif"] | {
        "each_step": "I = drive(t, i)\nv += w_ext*background(nu_ext, t, i) + sigma*noise(t, i)*dt",
        "parameters": CARD["neurons"]["lif"]["parameters"] | {
            "w_ext": table(0.5, "mV"), "nu_ext": table(2000, "Hz"), "sigma": table(20, "mV*second**-0.5"),
        },
        "start": {"v": {"value": 10, "width": 10, "shape": "uniform", "unit": "mV"}},
    }},
    "inputs": CARD["inputs"] | {"background": {"kind": "poisson", "meaning": "events"}, "noise": {"kind": "noise", "meaning": "noise"}},
    "populations": {"E": {"neurons": "lif", "size": 80}, "I": {"neurons": "lif", "size": 20, "parameters": {"tau": table(10, "ms")}}},
    "projections": {"all": CARD["projections"]["all"] | {"delay": table(1.5, "ms") | {"sd": 0.3}}},
}  # fmt: skip


def net(**changes: Any) -> SpikingModel:
    return SpikingModel.model_validate(NET | changes)


@pytest.fixture
def stepped() -> Task:
    """Half of the neurons driven for a while, another ten held silent."""
    task = spontaneous(0.2, 2)
    pattern = np.zeros((2, 100))
    pattern[:, ::2] = 1e-2
    during = (task.fine_time >= 0.1) & (task.fine_time < 0.15)
    clamp = Clamp(np.arange(40, 50), 0.0, during)
    return replace(task, drives=(Drive(pattern, during.astype(float)),), clamps=(clamp,))


@COMPILED
def test_all_targets_give_the_same_spikes(stepped: Task) -> None:
    """Noise, Poisson input, drives, silencing, initial states and wiring are the same numbers, so the spikes are too."""
    found = {target: simulate(net(), stepped, seed=3, target=target) for target in ("numpy", "standalone")}
    a, b = (one.spikes for one in found.values())
    assert len(a.time) > 300
    assert (a.unit == b.unit).all() and (a.trial == b.trial).all() and np.abs(a.time - b.time).max() < 1e-9
    assert [one.provenance["target"] for one in found.values()] == ["numpy", "standalone"]
    assert (found["numpy"].population == np.repeat(["E", "I"], [80, 20])).all()


@pytest.mark.parametrize("target", TARGETS)
def test_silenced_neurons_do_not_fire_and_driven_ones_fire_more(stepped: Task, target: str) -> None:
    when, unit, _ = simulate(net(), stepped, target=target).spikes
    during = (when >= 0.1) & (when < 0.15)
    held = (unit >= 40) & (unit < 50)
    assert not (held & during).any() and (held & ~during).any()
    driven = unit % 2 == 0
    assert (driven & during & ~held).sum() > 1.5 * (~driven & during & ~held).sum()


def test_trials_and_seeds_differ_and_the_same_seed_gives_the_same_spikes() -> None:
    first, again, other = (simulate(net(), spontaneous(0.1, 2), seed=seed, target="numpy") for seed in (0, 0, 1))
    assert all((x == y).all() for x, y in zip(first.spikes, again.spikes, strict=True))
    assert first.select([0]).spikes.time.tolist() != first.select([1]).spikes.time.tolist()
    assert first.spikes.time.tolist() != other.spikes.time.tolist()


@pytest.mark.parametrize("target", TARGETS)
def test_a_neuron_fires_at_the_rate_of_the_closed_form(target: str) -> None:
    """Intervals are t_ref + tau ln((mu - v_r)/(mu - theta)), in whole steps; Brian2's refractory period is short by at most one."""
    model = load("lif")
    trials = simulate(model, spontaneous(0.3), target=target)
    mu = np.linspace(15e-3, 65e-3, 41)
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = 2e-3 + 20e-3 * np.log((mu - 10e-3) / (mu - 20e-3))
    for unit in np.flatnonzero(mu > 25e-3):
        intervals = np.diff(trials.spikes.time[trials.spikes.unit == unit])
        assert intervals.min() > wanted[unit] - 1.01 * model.dt.si and intervals.max() < wanted[unit] + 1.01 * model.dt.si
    assert not np.isin(np.flatnonzero(mu <= 20e-3), trials.spikes.unit).any()


@pytest.mark.parametrize("target", TARGETS)
def test_a_spike_arrives_after_its_delay(target: str) -> None:
    """One recorded spike at 20 ms makes its target, 1.5 ms away, fire in the step in which it arrives."""
    model = relayed()
    spike = Trials.from_spikes(Spikes(np.array([0.02]), np.array([1]), np.array([0])), spontaneous(0.1).time, units=3, condition=[0])
    trials = simulate(model, replace(spontaneous(0.1), recordings={"played": spike}), target=target)
    source, relay = (trials.spikes.time[trials.population[trials.spikes.unit] == name] for name in ("sources", "relay"))
    np.testing.assert_allclose(source, [0.02], atol=1e-9)
    assert len(relay) == 1 and abs(relay[0] - 0.0216) < 1e-9  # sent at the end of its step, 15 steps of delay, crossing in the next


def relayed() -> SpikingModel:
    return SpikingModel.model_validate({
        "name": "relay", "kind": "spiking", "title": "Relay", "paper": "none", "dt": table(0.1, "ms"),
        "neurons": {
            "source": {"equations": "now : 1", "threshold": "now > 0", "reset": "now = 0", "each_step": "now = played(t, i)"},
            "lif": {"equations": "dv/dt = -v/(20*ms) : volt", "integrator": "exact", "threshold": "v > 10*mV", "reset": "v = 0*mV"},
        },
        "inputs": {"played": {"kind": "recorded", "meaning": "recorded spikes"}},
        "populations": {"sources": {"neurons": "source", "size": 3}, "relay": {"neurons": "lif", "size": 1}},
        "synapses": {"jump": {"weight": "mV", "meaning": "a jump", "on_pre": "v_post += w"}},
        "projections": {"out": {
            "synapse": "jump", "rule": "all_to_all", "sources": ["sources"], "targets": ["relay"], "weight": table(12, "mV"),
            "delay": table(1.5, "ms"),
        }},
    })  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_rate_that_one_spike_a_step_cannot_carry_is_refused(target: str) -> None:
    """A population that only passes Poisson events on would lose those that share a step; it runs at rates where hardly any do."""
    kinds = {"source": {"equations": "now : 1", "threshold": "now > 0", "reset": "now = 0", "each_step": "now = events(rate, t, i)",
                        "parameters": {"rate": table(500, "Hz")}}}  # fmt: skip
    card = {"name": "poisson", "kind": "spiking", "title": "Poisson", "paper": "none", "dt": table(0.1, "ms"), "neurons": kinds,
            "inputs": {"events": {"kind": "poisson", "meaning": "events"}}, "populations": {"all": {"neurons": "source", "size": 1000}}}  # fmt: skip
    model = SpikingModel.model_validate(card | {"limit": table(20, "kHz")})
    count = simulate(model, spontaneous(0.1), target=target).spikes.time.size
    wanted = 1000 * 1000 * (1 - np.exp(-0.05))  # steps x neurons x P(at least one event)
    assert abs(count - wanted) < 5 * np.sqrt(wanted)
    kinds["source"]["parameters"] = {"rate": table(2, "kHz")}
    with pytest.raises(CardError, match="poisson: a Poisson input expects 0.2 events of a neuron in one step, where at most 0.1"):
        simulate(SpikingModel.model_validate(card | {"neurons": kinds}), spontaneous(0.1), target=target)


def test_two_recorded_spikes_in_one_step_are_refused() -> None:
    times = np.array([0.02, 0.02003])
    spikes = Trials.from_spikes(Spikes(times, np.array([1, 1]), np.array([0, 0])), spontaneous(0.1).time, units=3, condition=[0])
    message = r"recording 'played': unit 1 has two spikes within the step at 0\.0200 s of trial 0; one of them would be lost"
    with pytest.raises(TaskError, match=message):
        simulate(relayed(), replace(spontaneous(0.1), recordings={"played": spikes}), target="numpy")


@COMPILED
@pytest.mark.long
def test_two_processes_that_build_the_same_program_at_once_do_not_collide() -> None:
    code = """
import sys
sys.path.insert(0, {root!r})
from cortex_sim.simulation import _programs as programs
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.tasks import spontaneous
from tests.simulation.test_spiking_backend import net
print(programs.build(SpikingProblem(net(name="at_once"), spontaneous(0.05))))
"""
    command = [sys.executable, "-c", code.format(root=str(Path(__file__).parents[2]))]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert programs.cached(SpikingProblem(net(name="at_once"), spontaneous(0.05))) == Path(said[0][0].strip())
    assert not [path for path in Path(said[0][0].strip()).parent.iterdir() if path.name.startswith(".at_once")]


def test_a_recorded_input_without_its_recording_is_refused() -> None:
    with pytest.raises(TaskError, match=r"relay plays the recording 'played'; give it in recordings"):
        simulate(relayed(), spontaneous(0.1), target="numpy")


@COMPILED
def test_other_parameters_inputs_seeds_and_durations_need_no_compiler(tmp_path: Path) -> None:
    """A second process with a make that fails runs the program of the first."""
    programs.build(SpikingProblem(net(), spontaneous(0.1)))
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "g++"):
        (tools / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/called\nexit 1\n")
        (tools / name).chmod(0o755)
    code = """
import sys
sys.path.insert(0, {root!r})
from dataclasses import replace
import numpy as np
from cortex_sim import simulate
from cortex_sim.tasks import Drive, spontaneous
from tests.cards.spiking.test_spiking import table
from tests.simulation.test_spiking_backend import NET, net
lif, wire = NET["neurons"]["lif"], NET["projections"]["all"]
kinds = {{"lif": lif | {{"parameters": lif["parameters"] | {{"tau": table(15, "ms"), "nu_ext": table(2300, "Hz")}}}}}}
wires = {{"all": wire | {{"arguments": {{"probability": table(0.3)}}, "weight": table([0.2, -1.0], "mV"), "delay": table(2, "ms")}}}}
task = spontaneous(0.25, 2)
task = replace(task, drives=(Drive(np.full((2, 100), 1e-3), np.ones(task.steps)),))
trials = simulate(net(neurons=kinds, projections=wires, seed=5), task, seed=9, target="standalone")
print(trials.spikes.time.size, "brian2" in sys.modules)
"""
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code.format(root=root)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 100 and done.stdout.split()[1] == "False"
    assert not (tmp_path / "called").exists()


@COMPILED
def test_a_damaged_program_is_built_again() -> None:
    plan = SpikingProblem(net(name="damaged"), spontaneous(0.05))
    folder = programs.build(plan)
    assert programs.cached(plan) == folder
    (folder / "main").write_bytes(b"not a program")
    assert programs.cached(plan) is None
    assert programs.build(plan) == folder and programs.cached(plan) == folder
    assert stat.S_IMODE((folder / "main").stat().st_mode) & stat.S_IXUSR


@COMPILED
@pytest.mark.parametrize("target", ["numpy", "standalone"])
def test_a_circuit_that_runs_away_is_stopped_with_population_time_and_advice(target: str) -> None:
    wires = {"all": NET["projections"]["all"] | {"weight": table([40.0, 0.0], "mV"), "delay": table(0.5, "ms")}}
    with pytest.raises(CardError, match=r"net: population '[EI]' fires at \d+ Hz at 0\.\d+ s of trial 0, over the limit of 100 Hz.*[Ww]eaken"):
        simulate(net(projections=wires, limit=table(100, "Hz")), spontaneous(0.3), target=target)


@COMPILED
@pytest.mark.parametrize("target", ["numpy", "standalone"])
def test_a_state_that_is_no_number_is_said(target: str) -> None:
    text = "dv/dt = (-v + I)/tau + u*mV/ms : volt (unless refractory)\nI : volt\ndu/dt = 3*u**2/ms : 1"
    kinds = {"lif": NET["neurons"]["lif"] | {"equations": text, "integrator": "euler", "start": {"u": table(1)}}}
    with pytest.raises(CardError, match=r"(population 'E': [uv] of neuron 0 is (nan|inf|-inf) by 0\.\d+ s)|fires at"):
        simulate(net(name="blowing_up", neurons=kinds), spontaneous(0.1), target=target)


def test_the_target_is_chosen_by_cost_and_can_be_forced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    short, long = SpikingProblem(net(name="chosen"), spontaneous(0.05)), SpikingProblem(load("brunel_2000"), spontaneous(100.0))
    assert choose(short).target == "numpy" and choose(short, "cython").target == "cython"
    assert choose(long).target == ("standalone" if programs.has_compiler() else "numpy")
    with pytest.raises(OptionError, match="target 'c' is unknown. Choose from 'numpy', 'cython', 'standalone'"):
        choose(short, "c")
    simulate(net(name="said_once"), spontaneous(0.05))
    assert capsys.readouterr().err.count("said_once: NumPy, about") == 1
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert choose(long).target == "numpy" and "no C++ compiler found" in str(choose(long))
    with pytest.raises(OptionError, match="target 'standalone' needs a C\\+\\+ compiler"):
        choose(long, "standalone")


def test_targets_belong_to_spiking_circuits_and_backends_to_the_others(linear_circuit: Callable[..., Any]) -> None:
    with pytest.raises(OptionError, match="backend 'torch' runs no spiking circuit"):
        simulate(net(), spontaneous(0.05), backend="torch")
    with pytest.raises(OptionError, match="target 'numpy' applies to spiking circuits"):
        simulate(linear_circuit(np.zeros((1, 1))), spontaneous(0.05), target="numpy")


def test_the_mean_field_reads_the_network_before_it_is_stepped() -> None:
    """Under Euler the window of the quadratic network has the area of one spike: its decayed sum, read before each step, is 1/N in units of tau."""
    model = load("montbrio_2015_qif")
    tau_s, tau, dt = (model.neurons["mean"].parameters["tau_s"].si, model.neurons["qif"].parameters["tau"].si, model.dt.si)
    w = model.projections["coupling"].weight.si
    area = w * sum((1 - dt / tau_s) ** k for k in range(10_000)) * dt
    assert area == pytest.approx(tau / model.populations["all"].size, rel=1e-9)
