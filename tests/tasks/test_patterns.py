"""Patterns to be generated: periods, mirrors and means that follow from their formulas."""

import numpy as np
import pytest

from cortex_sim.errors import TaskError
from cortex_sim.tasks._patterns import AMPLITUDE, CHIRP, FAST, HARMONICS, PATTERN_PERIOD, PULSE, SLOW, chirp, periodic

PER = round(PATTERN_PERIOD / 0.01)


def test_the_periodic_pattern_repeats_and_has_the_power_of_its_four_sines() -> None:
    wave = periodic(3).wanted.rate[0, :, 0]
    np.testing.assert_allclose(wave[:PER], wave[PER : 2 * PER], atol=1e-12)
    np.testing.assert_allclose(periodic(1, first=5).wanted.rate[0, :, 0], wave[:PER], atol=1e-11)
    power = np.abs(np.fft.rfft(wave[:PER]) / PER) * 2
    for number in range(1, 20):
        assert power[number] == pytest.approx(AMPLITUDE * HARMONICS.get(number, 0.0), abs=1e-12)
    assert wave[:PER].mean() == pytest.approx(0, abs=1e-12) and wave[0] == 0


def test_the_chirp_is_its_own_mirror_and_as_fast_as_it_says() -> None:
    task = chirp()
    wave, since = task.wanted.rate[0, :, 0], task.time - PULSE
    assert not wave[since < -1e-9].any() and task.mask is not None
    np.testing.assert_array_equal(task.mask[0] > 0, since > -1e-9)
    sounding = wave[since > -1e-9]
    np.testing.assert_allclose(sounding[1:], sounding[:0:-1], atol=1e-9)
    up = np.flatnonzero((sounding[:-1] < 0) & (sounding[1:] >= 0)) * 0.01
    half = up[up < CHIRP / 2]
    middle = (half[1:] + half[:-1]) / 2
    np.testing.assert_allclose(1 / np.diff(half), SLOW + (FAST - SLOW) * middle / (CHIRP / 2), rtol=0.02)
    assert task.channels is not None
    heard = task.channels.values[0, :, 0]
    assert heard.sum() == round(PULSE / 0.001) and heard[: round(PULSE / 0.001)].all()


def test_no_period_is_no_pattern() -> None:
    with pytest.raises(TaskError, match="periodic: periods 0 should be at least 1"):
        periodic(0)
