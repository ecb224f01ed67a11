"""Numbers of the benchmark are those that were planted, and chance where nothing was."""

import numpy as np
import pytest
from scipy.stats import kstest

from cortex_sim.statistics import partial_tau
from cortex_sim.studies.benchmark._families import GRADES
from cortex_sim.studies.benchmark._observed import AVERAGES, VIEWS
from cortex_sim.studies.benchmark._scored import TOLD, chance, invariance, sensed, sensitivity, slope_of, smallest

S = np.array(GRADES)


def planted(rng: np.random.Generator, slope: float, *, circuits: int, repeats: int = 3) -> dict[str, dict]:
    """Values of a measure that falls by so many standard deviations per unit of s, of another size in every circuit."""
    found = {}
    for name in range(circuits):
        scale = np.exp(rng.standard_normal())
        values = scale * (rng.standard_normal((len(S), repeats)) - slope * S[:, None])
        found[str(name)] = {"graded": dict.fromkeys(VIEWS, values.tolist()), "exact": [0.0] * len(S)}
    return found


def test_planted_d_prime_is_found_without_bias_and_held_by_its_interval() -> None:
    rng = np.random.default_rng(0)
    held, found = [], []
    for _ in range(6):
        one = sensitivity(planted(rng, 2.0, circuits=20), AVERAGES)
        found.append(one["slope"])
        held.append(one["interval"][0] <= 2.0 <= one["interval"][1])
    assert np.mean(found) == pytest.approx(2.0, abs=4 * np.std(found) / np.sqrt(len(found)))
    assert sum(held) >= 4  # of 6 at 95 %: fewer with a probability of 0.002


def test_few_repeats_do_not_make_d_prime_too_large() -> None:
    """Without Hedges' factor it would be 8 % too large at three repeats of five grades."""
    rng = np.random.default_rng(4)
    found = np.array([slope_of(sensed(rng.standard_normal((len(S), 3)) - 2.0 * S[:, None])) for _ in range(4000)])
    assert found.mean() == pytest.approx(2.0, abs=4 * found.std() / np.sqrt(len(found)))


def test_chance_gives_uniform_p_and_a_planted_difference_does_not() -> None:
    rng = np.random.default_rng(1)
    p = [chance(planted(rng, 0.0, circuits=12))["p"] for _ in range(100)]
    assert kstest(np.array(p) - rng.uniform(size=100) / 2**11, "uniform").pvalue > 1e-3  # exact: multiples of 2^-11
    assert chance(planted(rng, 2.0, circuits=12))["p"] == pytest.approx(2.0**-11)


@pytest.mark.parametrize(
    ("curve", "wanted"),
    [([0, 0.5, 1, 1.5, 1.8], None), ([0, 1.81, 3, 4, 5], 0.25), ([0, 3.62, 5, 6, 7], 0.125), ([0, 2, 0, 2, 3.62], 0.5 + 0.25 * 1.81 / 2),
     ([0, -1, 0, 0, 3.62], 0.875)],
)  # fmt: skip
def test_the_smallest_s_is_where_the_curve_passes_for_good(curve: list[float], wanted: float | None) -> None:
    assert pytest.approx(np.sqrt(2) * 1.2816, abs=0.01) == TOLD
    assert smallest(np.array(curve)) == (None if wanted is None else pytest.approx(wanted))


def test_what_does_not_vary_is_at_chance_and_what_cannot_be_measured_tells_nothing() -> None:
    assert not sensed(np.ones((5, 3))).any()
    assert not sensed(np.full((5, 3), np.nan)).any()
    assert (sensed(np.array([[1.0, 1.0], [0.0, 0.0]]))[1] > 100).all()


def test_a_change_is_in_units_of_the_other_mechanism() -> None:
    rng, found = np.random.default_rng(2), {}
    for name in range(60):
        graded, noise = rng.standard_normal((5, 40)) - 4.0 * S[:, None], rng.standard_normal((2, 40))
        found[str(name)] = {"graded": {"v": graded.tolist()}, "changed": {"v": {"moved": [noise[0].tolist(), (noise[1] - 1.0).tolist()]}}}
    shift = invariance(found, "v")["moved"]
    error = np.sqrt(2 / 40 / 60) * np.sqrt(1 + 0.25**2) / 4  # of the ratio of two mean differences
    assert shift["shift"] == pytest.approx(0.25, abs=4 * error) and shift["interval"][0] < 0.25 < shift["interval"][1]


def test_partial_tau_is_its_closed_form_and_0_where_the_third_ranking_explains_all() -> None:
    x, y, z = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3]), np.array([1.0, 3, 2, 4])
    # pairs: x with y 4 of 6 concordant, x with z 5 of 6, y with z 3 of 6: τ = 1/3, 2/3, 0
    assert partial_tau(x, y, z) == pytest.approx((1 / 3) / np.sqrt(1 - 4 / 9))
    assert partial_tau(z, y, z) == 0 and partial_tau(x, z, z) == 0
    assert partial_tau(np.append(x, np.nan), np.append(y, 9), np.append(z, 9)) == partial_tau(x, y, z)


def test_rankings_that_only_fit_makes_alike_have_much_less_partial_tau_than_tau() -> None:
    rng = np.random.default_rng(3)
    z = rng.standard_normal((200, 15))
    x, y = z + rng.standard_normal(z.shape), z + rng.standard_normal(z.shape)
    partial = np.mean([partial_tau(*three) for three in zip(x, y, z, strict=True)])
    plain = np.mean([partial_tau(a, b, rng.standard_normal(15)) for a, b in zip(x, y, strict=True)])
    assert plain == pytest.approx(1 / 3, abs=0.05)  # (2/π) arcsin(1/2)
    # of Gaussian variables: τ_xz = (2/π) arcsin(2^-1/2) = 1/2, so the partial τ is (1/3 - 1/4)/(3/4) = 1/9: it is no test of independence
    assert partial == pytest.approx(1 / 9, abs=0.05)
