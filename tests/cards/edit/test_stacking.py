"""A stack is its layers run one after the other, in Brian2, in torch and in NumPy."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy import ndarray

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards._reading import read_card
from cortex_sim.cards.edit._stacking import stacked
from cortex_sim.errors import CardError, OptionError
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._training import train
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import BIN, Task

TRIALS, BINS, CHANNELS, UNITS, OBSERVED = 3, 12, 2, 5, 4
STACKS = ["gru", "lstm", "leaky_readout", "elman_1990", "leaky_noise", "lif_student"]


def task(*, pushed: bool = False) -> Task:
    """Channels that change from bin to bin, and a push."""
    rng = np.random.default_rng(0)
    channels = xr.DataArray(rng.normal(size=(TRIALS, BINS, CHANNELS)).repeat(10, axis=1), dims=("trial", "step", "channel"))
    push = Drive(rng.normal(size=(TRIALS, OBSERVED)), (np.arange(10 * BINS) >= 40).astype(float), "push")
    return Task("random", 0.0, BINS * BIN, np.arange(TRIALS), channels=channels, drives=(push,) if pushed else ())


def stack(name: str, layers: int = 2) -> Model:
    """A stack of a few units with random weights and biases."""
    model = stacked(catalogue.load(name), layers).with_arrays({}, units=UNITS, observed=OBSERVED, channels=CHANNELS)
    rng = np.random.default_rng(1)
    return model.with_arrays({label: array + 0.5 * rng.normal(size=array.shape) for label, array in model.arrays().items()})


def logistic(x: ndarray) -> ndarray:
    return 1 / (1 + np.exp(-x))


def gru(a: dict[str, ndarray], k: int, state: ndarray, heard: ndarray) -> ndarray:
    h = state[0]
    gate = {g: logistic(h @ a[f"U_{g}_{k}"].T + heard @ a[f"W_{g}_{k}"].T + a[f"b_{g}_{k}"]) for g in "zq"}
    n = np.tanh(heard @ a[f"W_n_{k}"].T + a[f"b_n_{k}"] + gate["q"] * (h @ a[f"U_n_{k}"].T + a[f"c_n_{k}"]))
    return np.stack([(1 - gate["z"]) * n + gate["z"] * h])


def lstm(a: dict[str, ndarray], k: int, state: ndarray, heard: ndarray) -> ndarray:
    c, h = state
    i, f, g, o = (h @ a[f"U_{x}_{k}"].T + heard @ a[f"W_{x}_{k}"].T + a[f"b_{x}_{k}"] for x in "ifgo")
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return np.stack([c, logistic(o) * np.tanh(c)])


def leaky(a: dict[str, ndarray], k: int, state: ndarray, heard: ndarray) -> ndarray:
    x = state[0]
    return np.stack([x + 0.2 * (-x + np.tanh(x) @ a[f"W_{k}"].T + heard @ a[f"W_in_{k}"].T + a[f"b_{k}"])])  # dt/tau = 10/50


LOOPS = {"gru": (gru, 1, lambda s: s[0]), "lstm": (lstm, 2, lambda s: s[1]), "leaky_readout": (leaky, 1, lambda s: np.tanh(s[0]))}


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("name", LOOPS)
def test_a_stack_is_its_layers_in_a_loop_each_hearing_the_one_before(name: str, layers: int) -> None:
    model, (step, variables, rate) = stack(name, layers), LOOPS[name]
    a, asked = model.arrays(), task()
    assert asked.channels is not None
    state = [np.zeros((variables, TRIALS, UNITS)) for _ in range(layers)]
    wanted = np.empty((TRIALS, BINS, OBSERVED))
    for now in range(BINS):
        rates = [rate(s) for s in state]
        wanted[:, now] = rates[-1] @ a["C"].T + a["d"]
        heard = [asked.channels.values[:, 10 * now], *rates[:-1]]
        state = [step(a, k + 1, state[k], heard[k]) for k in range(layers)]
    np.testing.assert_allclose(simulate(model, asked).rate, wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())
    assert wanted.std() > 0.1


@pytest.mark.parametrize("pushed", [False, True])
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_runs_in_brian2_as_in_torch(name: str, pushed: bool) -> None:
    model = stack(name)
    brian, twin = (simulate(model, task(pushed=pushed), seed=3, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12 * np.abs(brian).max())
    assert np.abs(np.diff(brian, axis=1)).max() > 0.05


def test_a_stack_is_saved_and_read_as_a_card(tmp_path: Path) -> None:
    model = stack("lstm", 3)
    model.save(tmp_path / "deep.toml")
    found = read_card(tmp_path / "deep.toml")
    assert found.key == model.key and np.array_equal(simulate(found, task()).rate, simulate(model, task()).rate)


def test_one_layer_is_the_model_itself() -> None:
    model = catalogue.load("gru")
    assert stacked(model, 1) is model


def test_a_push_moves_the_last_layer_only_and_channels_the_first() -> None:
    model = stacked(catalogue.load("leaky_readout"), 3)
    lines = {name: line.names for name, line in model.parsed.equations.items()}
    assert [("drive" in lines[f"x_{k}"], "stimulus" in lines[f"x_{k}"]) for k in (1, 2, 3)] == [(False, True), (False, False), (True, False)]
    model = model.with_arrays({}, units=UNITS, observed=OBSERVED, channels=CHANNELS)
    deaf = model.with_arrays({"W_in_3": np.zeros((UNITS, UNITS))})
    assert np.ptp(simulate(deaf, task()).rate) == 0 and np.ptp(simulate(deaf, task(pushed=True)).rate) > 0.05
    assert np.ptp(simulate(model, task()).rate) > 1e-3


def test_noise_is_each_layers_own_and_constants_are_shared() -> None:
    model = stacked(catalogue.load("leaky_noise"), 2)
    assert {name: item.weights for name, item in model.inputs.items() if item.noise} == {"hiss_1": "B_1", "hiss_2": "B_2"}
    assert {"tau", "sigma", "b_1", "b_2"} <= model.parameters.keys() and not {"tau_1", "b"} & model.parameters.keys()
    assert not np.array_equal(model.arrays()["W_1"], model.arrays()["W_2"])
    assert model.initial is None and not {"E", "e"} & {*model.projections, *model.parameters}


def test_a_push_in_a_unit_leaves_no_sum_of_different_units() -> None:
    text = "dx/dt = (-x + W(r) + stimulus(t, i))/tau - 2*drive(t, i)/tau : Hz\nr = x : Hz (constant over dt)"
    card = catalogue.load("leaky_readout").model_dump() | {"equations": text, "parameters": {n: p for n, p in PARAMETERS.items() if n != "b"}}
    card["inputs"] = {name: item | {"unit": "Hz"} for name, item in card["inputs"].items()}
    model = stacked(Model.model_validate(card), 2)
    assert model.parsed.equations["x_1"].expression == "(-x_1 + W_1(r_1) + stimulus(t, i)) / tau"
    sized = model.with_arrays({}, units=UNITS, observed=OBSERVED, channels=CHANNELS)
    brian, twin = (simulate(sized, task(pushed=True), backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12 * np.abs(brian).max())


PARAMETERS = catalogue.load("leaky_readout").model_dump()["parameters"]


def test_layers_are_joined_by_weights_that_learn_even_where_those_of_the_channels_do_not() -> None:
    card = catalogue.load("leaky_readout").model_dump()
    card["projections"]["W_in"] |= {"learn": False}
    joined = stacked(Model.model_validate(card), 2).projections
    assert (joined["W_in_1"].learn, joined["W_in_2"].learn, joined["W_in_2"].columns) == (False, True, "units")


def test_every_layer_of_a_stack_learns_what_another_stack_does() -> None:
    asked, wanted = task(), simulate(stack("gru"), task()).rate
    model = stacked(catalogue.load("gru"), 2).with_arrays({}, units=12, observed=OBSERVED, channels=CHANNELS)
    training = TrainingData(asked, wanted, wanted.std(axis=(0, 1)))
    course = train(model, training, training, options=Options(epochs=80, rate=2e-2, patience=80), seed=0)
    assert course.best < 0.1 * course.train[0]
    assert all(not np.array_equal(array, course.arrays[name]) for name, array in model.arrays().items())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leaky_tanh", r"its units are the observed ones themselves; a stack needs hidden units and a readout\.$"),
        ("hennequin_2014", r"it hears no channels, so a second layer would hear nothing; give it an input with weights\.$"),
        ("temporal_convolution", r"input 'stimulus' hears the past of the channels, which a rate of the layer before does not keep; use a recurrent"),
        ("michaels_2020", r"weights 'W_seen' are of rule 'block', which picks among channels; use one of gaussian, low_rank, sparse_gaussian, uni"),
    ],
)
def test_what_cannot_be_stacked_is_refused_with_the_reason(name: str, message: str) -> None:
    with pytest.raises(CardError, match=f"^{name}: cannot be stacked: {message}"):
        stacked(catalogue.load(name), 2)


def test_trained_models_clashing_names_other_units_and_no_layers_are_refused() -> None:
    card = catalogue.load("leaky_readout")
    with pytest.raises(CardError, match=r"^leaky_readout: cannot be stacked: it has weights of its own already; stack the card, then train\.$"):
        stacked(card.with_arrays({"d": np.zeros(200)}), 2)
    clash = Model.model_validate(card.model_dump() | {"parameters": PARAMETERS | {"W_2": {"value": 1, "meaning": "clash"}}})
    with pytest.raises(CardError, match=r"'W_2' is a name that a layer would need; rename it\.$"):
        stacked(clash, 2)
    inputs = card.model_dump()["inputs"]
    with pytest.raises(CardError, match=r"input 'stimulus' is in 'mV' and the rate that replaces it in '1'; both should be in one unit\.$"):
        other = {"inputs": inputs | {"stimulus": inputs["stimulus"] | {"unit": "mV"}}}
        stacked(Model.model_validate(card.model_dump() | other | {"equations": card.equations.replace("stimulus(t, i)", "stimulus(t, i)/mV")}), 2)
    with pytest.raises(OptionError, match=r"^layers 0 should be 1 or more\.$"):
        stacked(card, 0)
