"""State space divergence and spectral distance in closed form: Gaussians, autoregressive processes and tones."""

from functools import partial

import numpy as np
import pytest
from scipy.signal import lfilter

import cortex_sim as cs
from cortex_sim.comparison._reconstruction import mixture_divergence, spectral_distance, state_space_divergence
from cortex_sim.errors import ComparisonError, OptionError


def gaussian(seed: int, mean: np.ndarray, sd: np.ndarray, samples: int) -> np.ndarray:
    return (mean + sd * np.random.default_rng(seed).standard_normal((samples, len(mean)))).reshape(-1, 100, len(mean))


@pytest.mark.parametrize(("shift", "sd"), [(0.5, 1.0), (0.0, 0.85), (-0.6, 1.2)])
def test_bins_give_the_divergence_of_gaussians(shift: float, sd: float) -> None:
    """log(s) + (1 + m²)/(2 s²) - 1/2 of N(0, 1) from N(m, s²); thirty bins of 0.3 s.d. lose about a hundredth of it (width² / 12)."""
    a, b = (gaussian(seed, np.array([mean]), np.array([width]), 200_000) for seed, mean, width in ((0, 0.0, 1.0), (1, shift, sd)))
    wanted = np.log(sd) + (1 + shift**2) / (2 * sd**2) - 0.5
    assert state_space_divergence(a, b, axes=1) == pytest.approx(wanted, rel=0.05, abs=2e-3)


def test_bins_of_three_axes_add_what_independent_axes_tell() -> None:
    sd, mean = np.array([2.0, 1.0, 0.5]), np.array([0.4, 0.5, 0.0])
    a, b = (
        gaussian(0, np.zeros(3), np.ones(3) + np.array([0.2, 0.1, 0.0]), 400_000),
        gaussian(1, mean, np.ones(3) + np.array([0.2, 0.1, 0.0]), 400_000),
    )
    wanted = (mean**2 / (2 * np.array([1.2, 1.1, 1.0]) ** 2)).sum()
    assert state_space_divergence(a * sd, b * sd, bins=12) == pytest.approx(wanted, rel=0.08)  # twelve bins of 0.8 s.d.: width²/12 = 5 %, and noise


def test_mixtures_give_the_closed_form_of_smoothed_gaussians() -> None:
    """Kernels of width w make N(m, C) of Gaussian states N(m, C + w²)."""
    shift, width = np.array([0.5, 0.0, 0.0, -0.3]), np.array([1.0, 1.3, 1.0, 1.0])
    a, b = gaussian(2, np.zeros(4), np.ones(4), 2000), gaussian(3, shift, width, 2000)
    S, T = 1 + 1.0**2, width**2 + 1.0**2
    wanted = 0.5 * (np.log(T / S) - 1 + (S + shift**2) / T).sum()
    found = np.mean([mixture_divergence(a, b, axes=4, seed=seed) for seed in range(4)])
    assert found == pytest.approx(wanted, rel=0.25)  # a drawn state lies near the centre that it came from, which adds some


WAYS = {axes: partial(state_space_divergence, axes=axes) for axes in (1, 2, 3)} | {5: partial(mixture_divergence, axes=5, width=0.3)}


@pytest.mark.parametrize("axes", WAYS)
def test_divergence_is_0_for_the_same_states_in_any_order_and_counts_what_leaves_the_reference(axes: int) -> None:
    rng, apart = np.random.default_rng(4), WAYS[axes]
    a, b = rng.standard_normal((30, 20, 8)) * np.linspace(2, 1, 8), rng.standard_normal((20, 20, 8))
    assert apart(a, a) == 0.0
    found = apart(a, b)
    assert found > 0.01 and apart(a[::-1], b[rng.permutation(20)]) == pytest.approx(found, abs=1e-9)
    assert apart(7 * a + 3, 7 * b + 3) == pytest.approx(found, abs=1e-6)
    assert apart(a, b + 100) > 3 * found  # all of it in the outermost bins


def spectrum(phi: float, bins: int) -> np.ndarray:
    """Power of x(t+1) = phi x(t) + noise at the frequencies of so many bins but 0, of sum 1."""
    power = 1 / np.abs(1 - phi * np.exp(-2j * np.pi * np.fft.rfftfreq(bins)[1:])) ** 2
    return power / power.sum()


@pytest.mark.parametrize(("one", "other"), [(0.5, 0.5), (0.5, 0.8), (-0.5, 0.5)])
def test_spectral_distance_is_that_of_autoregressive_processes(one: float, other: float) -> None:
    bins = 256
    sides = [lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal((400, bins + 100, 2)), axis=1)[:, 100:]
             for seed, phi in enumerate((one, other))]  # fmt: skip
    wanted = np.sqrt(1 - np.sqrt(spectrum(one, bins) * spectrum(other, bins)).sum())
    assert spectral_distance(*sides) == pytest.approx(wanted, abs=0.02)  # power of 400 trials: 5 % at each frequency, and 0.05² / 4 of the overlap


def test_spectral_distance_of_tones_is_1_unsmoothed_and_that_of_two_gaussians_smoothed() -> None:
    """Gaussians of width s at a distance d overlap by exp(-d²/8s²)."""
    time, sd = np.arange(200), 3.0
    a, b = (np.cos(2 * np.pi * cycles * time / 200 + np.arange(4)[:, None])[:, :, None] for cycles in (40, 48))
    assert spectral_distance(a, b, smoothed=0.0) == pytest.approx(1.0, abs=1e-6)
    assert spectral_distance(a, b, smoothed=sd) == pytest.approx(np.sqrt(1 - np.exp(-(8**2) / (8 * sd**2))), abs=0.01)  # cut off at 4 s.d.


def test_spectral_distance_ignores_size_mean_sign_and_order_and_counts_a_unit_that_stands_still() -> None:
    rng = np.random.default_rng(5)
    a = rng.standard_normal((6, 40, 3)).cumsum(axis=1)
    b = rng.standard_normal((9, 40, 3))
    found = spectral_distance(a, b)
    assert spectral_distance(a, a) == 0.0 and 0.1 < found < 1
    for one, other in ((a[::-1], b), (5 * a + 2, -b), (a[:, ::-1], b), (b, a)):
        assert spectral_distance(one, other) == pytest.approx(found, abs=1e-9)
    still = a.copy()
    still[:, :, 0] = 4.0
    assert spectral_distance(a, still) == pytest.approx(1 / 3) and spectral_distance(still, still) == 0.0


def test_what_cannot_be_compared_is_refused() -> None:
    a = np.random.default_rng(6).standard_normal((5, 20, 3))
    with pytest.raises(ComparisonError, match=r"^state space divergence: 3 units on one side, 2 on the other; this measure compares unit by unit\.$"):
        state_space_divergence(a, a[:, :, :2])
    with pytest.raises(ComparisonError, match=r"^spectral distance: 3 units on one side, 2"):
        spectral_distance(a, a[:, :, :2])
    with pytest.raises(ComparisonError, match=r"trials of 20 and 9 bins, smoothed by 1; as many bins, at least 4"):
        spectral_distance(a, a[:, :9])
    with pytest.raises(ComparisonError, match="no unit varies in time"):
        spectral_distance(np.ones_like(a), np.ones_like(a))
    with pytest.raises(ComparisonError, match="the reference does not vary"):
        state_space_divergence(np.ones_like(a), a)
    for wrong in ({"axes": 0}, {"axes": 4}, {"bins": 1}):
        with pytest.raises(ComparisonError, match="there should be 1 to 3 axes and 2 bins or more"):
            state_space_divergence(a, a, **wrong)  # type: ignore[arg-type]
    for wrong in ({"axes": 0}, {"width": 0.0}):
        with pytest.raises(ComparisonError, match="there should be an axis at least, and a width above 0"):
            mixture_divergence(a, a, **wrong)  # type: ignore[arg-type]
    broken = a.copy()
    broken[2, 3, 1] = np.nan
    for measure in (cs.measures.state_space_divergence, cs.measures.mixture_divergence, cs.measures.spectral_distance):
        with pytest.raises(
            OptionError, match=rf"^{measure.__name__}: a is not finite, first at trial 2, time 3, unit 1; what is missing is no number"
        ):
            measure(broken, a)
        with pytest.raises(OptionError, match="a has masked entries, the first at trial 2, time 3, unit 1"):
            measure(np.ma.masked_invalid(broken), a)
        assert measure(a.astype("f4"), a.astype(">f8")) == pytest.approx(0, abs=1e-6) and measure(np.asfortranarray(a), a.tolist()) == 0
