"""Networks in discrete time keep their own step, and are stable where the multipliers of a step are inside the unit circle."""

import numpy as np
import pytest

from cortex_sim.analysis._fixed_points import fixed_points
from cortex_sim.analysis._lyapunov import lyapunov
from cortex_sim.analysis._spectrum import spectrum
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._options import Options
from cortex_sim.simulation import flow
from cortex_sim.simulation.torch import linearise
from cortex_sim.tasks._task import Task
from cortex_sim.trials._trials import Trials

RATE_CARDS = [name for name, path in catalogue.models().items() if path.parent.name in ("rate", "rnn")]
MAPS = ["elman_1990", "feedforward", "gru", "lstm", "temporal_convolution", "two_tap"]
STEP = 0.01  # s
SLOW = ("inhibition_stabilised", "stability_optimised")  # rules that take seconds


def small(name: str) -> Model:
    card = catalogue.load(name)
    return card if name in ("montbrio_2015", "ostrow_2023", "murphy_miller_2009") else card.with_arrays({}, channels=0)


def linear_map(A: np.ndarray) -> Model:
    """h <- A h, as a card."""
    part = {"rule": "gaussian", "arguments": {"gain": {"value": 1, "meaning": "gain"}}, "learn": True}
    fields = {
        "name": "map", "kind": "rnn", "title": "map", "paper": "own", "units": len(A), "rate": "h", "equations": "dh/dt = (A(h) - h)/dt : 1",
        "dt": {"value": 10, "unit": "ms", "meaning": "step"}, "projections": {"A": part},
    }  # fmt: skip
    return Model.model_validate(fields).with_arrays({"A": A})


@pytest.mark.parametrize("name", RATE_CARDS)
def test_a_card_is_a_map_where_a_step_changes_its_state_as_much_whatever_the_step(name: str) -> None:
    """The definition, measured: dt f(x; dt) of a map does not depend on dt; of a flow it grows with it."""
    model = small(name)
    built = {label: np.full((model.units, model.units), 0.01) for label, part in model.projections.items() if part.rule in SLOW}
    model = model.with_arrays(built)  # any weights will do
    state = 0.1 + 0.3 * np.random.default_rng(0).random(model.dimension)
    slower = Model.model_validate(model.model_dump() | {"name": "slower", "dt": model.dt.model_dump() | {"value": 2 * model.dt.value}})
    arrays = model.arrays()
    once, twice = (one.dt.si * flow(one, arrays, state) for one in (model, slower))
    assert model.is_map == (name in MAPS) == np.allclose(once, twice, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("A", [np.diag([0.5, -0.9]), np.diag([0.5, -1.2]), 1.356 * np.array([[-0.8, 0.6], [-0.6, -0.8]]), np.diag([0.5, 0.0])])
def test_a_point_of_a_map_is_stable_where_no_multiplier_leaves_the_unit_circle(A: np.ndarray) -> None:
    """Multipliers of modulus above 1 near -1 belong to a slope (mu - 1)/dt with a negative real part, which a flow would call stable."""
    model, multipliers = linear_map(A), np.linalg.eigvals(A)
    visited = np.random.default_rng(0).normal(size=(50, 2))
    (point,) = fixed_points(model, visited, searches=8).fixed
    np.testing.assert_allclose(point.state, 0, atol=1e-9)
    assert point.unstable == (np.abs(multipliers) > 1).sum()
    np.testing.assert_allclose(np.sort(np.exp(point.eigenvalues.real * STEP)), np.sort(np.abs(multipliers)), atol=1e-9)


@pytest.mark.parametrize("name", ["gru", "elman_1990"])
def test_shipped_maps_are_judged_by_one_step_of_theirs(name: str) -> None:
    model = catalogue.load(name).with_arrays({}, units=6, channels=0, seed=4)
    strong = model.with_arrays({key: 6 * array for key, array in model.arrays().items() if key in model.parsed.called()})
    found = fixed_points(strong, np.random.default_rng(1).uniform(-0.9, 0.9, (200, 6)), searches=64).fixed
    assert found
    for point in found:
        multipliers = np.linalg.eigvals(linearise(strong, strong.arrays(), point.state))
        assert point.unstable == (np.abs(multipliers) > 1).sum()


def test_exponents_and_spectra_of_a_map_are_in_one_over_seconds() -> None:
    A = np.diag([-1.05, 0.5, 0.2])
    model, truth = linear_map(A), np.log(np.abs(np.diag(A))) / STEP
    found = lyapunov(model, np.full(3, 1e-3), duration=2.0, transient=1.0, count=3)
    np.testing.assert_allclose(found.values, truth, rtol=1e-6)
    modes = spectrum(model).eigenvalues
    np.testing.assert_allclose(modes.real, truth, rtol=1e-9)
    np.testing.assert_allclose(np.abs(modes.imag), [np.pi / STEP, 0, 0], rtol=1e-9)


@pytest.mark.parametrize("name", MAPS)
def test_a_trained_map_keeps_its_step(name: str) -> None:
    untrained = catalogue.load(name).with_arrays({}, units=6)
    changed = {"dt": {"value": 5, "unit": "ms", "meaning": "step"}}
    assert untrained.with_arrays({}, **changed).dt.si == 0.005
    recurrent = untrained.parsed.called() & untrained.projections.keys()
    trained = untrained.with_arrays({key: array for key, array in untrained.arrays().items() if key in recurrent})
    if recurrent:
        with pytest.raises(CardError, match=rf"^{name}: it is a map with weights trained for steps of 10 ms; steps of 5 ms"):
            trained.with_arrays({}, **changed)
    assert trained.with_arrays({}, dt={"value": 0.01, "unit": "second", "meaning": "step"}).dt.si == 0.01


@pytest.mark.parametrize("name", MAPS)
def test_a_map_has_no_steps_of_a_flow(name: str) -> None:
    with pytest.raises(CardError, match="exponential_euler is for flows; the equations are a map"):
        Model.model_validate(catalogue.load(name).model_dump() | {"integrator": "exponential_euler"})


def test_the_step_of_an_untrained_map_is_chosen_aloud(capfd: pytest.CaptureFixture[str]) -> None:
    asked = Task("short", 0.0, 0.1, np.arange(4), bin=0.005)
    wanted = Trials.from_arrays(np.random.default_rng(0).normal(size=(4, 20, 3)), asked.time)
    fitted = train(catalogue.load("gru").with_arrays({}, units=5), wanted, asked, options=Options(epochs=0))
    assert fitted.model.dt.si == 0.005
    assert "gru: is a map, whose step of 10 ms becomes 5 ms, so that it fits the bins" in capfd.readouterr().err
