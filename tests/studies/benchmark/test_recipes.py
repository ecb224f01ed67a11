"""What experiments give, and networks that are constrained, against what is planted or follows from the equations."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.cards import load
from cortex_sim.cards.edit import with_values
from cortex_sim.errors import OptionError
from cortex_sim.simulation import rate_of, recurrent_projections, simulate, time_constant
from cortex_sim.studies.benchmark._circuits import Drawn, Place, redrawn
from cortex_sim.studies.benchmark._experiments import MOVED, Laboratory, Recipe
from cortex_sim.studies.benchmark._pupils import ALONE, RIDGE, rnn
from cortex_sim.studies.benchmark._pushed import LEADING, OFF, ONE, Battery, run
from cortex_sim.studies.benchmark._recipes import (
    Ablation,
    circuits_of,
    gained,
    hissing,
    impossible,
    network,
    pruned,
    taught_one,
    types_of,
    up_to_gains,
)
from cortex_sim.tasks import free_run

UNITS = 12
PLAIN = Recipe(states=6, repeats=4)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return circuits_of(with_values(load("sompolinsky_1988"), {"tau": 100.0}), UNITS, circuits=1, each=1, seed=0)[0, 0]


@pytest.fixture(scope="module")
def laboratory(drawn: Drawn) -> Laboratory:
    return Laboratory.of(drawn)


def test_without_noise_every_trial_is_what_the_circuit_does(drawn: Drawn) -> None:
    side = Laboratory(drawn, 0.0).teaches(replace(PLAIN, single=True))
    exact = simulate(drawn.model, side.task).rate
    np.testing.assert_allclose(side.trials.rate, exact, atol=1e-9 * np.abs(exact).max())
    assert side.task.trials == PLAIN.trials and (np.unique(side.task.condition, return_counts=True)[1] == PLAIN.repeats).all()


def test_averages_are_those_of_the_single_trials_and_single_trials_start_as_they_were_seen(laboratory: Laboratory) -> None:
    single, average = (laboratory.teaches(replace(PLAIN, single=each)) for each in (True, False))
    apart = single.trials.rate.reshape(PLAIN.states, PLAIN.repeats, *single.trials.rate.shape[1:])
    np.testing.assert_allclose(average.trials.rate, apart.mean(axis=1), atol=1e-12)
    assert apart.std(axis=1)[:, 1:].min() > 0
    seen = laboratory.teaches(replace(PLAIN, single=True, spikes=True))
    np.testing.assert_array_equal(seen.task.initial, seen.trials.rate[:, 0])
    assert not np.allclose(seen.trials.rate, single.trials.rate)


def test_more_trials_than_are_simulated_at_a_time_are_all_counted(laboratory: Laboratory) -> None:
    recipe = Recipe(states=2, repeats=23)
    exact = laboratory.reaches("taught", 2).trials.rate
    spread = [np.abs(laboratory.teaches(replace(recipe, repeats=count)).trials.rate - exact).mean() for count in (1, 23)]
    assert 0 < spread[1] < 0.5 * spread[0]  # by 1/sqrt(23) = 0.21 on average


def test_a_push_at_a_site_moves_the_circuit_as_far_as_the_network_is_told(drawn: Drawn) -> None:
    laboratory, recipe = Laboratory(drawn, 0.0), replace(PLAIN, sites=2, repeats=1)
    side, quiet = laboratory.teaches(recipe), laboratory.teaches(replace(PLAIN, repeats=1))
    told = side.task.drives[-1].pattern
    assert (np.count_nonzero(told, axis=1) == [0, 1, 0, 1, 0, 1]).all() and len(np.unique(np.nonzero(told)[1])) == 2
    assert set(np.sign(told[np.nonzero(told)])) == {1.0, -1.0}  # three pushes at two sites: one of them either way
    np.testing.assert_array_equal(side.trials.rate[::2], quiet.trials.rate[::2])
    spread, tau = np.median(quiet.trials.rate.std(axis=(0, 1))), np.median(time_constant(drawn.model))
    np.testing.assert_allclose(np.abs(told[np.nonzero(told)]) * 0.02 / tau, MOVED * spread)
    moved, first = side.trials.rate - quiet.trials.rate, int(np.searchsorted(side.trials.time, 0.11 - 1e-9))
    assert (np.abs(moved[1::2, first]).argmax(axis=1) == np.nonzero(told)[1]).all()  # before others hear of it
    assert (np.sign(moved[:, first][np.nonzero(told)]) == np.sign(told[np.nonzero(told)])).all()


def test_kinds_of_push_are_drawn_alike_whichever_others_are_asked_for(drawn: Drawn) -> None:
    training, test = Laboratory(drawn, 0.0).reaches("taught", 6), Laboratory(drawn, 0.0).reaches("asked", 2)
    one, more = (Battery.of(drawn, training.trials.rate, test, 2, kinds) for kinds in ((OFF,), (LEADING, OFF, ONE)))
    assert set(one.tasks) == {OFF} and set(more.true) == {LEADING, OFF, ONE} and one.with_gains(drawn.model) == []
    for a, b in zip(one.true[OFF], more.true[OFF], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_dale_holds_for_types_in_any_order_of_the_units(drawn: Drawn) -> None:
    rng = np.random.default_rng(0)
    planted = rng.permutation(np.repeat([1.0, -1.0], [7, 5]))
    J = np.abs(rng.standard_normal((UNITS, UNITS))) * planted / np.sqrt(UNITS)
    mixed = replace(drawn, model=drawn.model.with_arrays({"J": J}), other=J)
    types = types_of(mixed)
    assert types is not None
    np.testing.assert_array_equal(types, planted)
    side = Laboratory(mixed, 0.0).teaches(Recipe(states=12, repeats=1, network="types"))
    found = network(Recipe(12, 1, network="types"), side, mixed, epochs=1)
    signed = found.arrays()["W"] * types
    assert (signed >= 0).all() and signed.any()
    copy, plain = run(found, side.task).rate, side.trials.rate
    np.testing.assert_allclose(copy[:, 0], plain[:, 0], atol=1e-9)  # each unit starts as its own neuron
    assert ((copy - plain) ** 2).sum() < 0.5 * ((plain - plain.mean(axis=(0, 1))) ** 2).sum()


def test_pruning_keeps_the_largest_weights() -> None:
    model = rnn("leaky_tanh").with_arrays({}, units=UNITS, observed=UNITS)
    W, kept = model.arrays()["W"], pruned(model, 0.25).arrays()["W"]
    assert (kept != 0).sum() == UNITS**2 // 4 and np.abs(W[kept == 0]).max() < np.abs(kept[kept != 0]).min()
    np.testing.assert_array_equal(kept[kept != 0], W[kept != 0])


def test_gains_of_one_and_noise_of_none_change_nothing(drawn: Drawn) -> None:
    rng, model = np.random.default_rng(0), rnn("leaky_tanh").with_arrays({}, units=UNITS, observed=UNITS)
    task = free_run(0.5 * rng.standard_normal((3, UNITS)), 0.2)
    whole = model.with_arrays({"C": 3 * np.eye(UNITS)})
    hissed = hissing(whole)
    quiet = hissed.with_arrays({}, parameters={n: p.model_dump() | ({"value": 0} if n == "sigma" else {}) for n, p in hissed.parameters.items()})
    np.testing.assert_array_equal(run(quiet, task).rate, run(whole, task).rate)
    assert not np.allclose(run(hissed, task).rate, run(whole, task).rate)
    fine = gained(whole)
    same = whole.with_arrays({}, dt=fine.dt.model_dump())
    np.testing.assert_allclose(run(fine, task).rate, run(same, task).rate, atol=1e-12)
    scale = rng.uniform(1, 5, UNITS)
    known = up_to_gains(model.with_arrays({"C": np.diag(scale)}), drawn).arrays()["W"] * scale[:, None] / scale / drawn.model.arrays()["J"]
    np.testing.assert_allclose(known, np.broadcast_to(known[:, :1], known.shape))  # in the circuit's units, one factor a row
    assert known.std() > 0


@pytest.mark.long
def test_own_equations_taught_all_states_answer_pushes_and_controls_do_not(drawn: Drawn) -> None:
    recipes = {"own": Recipe(30, 1, wide=True, noise=False, network="own"), "connectome": Recipe(30, 1, noise=False, network="own connectome")}
    found = taught_one(drawn, Ablation(recipes, 10, 3, 2, 4))
    assert found.names == (*recipes, ALONE, RIDGE)
    for kind in (LEADING, OFF):
        own, connectome, alone, ridge = found.truths[kind]
        assert own > 0.9 and connectome > 0.9 > alone and ridge == 0


def test_what_a_recipe_cannot_be_is_said(drawn: Drawn) -> None:
    assert impossible(replace(PLAIN, network="types"), drawn) == "its units both excite and inhibit"
    assert impossible(PLAIN, drawn) is None
    with pytest.raises(OptionError, match="3 sites at most"):
        Recipe(states=6, repeats=1, sites=4)
    with pytest.raises(OptionError, match=r"Recipe\.states: should be 2 or more \(got 1\)"):
        Recipe(states=1, repeats=1)
    with pytest.raises(OptionError, match="one recurrent projection, which a rule draws anew"):
        circuits_of(load("gru"), UNITS, circuits=1, each=1, seed=0)


def test_circuits_and_seeds_share_nothing_that_is_random() -> None:
    cells = circuits_of(load("sompolinsky_1988"), UNITS, circuits=2, each=2, seed=0)
    assert len({drawn.place.seed for drawn in cells.values()}) == 4
    assert np.array_equal(cells[0, 0].model.arrays()["J"], cells[0, 1].model.arrays()["J"])
    assert not np.allclose(cells[0, 0].model.arrays()["J"], cells[1, 0].model.arrays()["J"])
    assert rate_of(cells[0, 0].model, np.zeros((1, UNITS)), cells[0, 0].model.arrays()).shape == (1, UNITS)


def test_circuits_with_weights_of_their_own_are_drawn_anew() -> None:
    card = load("sompolinsky_1988").with_arrays({}, units=12)
    (name,) = recurrent_projections(card)
    given = card.with_arrays({name: np.eye(12)})
    one, other = (redrawn(given, Place("mine", draw), 12).arrays()[name] for draw in (0, 1))
    assert not np.array_equal(one, other) and not np.array_equal(one, np.eye(12))
    np.testing.assert_array_equal(one, redrawn(card, Place("mine", 0), 12).arrays()[name])
