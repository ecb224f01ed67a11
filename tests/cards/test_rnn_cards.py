"""Cards of artificial networks: each is the network of its paper, remembers as long as it says, and keeps its constraints while it learns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy import ndarray

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import TaskError
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.fitting._training import train
from cortex_sim.simulation._dynamics import rate_of
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.forms._leaky import recurrent_of
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import BIN, Task

TRIALS, BINS, CHANNELS, UNITS, OBSERVED = 3, 16, 3, 12, 4
NAMES = [name for name, path in catalogue.models().items() if path.parent.name == "rnn"]
PUSHED = [name for name in NAMES if any(not item.weights and not item.noise for item in catalogue.load(name).inputs.values())]
SPARSE = {"rule": "sparse_gaussian", "arguments": {"gain": {"value": 1, "meaning": "g"}, "density": {"value": 0.4, "meaning": "p"}}}
VARIANTS: dict[str, dict[str, Any]] = {
    "no self-connections": {"self_connections": False}, "rank 2": {"rank": 2}, "Dale without zeros": {"excitatory": 0.75, "self_connections": False},
    "Dale, sparse": {"excitatory": 0.75, "keep_zeros": True, **SPARSE},
    "Dale, sparse, no self-connections": {"excitatory": 0.75, "keep_zeros": True, "self_connections": False, **SPARSE},
}  # fmt: skip
CONSTRAINED = [
    (name, label) for name in NAMES for label, p in catalogue.load(name).projections.items()
    if p.learn and (p.rank or p.keep_zeros or not p.self_connections or p.excitatory is not None)
] + [(variant, "W") for variant in VARIANTS]  # fmt: skip


def sized(name: str, units: int = UNITS, observed: int = OBSERVED) -> Model:
    """A card with few units and its own connectivity; per-unit parameters differ from unit to unit."""
    card = catalogue.load("leaky_readout" if name in VARIANTS else name)
    if name in VARIANTS:
        card = card.with_arrays({}, projections=card.model_dump()["projections"] | {"W": card.projections["W"].model_dump() | VARIANTS[name]})
    observed = units if one_unit_each(card) else observed
    model = card.with_arrays({}, units=units, observed=observed, channels=CHANNELS, seed=1)
    rng = np.random.default_rng(2)
    own = {label: model.size(p.over) for label, p in model.parameters.items() if p.over}
    return model.with_arrays({label: model.arrays()[label] + 0.3 * rng.normal(size=size) for label, size in own.items()})


def asked(values: ndarray | None = None, model: Model | None = None) -> Task:
    """Channels, one value a bin, and where a model is given a push on its outputs."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(TRIALS, BINS, CHANNELS)) if values is None else values
    channels = xr.DataArray(values.repeat(10, axis=1), dims=("trial", "step", "channel"))
    task = Task("random", 0.0, values.shape[1] * BIN, np.arange(len(values)), channels=channels)
    if model is None:
        return task
    return replace(task, drives=(Drive(rng.normal(size=(TRIALS, model.size("observed"))), (np.arange(10 * BINS) >= 40).astype(float), "push"),))


def heard(task: Task) -> ndarray:
    assert task.channels is not None
    return np.asarray(task.channels.values[:, ::10])


def logistic(x: ndarray) -> ndarray:
    return 1 / (1 + np.exp(-x))


# the same numbers in Brian2 and in torch


@pytest.mark.parametrize("name", [*NAMES, *VARIANTS])
def test_a_card_hears_its_channels_in_torch_as_in_brian2(name: str) -> None:
    model = sized(name)
    brian, twin = (simulate(model, asked(), seed=3, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12 * max(1.0, np.abs(brian).max()))
    deaf = simulate(model, asked(np.zeros((TRIALS, BINS, CHANNELS))), seed=3).rate
    assert np.abs(brian - deaf).max() > 0.05 or not model.arrays()[model.readout.weights].any()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", PUSHED)
def test_a_card_is_pushed_in_torch_as_in_brian2(name: str) -> None:
    model = sized(name)
    if model.readout:
        model = model.with_arrays({model.readout.weights: np.eye(model.size("observed"), UNITS)})
    pushed = asked(model=model)
    brian, twin = (simulate(model, pushed, seed=3, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(twin, brian, rtol=0, atol=1e-12 * max(1.0, np.abs(brian).max()))
    assert np.abs(brian - simulate(model, asked(), seed=3).rate).max() > 0.01


# published equations


def test_the_lstm_is_torchs_own() -> None:
    model, task = sized("lstm"), asked()
    arrays = {name: torch.tensor(array) for name, array in model.arrays().items()}
    published = torch.nn.LSTM(CHANNELS, UNITS, batch_first=True, dtype=torch.float64)
    for part, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
        getattr(published, f"{part}_l0").data = torch.cat([arrays[f"{letter}_{gate}"] for gate in "ifgo"])
    published.bias_hh_l0.data.zero_()
    hidden = published(torch.tensor(heard(task)))[0].detach()
    states = torch.cat([torch.zeros(TRIALS, 1, UNITS, dtype=torch.float64), hidden[:, :-1]], dim=1)  # a rate that is a state is that of before
    np.testing.assert_allclose(simulate(model, task).rate, (states @ arrays["C"].T + arrays["d"]).numpy(), rtol=0, atol=1e-13)


def test_forget_gates_start_open() -> None:
    arrays = catalogue.load("lstm").arrays()
    assert (arrays["b_f"] == 1).all() and not arrays["b_i"].any() and not arrays["b_o"].any()


def test_the_elman_network_is_its_published_equations_in_a_loop() -> None:
    model, task = sized("elman_1990"), asked()
    a, h, wanted = model.arrays(), np.zeros((TRIALS, UNITS)), []
    for x in np.moveaxis(heard(task), 1, 0):
        h = logistic(x @ a["W_hx"].T + h @ a["W_hh"].T + a["b_h"])
        wanted.append(h @ a["W_hy"].T + a["b_y"])
    np.testing.assert_allclose(simulate(model, task).rate, np.stack(wanted, axis=1), rtol=0, atol=1e-13)


def test_the_two_tap_network_is_its_equations_in_a_loop() -> None:
    model, task = sized("two_tap"), asked()
    a, carried, wanted = model.arrays(), np.zeros((TRIALS, UNITS)), []
    for x in np.moveaxis(heard(task), 1, 0):
        h = logistic(x @ a["W_hx"].T + carried @ a["W_ha"].T + a["b_h"])
        carried = x @ a["W_ax"].T + a["b_a"]
        wanted.append(h @ a["W_ay"].T + a["b_y"])
    np.testing.assert_allclose(simulate(model, task).rate, np.stack(wanted, axis=1), rtol=0, atol=1e-13)


def test_the_spiking_student_is_its_equations_in_a_loop_and_silent_below_threshold() -> None:
    model, task = sized("lif_student"), asked()
    a, v, r, wanted, spikes = model.arrays(), np.zeros((TRIALS, UNITS)), np.zeros((TRIALS, UNITS)), [], 0.0
    for x in np.moveaxis(heard(task), 1, 0):
        wanted.append(r @ a["C"].T + a["d"])
        for _ in range(5):  # steps of 2 ms
            z = (v > 1).astype(float)
            v, r = v + 0.1 * (-v + r @ a["W"].T + x @ a["W_in"].T + a["b"]) - z, r * (1 - 0.04) + z
            spikes += z.sum()
    wanted = wanted[:BINS]
    assert spikes > 100
    np.testing.assert_allclose(simulate(model, task).rate, np.stack(wanted, axis=1), rtol=0, atol=1e-12)
    quiet = model.with_arrays({"b": np.full(UNITS, 1.0), "C": np.eye(OBSERVED, UNITS), "d": np.zeros(OBSERVED)})
    still = asked(np.zeros((1, 100, CHANNELS)))
    assert not simulate(quiet, still).rate.any()  # v approaches 1 and never passes it
    assert simulate(quiet.with_arrays({"b": np.full(UNITS, 1.05)}), still).rate.any()


def test_softplus_neither_overflows_nor_loses_digits() -> None:
    x = np.array([-700.0, -40.0, -1.0, 0.0, 1e-9, 2.0, 40.0, 700.0])
    found = rate_of(catalogue.load("leaky_softplus").with_arrays({}, units=len(x)), x)
    np.testing.assert_allclose(found, np.logaddexp(0, x), rtol=1e-15)


@pytest.mark.parametrize(("name", "recurrent"), [("leaky_relu", "W"), ("leaky_softplus", "W"), ("leaky_retanh", "W"), ("leaky_sparse", "W"),
                                                 ("leaky_noise", "W"), ("sussillo_2015", "J"), ("michaels_2020", "W"), ("elman_1990", None),
                                                 ("mastrogiuseppe_2018", None), ("lif_student", None), ("lstm", None)])  # fmt: skip
def test_rules_for_leaky_networks_know_which_cards_are_leaky(name: str, recurrent: str | None) -> None:
    assert recurrent_of(sized(name)) == recurrent


# memory


def reach(name: str) -> list[int]:
    """How many bins back an input is still heard: which inputs change the last output by more than round-off, to which a state is forgotten."""
    model, values = sized(name), np.random.default_rng(5).normal(size=(1, BINS, CHANNELS))
    changed = np.repeat(values, BINS + 1, axis=0)
    changed[np.arange(BINS), np.arange(BINS)] += 1.0
    last = simulate(model, asked(changed)).rate[:, -1]
    return [BINS - 1 - moment for moment in range(BINS) if np.abs(last[moment] - last[-1]).max() > 1e-14][::-1]


@pytest.mark.parametrize(
    ("name", "lags"),
    [
        ("feedforward", [0]),
        ("two_tap", [0, 1]),
        ("temporal_convolution", list(range(10))),
        ("elman_1990", list(range(BINS))),
        ("lstm", list(range(1, BINS))),  # a rate that is a state has not heard the input of its own bin
    ],
)
def test_a_network_hears_exactly_as_far_back_as_it_says(name: str, lags: list[int]) -> None:
    assert reach(name) == lags


@pytest.mark.parametrize("name", ["feedforward", "temporal_convolution"])
def test_a_network_without_recurrence_forgets_to_the_last_bit(name: str) -> None:
    values = heard(asked())
    other = values.copy()
    other[:, : BINS - 10] += 1.0
    assert np.array_equal(simulate(sized(name), asked(values)).rate[:, -1], simulate(sized(name), asked(other)).rate[:, -1])


def test_taps_and_spacing_set_the_window_of_the_temporal_convolution() -> None:
    model = sized("temporal_convolution")
    wide = model.with_arrays({}, taps=3, spacing=model.spacing.model_copy(update={"value": 40.0}).model_dump())  # type: ignore[union-attr]
    a, u, wanted = wide.arrays(), heard(asked()), np.zeros((TRIALS, BINS, UNITS))
    for tap, W in enumerate(np.split(a["W_in"], 3, axis=1)):
        wanted[:, 4 * tap :] += u[:, : BINS - 4 * tap] @ W.T
    wanted = np.tanh(wanted + a["b"]) @ a["C"].T + a["d"]
    np.testing.assert_allclose(simulate(wide, asked()).rate, wanted, rtol=0, atol=1e-13)


# modules, noise and low rank


def test_without_connections_between_modules_the_muscles_hear_nothing_but_hold() -> None:
    model = sized("michaels_2020")
    W, third = model.arrays()["W"], UNITS // 3
    apart = model.with_arrays({"W": W * np.kron(np.eye(3), np.ones((third, third)))})
    other = heard(asked()).copy()
    other[:, :, :-1] += 1.0
    released = heard(asked()).copy()
    released[:, :, -1] += 1.0
    same, moved = (simulate(apart, asked(values)).rate for values in (other, released))
    assert np.array_equal(same, simulate(apart, asked()).rate) and not np.allclose(moved, same, atol=1e-3)
    chain = np.kron(np.eye(3, k=-1) + np.eye(3), np.ones((third, third)))  # upwards only, all pairs connected
    joined = apart.with_arrays({"W": chain * np.random.default_rng(0).normal(size=chain.shape)})
    assert not np.allclose(simulate(joined, asked(other)).rate, simulate(joined, asked()).rate, atol=1e-3)


def test_noise_alone_has_the_covariance_that_its_mixture_gives() -> None:
    rng, trials = np.random.default_rng(3), 4000
    B = np.outer(rng.normal(size=4), [0.6, 0.8, 0.0, 0.0]) + np.outer(rng.normal(size=4), [0.0, 0.0, 1.0, 0.0])  # two directions
    silent = {"W": np.zeros((4, 4)), "C": np.eye(4), "B": B}
    model = catalogue.load("leaky_noise").with_arrays(silent, units=4, observed=4)
    x = np.arctanh(simulate(model, Task("rest", 0.0, 0.3, np.arange(trials))).rate[:, -1])
    left, settled = 0.8, 1 - 0.8 ** (2 * 29)  # of a state after a step of dt/tau = 1/5; how near the variance is to its limit after 29
    wanted = 0.1**2 * (2 * 0.2) / (1 - left**2) * settled * B @ B.T
    error = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / trials)  # of a covariance of normal numbers
    assert (np.abs(x.T @ x / trials - wanted) < 5 * error).all()
    assert np.linalg.matrix_rank(x, tol=1e-9) == 2


def mean_field(g: float, mean_m: float, mean_n: float) -> float:
    """Overlap kappa of Mastrogiuseppe & Ostojic (2018) without variance of m: the fixed point of its two equations, from above."""
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    weight, kappa, variance = weight / weight.sum(), 3.0, 1.0
    for _ in range(2000):
        rates = np.tanh(mean_m * kappa + np.sqrt(variance) * z)
        kappa, variance = mean_n * float(weight @ rates), g**2 * float(weight @ rates**2)
    return kappa


@pytest.mark.parametrize(("g", "mean_m", "mean_n", "kappa"), [(0.8, 1.1, 2.0, 1.831), (0.5, 1.0, 0.8, 0.0)])
def test_the_low_rank_network_settles_where_mean_field_theory_says(g: float, mean_m: float, mean_n: float, kappa: float) -> None:
    theory, units = mean_field(g, mean_m, mean_n), 1500
    assert theory == pytest.approx(kappa, abs=1e-3)
    card = catalogue.load("mastrogiuseppe_2018")
    projections = card.model_dump()["projections"]
    projections["J"]["arguments"]["gain"]["value"] = g
    projections["P"]["arguments"]["mean_m"]["value"], projections["P"]["arguments"]["mean_n"]["value"] = mean_m, mean_n
    model = card.with_arrays({}, projections=projections, units=units, channels=1)
    n = model.arrays()["P"][:1] * units / mean_m  # m is mean_m everywhere
    model = model.with_arrays({"C": n / units, "W_in": np.ones((units, 1))})
    kick = (np.arange(200) < 20).astype(float)[None, :, None]
    found = simulate(model, asked(kick), backend="brian").rate[0, :, 0]
    assert found[-1] == pytest.approx(theory, rel=0.05, abs=0.05) and found[:20].max() > 0.3


# constraints


class Steps(list[dict[str, ndarray]]):
    """The weights after every epoch, which is one step of the optimiser."""

    def keep(self, course: TrainingHistory, loss: float, validation: float, arrays: dict[str, ndarray]) -> None:
        course.train.append(loss)
        course.validation.append(validation)
        self.append(arrays)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize(("name", "label"), CONSTRAINED)
def test_constraints_hold_after_every_step_of_every_optimiser(name: str, label: str, optimiser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, model = Steps(), sized(name)
    monkeypatch.setattr(TrainingHistory, "keep", lambda course, *given, named: steps.keep(course, *given))
    wanted = 3 * np.random.default_rng(4).normal(size=(TRIALS, BINS, model.size("observed")))
    training = TrainingData(asked(), wanted, np.ones(model.size("observed")))
    options = Options(epochs=8, rate=0.2, weight_decay=0.1, optimiser=optimiser, start="rest", patience=9)  # type: ignore[arg-type]
    train(model, training, training, options=options, seed=0)
    before, part = model.arrays()[label], model.projections[label]
    assert len(steps) == 8 and not any(np.allclose(arrays[label], before, atol=1e-3) for arrays in steps)
    for arrays in [{label: before}, *steps]:
        W = arrays[label]
        assert np.isfinite(W).all()
        if part.keep_zeros:
            assert np.array_equal(W == 0, before == 0)
        if not part.self_connections:
            assert not np.diag(W).any()
        if part.excitatory is not None:
            assert (W * model.signs(label) >= 0).all()
        if part.rank:
            singular = np.linalg.svd(W, compute_uv=False)
            assert singular[part.rank] < 1e-6 * singular[0]


# learning


@pytest.mark.parametrize("name", ["elman_1990", "two_tap"])
def test_a_network_that_rates_do_not_start_says_how_to_teach_it(name: str) -> None:
    task = replace(asked(), initial=np.ones((TRIALS, OBSERVED)))
    with pytest.raises(TaskError, match=rf"^{name}: rates do not follow from the state alone, .* Give the task no initial rates; .* start='rest'\.$"):
        simulate(sized(name), task)


def follow() -> Task:
    """Put out two of the channels, which stay what they are, turned by 45 degrees, once 100 ms have passed."""
    values = np.random.default_rng(6).normal(size=(16, 1, CHANNELS)).repeat(BINS, axis=1)
    turned = values[:, :, :2] @ np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)
    mask = np.broadcast_to(np.arange(BINS) >= 10, (16, BINS)).astype(float)
    return replace(asked(values), targets=xr.DataArray(turned, dims=("trial", "time", "axis")), mask=mask)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in ("lif_student", "michaels_2020") else ())
        for name in NAMES
        if not one_unit_each(catalogue.load(name))
    ],
)  # whose units are the outputs
def test_a_network_learns_by_default_from_rest(name: str) -> None:
    units, epochs = (60, 200) if name == "michaels_2020" else (20, 60)  # through two sparse joints between modules
    model = catalogue.load(name).with_arrays({}, units=units, observed=2, channels=CHANNELS)
    task = follow()
    training = TrainingData(task, task.wanted.rate, np.ones(2))
    course = train(model, training, training, options=Options(epochs=epochs, rate=2e-2, start="rest", patience=epochs), seed=0)
    assert course.best < 0.1  # 1 is the error of the mean
