"""What moves a spiking circuit turns with the direction, and circuits that nothing moves are refused."""

from dataclasses import replace

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.analysis import MIXED, amplified_states, directed_drives, inputs_that_move, turned_spiking_reaches
from cortex_sim.errors import OptionError

DEGREES, SPAN = np.arange(8) * 45.0, (-0.2, 0.3)


@pytest.mark.long
def test_held_states_lie_on_a_circle_in_two_directions() -> None:
    model = cs.load("soc_lif")
    task = turned_spiking_reaches(model, DEGREES, span=SPAN, repeats=3, seed=0)
    assert task.condition.tolist() == np.repeat(DEGREES, 3).tolist() and (task.start, task.stop) == SPAN and task.channels is None
    states = task.drives[0].pattern[::3]
    assert np.linalg.matrix_rank(states, tol=1e-9 * np.abs(states).max()) == 2
    np.testing.assert_allclose(states[:4], -states[4:], atol=1e-9 * np.abs(states).max())  # the opposite direction is the opposite state
    assert np.array_equal(turned_spiking_reaches(model, DEGREES, span=SPAN, repeats=1, seed=0).drives[0].pattern, task.drives[0].pattern[::3])


@pytest.mark.long
def test_amplified_states_have_their_spread() -> None:
    states, time_constant = amplified_states(cs.load("soc_lif"), np.random.default_rng(0).standard_normal((5, MIXED)))
    np.testing.assert_allclose(np.sqrt((states**2).mean(axis=1)), 4.0)
    assert 0.01 < time_constant < 1.0


def test_inputs_before_and_after_the_go_cue_are_tuned_by_a_cosine() -> None:
    model = cs.load("dura_bernal_2023_lif")
    task = turned_spiking_reaches(model, DEGREES, span=SPAN, repeats=2, seed=1)
    before, after = task.drives
    assert (before.into, after.into) == ("premotor", "thalamus") and np.array_equal(before.pattern, after.pattern)
    spectrum = np.abs(np.fft.fft(before.pattern[::2], axis=0))
    np.testing.assert_allclose(spectrum[[0, 1, 7]], np.outer([8.0, 4.0, 4.0], np.ones(model.units)), atol=1e-9)  # 1 + cos(d - p): a mean and one wave
    assert np.abs(spectrum[2:7]).max() < 1e-9
    early = task.fine_time < -1e-9
    assert not after.course[early].any() and not before.course[~early].any() and before.course[early].any()
    turned = directed_drives(replace(task, condition=task.condition + 90.0), np.full(model.units, np.pi / 2))[0].pattern
    np.testing.assert_allclose(turned, 1 + np.cos(np.radians(task.condition))[:, None] * np.ones(model.units), atol=1e-12)


@pytest.mark.parametrize("name", ["brunel_2000", "lif", "rostami_2024"])
def test_a_circuit_that_no_known_input_moves_is_refused(name: str) -> None:
    model = cs.load(name)
    with pytest.raises(
        OptionError, match=rf"^{name}: match needs inputs that move the circuit, 'drive' and 'hold', or 'thalamus' and 'premotor'; it has"
    ):
        inputs_that_move(model)
