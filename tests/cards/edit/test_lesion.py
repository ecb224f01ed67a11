"""A gain makes the rate of every unit steeper and changes nothing else, on every card whose rate is a function of a unit's own state."""

import numpy as np
import pytest

from cortex_sim import load
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards.edit import with_gain
from cortex_sim.errors import OptionError
from cortex_sim.simulation import rate_of
from cortex_sim.simulation._dynamics import flow

UNITS = 6
CARDS = sorted(name for name, path in catalogue.models().items() if path.parent.name in ("rate", "rnn"))
REFUSED = {  # and why: the rate is a state, follows no state, or follows states of other units
    "dura_bernal_2023", "montbrio_2015", "ostrow_2023", "wilson_cowan_1972",
    "gru", "lstm", "lif_student", "feedforward", "temporal_convolution", "elman_1990", "two_tap",
}  # fmt: skip
SHARED = {  # lines that the dynamics reads as well as the rate; a line between; one that reads another
    "shared": "dh/dt = (-y + J(r) + drive(t, i))/tau : 1\ny = h - 1 : 1\nr = tanh(y) : 1 (constant over dt)",
    "deeper": "dh/dt = (-z + J(r) + drive(t, i))/tau : 1\ny = h - 1 : 1\nz = y + h : 1\nr = tanh(z + y) : 1 (constant over dt)",
    "half": "dh/dt = (-y + J(r) + drive(t, i))/tau : 1\nr = tanh(z) : 1 (constant over dt)\nz = 2*y : 1\ny = h - 1 : 1",
}


def card(name: str) -> Model:
    if name in SHARED:
        return load("sompolinsky_1988").with_arrays({}, units=UNITS, equations=SHARED[name])
    return load(name)


def states(model: Model) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, model.dimension)) * (10.0 if model.parsed.equations[model.rate].unit == "Hz" else 1.0)


def fixed(model: Model) -> dict[str, np.ndarray | float]:
    """What every projection and input of the equations delivers, whatever the rates are."""
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=model.units) for name in model.parsed.called()}


def test_the_cards_that_take_no_gain_are_refused_with_the_reason() -> None:
    for name in REFUSED:
        with pytest.raises(OptionError, match="should be a function of one state|a gain needs a rate of each unit's own state"):
            with_gain(load(name), 1.0)


SLOW = {"kao_2021", "kao_2021_loop"}  # one circuit, whose construction takes 8 s


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in SLOW)) for name in (*CARDS, *SHARED) if name not in REFUSED])
def test_a_gain_changes_the_rate_alone_and_a_gain_of_one_nothing(name: str) -> None:
    model = card(name)
    x, gain = states(model), np.random.default_rng(2).uniform(0.5, 2.0, model.units)
    same, steeper, given = with_gain(model, 1.0), with_gain(model, gain), fixed(model)
    np.testing.assert_array_equal(rate_of(same, x), rate_of(model, x))
    np.testing.assert_array_equal(flow(same, same.arrays(), x), flow(model, model.arrays(), x))
    own = np.concatenate([gain, np.ones(model.dimension - model.units)])  # the rate's own state is the first
    np.testing.assert_array_equal(rate_of(steeper, x), rate_of(model, own * x))
    assert (rate_of(steeper, x) != rate_of(model, x)).any()
    np.testing.assert_array_equal(flow(steeper, steeper.arrays(), x, given), flow(model, model.arrays(), x, given))


def test_a_gain_enters_the_dynamics_through_the_rate_where_both_read_one_line() -> None:
    model, g, tau = card("half"), 1.7, load("sompolinsky_1988").parameters["tau"].si
    h, J = states(model)[0], model.arrays()["J"]
    steeper = with_gain(model, g)
    np.testing.assert_allclose(flow(steeper, steeper.arrays(), h), (-(h - 1) + J @ np.tanh(2 * (g * h - 1))) / tau, rtol=1e-12)


def test_names_that_a_gain_would_add_are_refused_if_they_are_taken() -> None:
    with pytest.raises(OptionError, match="'own_gain' is a name that would be added to sompolinsky_1988, which has it already; rename it"):
        with_gain(with_gain(load("sompolinsky_1988"), 2.0), 2.0)
    twice = card("shared").with_arrays({}, equations=SHARED["shared"] + "\ny_of_r = h : 1")
    with pytest.raises(OptionError, match="'y_of_r' is a name that would be added"):
        with_gain(twice, 2.0)
