"""Preparation and movement of planted activity: what is hidden from muscles is found, and silent muscles hear nothing of preparation."""

import numpy as np
import pytest

from cortex_sim.analysis._epochs import Epochs
from cortex_sim.analysis._subspaces import silent_part
from cortex_sim.comparison import driven_by_few, white_samples
from cortex_sim.trials import Trials

WINDOWS = ((-0.1, 0.0), (0.0, 0.1))
RNG = np.random.default_rng(0)
ERROR = np.sqrt(4 * 2 / (3 * 10 * 19))  # relative standard error of a ratio of four variances, each over 3 directions, 10 bins and 20 conditions


def test_silent_muscles_do_not_hear_preparation_and_are_otherwise_the_same() -> None:
    axes = np.linalg.qr(RNG.standard_normal((30, 30)))[0]
    before = RNG.standard_normal((5, 10, 4)) @ axes[:, :4].T
    weights = RNG.standard_normal((30, 3))
    silent = silent_part(weights, before, axes=4)
    np.testing.assert_allclose(before @ silent, 0, atol=1e-12)
    np.testing.assert_allclose(axes[:, 4:].T @ silent, axes[:, 4:].T @ weights, atol=1e-12)


def test_epochs_are_cut_where_they_should_be_and_selected_alike() -> None:
    rate = RNG.uniform(0, 20, (6, 20, 12))
    trials = Trials.from_arrays(rate, 0.01 * np.arange(-10, 10))
    weights = {"random": RNG.standard_normal((12, 3))}
    epochs = Epochs.driving(trials, WINDOWS, weights)
    scale = np.ptp(rate, axis=(0, 1)) + 0.2 * np.median(np.ptp(rate, axis=(0, 1)))
    np.testing.assert_allclose(epochs.together, (rate - rate.mean(axis=0)) / scale, atol=1e-12)
    np.testing.assert_allclose(epochs.rates, rate[:, 10:] / scale, rtol=1e-12)
    np.testing.assert_allclose(epochs.muscles["random"], (rate - rate.mean(axis=0)) @ weights["random"], atol=1e-11)
    assert epochs.select(np.array([4, 1])).movement.tolist() == epochs.movement[[4, 1]].tolist()


def test_what_is_hidden_from_muscles_is_found_by_either_regression_where_both_epochs_share_their_axes() -> None:
    axes = np.linalg.qr(RNG.standard_normal((40, 6)))[0]
    before, after = (white_samples(RNG, axes * np.sqrt([1, 1, 1, hidden, hidden, hidden]), samples=200).reshape(20, 10, 40) for hidden in (9, 1))
    outputs = np.concatenate([before, after], axis=1) @ axes[:, :3]
    epochs = Epochs(before, after, {"planted": outputs}, after, np.ones(40))
    for alone in (False, True):
        assert epochs.hidden("planted", alone=alone) == pytest.approx(9, rel=3 * ERROR)
        chance = epochs.hidden_by_chance("planted", rng=np.random.default_rng(1), draws=50, alone=alone)
        assert chance.max() < 9 and np.median(chance) == pytest.approx(1, abs=0.5)


def test_muscles_of_chance_are_those_of_the_regression_itself() -> None:
    """Each is found among the six axes alone, and would be found among all units."""
    rate = RNG.uniform(0, 20, (6, 20, 12))
    epochs = Epochs.driving(Trials.from_arrays(rate, 0.01 * np.arange(-10, 10)), WINDOWS, {"random": RNG.standard_normal((12, 4))})
    for how in ({}, {"alone": True, "ridge": 0.1}):
        chance = epochs.hidden_by_chance("random", rng=np.random.default_rng(2), draws=2, **how)
        rng = np.random.default_rng(2)
        again = [
            Epochs.driving(Trials.from_arrays(rate, 0.01 * np.arange(-10, 10)), WINDOWS, {"made": rng.standard_normal((12, 4))}) for _ in range(2)
        ]
        np.testing.assert_allclose(chance, [one.hidden("made", **how) for one in again], rtol=1e-9)  # type: ignore[arg-type]


def test_white_samples_are_white_and_outputs_have_their_drivers() -> None:
    columns = np.linalg.qr(RNG.standard_normal((8, 3)))[0] * np.array([1.0, 2.0, 3.0])
    found = white_samples(RNG, columns, samples=50)
    np.testing.assert_allclose(found.T @ found, columns @ columns.T, atol=1e-12)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    weights = driven_by_few(RNG, units=30, outputs=4, drivers=7)
    assert ((weights != 0).sum(axis=0) == 7).all() and driven_by_few(RNG, units=3, outputs=2, drivers=7).all()
