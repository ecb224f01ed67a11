"""A card that is read from a Brian2 script computes what the script computes; what no card holds is named."""

import inspect
from pathlib import Path

import brian2 as b2
import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import CardError, OptionError

card_from, wrap = (inspect.unwrap(part) for part in (cs.card_from, cs.wrap))  # without the tests' own frames between script and package
WITH_UNITS = """
dv/dt = (v_rest - v + R*(I_rec + stimulus))/tau_m : volt
f = gain*clip(v - theta, 0*mV, 1*volt) : Hz
stimulus : amp
I_rec : amp
tau_m : second
theta : volt
"""
PLAIN = "dr/dt = (-r + tanh(I_rec + stimulus))/slow : 1\nstimulus : 1\nI_rec : 1"


@pytest.fixture(autouse=True)
def _numpy() -> None:
    b2.prefs.codegen.target = "numpy"


def neurons(text: str = PLAIN, *, count: int = 6, method: str = "euler", **how: object) -> b2.NeuronGroup:
    return b2.NeuronGroup(count, text, method=method, dt=0.5 * b2.ms, **how)


def connected(group: b2.NeuronGroup, model: str, weight: b2.Quantity | float) -> b2.Synapses:
    synapses = b2.Synapses(group, group, model)
    synapses.connect(condition="i != j")
    synapses.w = np.random.default_rng(0).normal(size=len(synapses)) * weight
    return synapses


@pytest.mark.parametrize("method", ["euler", "exponential_euler"])
def test_units_subexpressions_and_numbers_of_each_neuron_are_carried(method: str, tmp_path: Path) -> None:
    v_rest, R, gain = -60 * b2.mV, 50 * b2.Mohm, 3 * b2.Hz / b2.mV  # noqa: F841 - the equations name them
    group, rng = neurons(WITH_UNITS, method=method), np.random.default_rng(1)
    group.tau_m, group.theta, group.v = rng.uniform(10, 30, 6) * b2.ms, rng.uniform(-65, -55, 6) * b2.mV, rng.uniform(-65, -50, 6) * b2.mV
    network = b2.Network(group, connected(group, "w : amp/Hz\nI_rec_post = f_pre*w : amp (summed)", 2 * b2.pA / b2.Hz))
    inputs = 1e-10 * rng.normal(size=(3, 8, 6))  # A
    task = cs.tasks.from_inputs(inputs, bin=0.01)
    card = card_from(network, rate="f", inputs="stimulus")
    wanted = cs.simulate(wrap(network, rate="f", inputs="stimulus"), task).rate
    assert wanted.std() > 1
    np.testing.assert_allclose(cs.simulate(card, task).rate, wanted, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(cs.simulate(card, task, backend="torch").rate, wanted, rtol=1e-10, atol=1e-9)
    card.save(tmp_path / "mine.toml")
    np.testing.assert_allclose(cs.simulate(cs.load(str(tmp_path / "mine.toml")), task).rate, wanted, rtol=1e-10, atol=1e-9)


def test_several_synapses_on_one_pair_add_up_and_noise_becomes_an_input() -> None:
    slow = 20 * b2.ms  # noqa: F841 - the equations name it
    group = neurons(PLAIN.replace("/slow", "/slow + 0.3*xi*slow**-0.5"))
    synapses = b2.Synapses(group, group, "w : 1\nI_rec_post = w*r_pre : 1 (summed)")
    synapses.connect(i=[0, 0, 3], j=[1, 1, 2])
    synapses.w = [1.0, 0.5, -2.0]
    card = card_from(b2.Network(group, synapses), rate="r")
    W = next(array for name, array in card.arrays().items() if name.startswith("W_"))
    assert W[1, 0] == 1.5 and W[2, 3] == -2.0 and np.count_nonzero(W) == 2
    free = cs.simulate(card, cs.tasks.spontaneous(20.0)).rate[0]
    assert free[200:, 4].std() == pytest.approx(0.3 / np.sqrt(2), rel=0.15)  # about tanh(0), an Ornstein-Uhlenbeck process of that deviation


def test_what_no_card_holds_is_named_and_all_of_it() -> None:
    slow, table = 20 * b2.ms, b2.TimedArray([1.0, 2.0], dt=10 * b2.ms)  # noqa: F841 - the equations name them
    spiking = neurons(PLAIN, threshold="r > 1", reset="r = 0", refractory=5 * b2.ms)
    with pytest.raises(CardError, match="no card holds spikes"):
        card_from(spiking, rate="r")
    played = neurons(PLAIN.replace("stimulus)", "stimulus + table(t))"), method="rk4")
    with pytest.raises(CardError, match=r"the integrator 'rk4'.*'table', a TimedArray"):
        card_from(played, rate="r")
    with pytest.raises(CardError, match="'fast', which is not known"):
        card_from(neurons(PLAIN.replace("slow", "fast")), rate="r")
    group = neurons()
    square = connected(group, "w : 1\nI_rec_post = w*r_pre**2 : 1 (summed)", 1.0)
    with pytest.raises(CardError, match="it should be a number of each synapse times a variable of the source"):
        card_from(b2.Network(group, square), rate="r")
    with pytest.raises(CardError, match="the network has 2"):
        card_from(b2.Network(neurons(), neurons()), rate="r")
    with pytest.raises(CardError, match="inputs 'r', which is no parameter"):
        card_from(neurons(), rate="r", inputs="r")
    with pytest.raises(CardError, match="rate 'q' is no variable"):
        card_from(neurons(), rate="q")


def test_a_card_of_a_script_goes_through_pushes_and_fixed_points() -> None:
    slow = 20 * b2.ms  # noqa: F841 - the equations name it
    group = neurons()
    card = card_from(b2.Network(group, connected(group, "w : 1\nI_rec_post = w*r_pre : 1 (summed)", 0.3)), rate="r", inputs="stimulus")
    task = cs.tasks.from_inputs(np.random.default_rng(0).normal(size=(5, 20, 6)), bin=0.01)
    points = cs.analysis.fixed_points(card, task, searches=8).fixed
    assert len(points) == 1 and abs(points[0].state).max() < 1e-9 and not points[0].unstable
    quiet = cs.tasks.from_inputs(np.zeros((3, 20, 6)), bin=0.01)
    pushed = cs.perturb.push(quiet, units=6, fraction=0.5, amplitude=0.1, start=0.0, duration=0.19)
    state, pattern = np.zeros((3, 6)), pushed.drives[0].pattern
    W = card.arrays()["W_I_rec"]
    for _ in range(380):  # Euler steps of 0.5 ms
        state = state + 0.5 / 20 * (-state + np.tanh(state @ W.T + pattern))
    np.testing.assert_allclose(cs.simulate(card, pushed).rate[:, 19], state, rtol=0, atol=1e-9)


def test_constants_for_weights_regular_changes_and_held_lines_are_carried_or_named() -> None:
    slow, g = 20 * b2.ms, 3.0  # noqa: F841 - the equations name them
    for product in ("2*r_pre", "g*r_pre", "r_post*r_pre", "w*I_pre"):
        group = neurons()
        synapses = b2.Synapses(group, group, f"w : 1\nI_rec_post = {product} : 1 (summed)")
        synapses.connect()
        with pytest.raises(CardError, match="it should be a number of each synapse"):
            card_from(b2.Network(group, synapses), rate="r")
    reset = neurons()
    reset.run_regularly("r = 0", dt=10 * b2.ms)
    with pytest.raises(CardError, match="what runs regularly in '.*': r = 0"):
        card_from(reset, rate="r")
    late = neurons(PLAIN.replace("stimulus)", "sin(t/slow))").replace("stimulus : 1\n", ""))
    network = b2.Network(late)
    network.run(20 * b2.ms, namespace={"slow": slow})
    with pytest.raises(CardError, match="has run for 0.02 s; a card begins at 0"):
        card_from(network, rate="r")
    held = neurons("dr/dt = (-r + twice)/slow : 1\ntwice = 2*stimulus : 1 (constant over dt)\nstimulus : 1")
    network, task = b2.Network(held), cs.tasks.from_inputs(np.random.default_rng(0).normal(size=(2, 8, 6)), bin=0.01)
    card, script = card_from(network, rate="r", inputs="stimulus"), wrap(network, rate="r", inputs="stimulus")
    np.testing.assert_allclose(cs.simulate(card, task).rate, cs.simulate(script, task).rate, rtol=0, atol=1e-12)


def test_a_script_that_imports_everything_of_brian2_is_read() -> None:
    names: dict[str, object] = {}
    exec("from brian2 import *", names)  # as most scripts do
    text = "dr/dt = (-r + tanh(stimulus) + exp(-1.0) + 0.1*cos(2*pi*r))/(20*ms) : 1\nstimulus : 1"
    group = b2.NeuronGroup(3, text, method="euler", dt=1 * b2.ms, namespace={key: names[key] for key in ("tanh", "exp", "cos", "pi", "ms")})
    card = card_from(group, rate="r", inputs="stimulus")
    task = cs.tasks.from_inputs(np.random.default_rng(0).normal(size=(2, 8, 3)), bin=0.01)
    r, wanted = np.zeros((2, 3)), []
    for step in range(80):
        wanted += [r] if step % 10 == 0 else []
        u = task.channels.values[:, step // 10]
        r = r + 0.05 * (-r + np.tanh(u) + np.exp(-1) + 0.1 * np.cos(2 * np.pi * r))
    np.testing.assert_allclose(cs.simulate(card, task).rate, np.stack(wanted, axis=1), rtol=0, atol=1e-12)


def test_a_parameter_that_takes_currents_keeps_its_value_and_leads_to_prepared_reaches() -> None:
    slow = 20 * b2.ms  # noqa: F841 - the equations name it
    group = neurons(PLAIN.replace("tanh(I_rec + stimulus)", "tanh(I_rec) + stimulus"))
    group.stimulus = np.linspace(-0.3, 0.3, 6)
    network = b2.Network(group, connected(group, "w : 1\nI_rec_post = w*r_pre : 1 (summed)", 0.3))
    card, W = card_from(network, rate="r", drive="stimulus"), card_from(network, rate="r").arrays()["W_I_rec"]
    assert card.channels == 0 and list(card.inputs) == ["drive"]
    quiet = cs.tasks.free_run(np.zeros((3, 6)), 0.2)
    pushed = cs.perturb.push(quiet, units=6, fraction=0.5, amplitude=0.1, start=0.0, duration=0.19)
    state, pattern = np.zeros((3, 6)), pushed.drives[0].pattern
    for _ in range(380):  # Euler steps of 0.5 ms
        state = state + 0.5 / 20 * (-state + np.tanh(state @ W.T) + np.linspace(-0.3, 0.3, 6) + pattern)
    np.testing.assert_allclose(cs.simulate(card, pushed).rate[:, 19], state, rtol=0, atol=1e-9)
    task, _ = cs.reaches(card, training=4, test=2)
    assert task.initial is not None and np.ptp(task.initial, axis=0).min() > 0
    with pytest.raises(OptionError, match=r"listens to 6 channels, and reaches that currents prepare have none.*card_from"):
        cs.reaches(card_from(network, rate="r", inputs="stimulus"), training=4, test=2)
    with pytest.raises(CardError, match="drive 'r', which is no parameter"):
        card_from(network, rate="r", drive="r")


def test_channels_and_currents_may_come_in_at_two_places() -> None:
    group = neurons("dr/dt = (-r + heard + pushed)/(20*ms) : 1\nheard : 1\npushed : 1")
    card = card_from(group, rate="r", inputs="heard", drive="pushed")
    task = cs.tasks.from_inputs(np.full((2, 10, 6), 0.4), bin=0.01)
    pushed = cs.perturb.push(task, units=6, fraction=1.0, amplitude=0.1, start=0.0, duration=0.1)
    wanted = (0.4 + pushed.drives[0].pattern) * (1 - (1 - 0.5 / 20) ** 180)  # 9 bins of 20 Euler steps
    np.testing.assert_allclose(cs.simulate(card, pushed).rate[:, 9], np.broadcast_to(wanted, (2, 6)), rtol=1e-9)
