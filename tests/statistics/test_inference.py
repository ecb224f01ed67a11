"""Intervals hold the truth as often as they say, p-values are uniform where nothing is there, and power is that of closed forms."""

import numpy as np
import pytest
from numpy import ndarray
from scipy.stats import nct, ttest_1samp, wilcoxon
from scipy.stats import t as student_t

from cortex_sim.errors import ComparisonError, Undetermined
from cortex_sim.statistics._inference import Share, bootstrapped, contrasts, expected_share, p_value, power, sign_flip, silhouette, uniformity
from cortex_sim.statistics._paired import holm


def of_mean(values: ndarray, **options: object) -> tuple[float, float]:
    return bootstrapped(lambda drawn: float(values[drawn].mean()), range(len(values)), over="networks", **options)  # type: ignore[arg-type]


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.arange(24.0)  # symmetric: neither bias nor acceleration
    low, high = of_mean(values, draws=40_000)
    reach = student_t.ppf(0.975, 23) * values.std(ddof=1) / np.sqrt(24)
    assert (low, high) == pytest.approx((11.5 - reach, 11.5 + reach), abs=0.04 * reach)  # resamples of 24 have an excess kurtosis of -1.2 / 24


@pytest.mark.parametrize("count", [8, 20])
def test_intervals_of_gaussian_units_hold_the_truth_as_often_as_they_say(count: int) -> None:
    runs = 400
    values = np.random.default_rng(count).standard_normal((runs, count))
    held = [low <= 0 <= high for low, high in (of_mean(each, draws=500, seed=k) for k, each in enumerate(values))]
    low, high = expected_share(0.95, runs)
    assert low <= np.mean(held) <= high
    plain = 1.96 * values.std(axis=1) / np.sqrt(count)  # what a percentile bootstrap of so few tends to
    assert (np.abs(values.mean(axis=1)) <= plain).mean() < np.mean(held)


def test_the_bounds_move_with_a_skew_as_they_should_and_with_the_level() -> None:
    values = np.random.default_rng(1).exponential(size=30)
    low, high = of_mean(values)
    assert high - values.mean() > 1.1 * (values.mean() - low)
    inner = of_mean(values, level=0.8)
    assert low < inner[0] < inner[1] < high
    mirrored = of_mean(-values)
    assert mirrored == pytest.approx((-high, -low), abs=0.05 * (high - low))  # other quantiles of the same draws


def test_parts_of_a_unit_are_drawn_together_or_resampled_within_it_with_the_variance_of_theory() -> None:
    networks, conditions, rng = 12, 6, np.random.default_rng(2)
    network, condition = (each.ravel() for each in np.indices((networks, conditions)))
    means = rng.normal(size=networks)
    values = means[network] + 3 * rng.normal(size=network.size)
    seen: dict[bool, list[float]] = {False: [], True: []}
    for nested in seen:

        def evaluate(drawn: ndarray, kept: list[float] = seen[nested], nested: bool = nested) -> float:
            counts = np.bincount(drawn, minlength=network.size).reshape(networks, conditions)
            assert set(counts.sum(axis=1).tolist()) <= set(range(0, 1000, conditions))  # of every network drawn, as many parts as it has
            assert nested or (np.ptp(counts, axis=1) == 0).all()  # or each of them as often as the network
            kept.append(float(values[drawn].mean()))
            return kept[-1]

        bootstrapped(evaluate, network, over="networks", within=condition if nested else None, draws=4000)
    table = values.reshape(networks, conditions)
    between, within = table.mean(axis=1).var() / networks, table.var(axis=1).mean() / conditions / networks
    for nested, wanted in ((False, between), (True, between + within)):
        assert np.var(seen[nested][:4000]) == pytest.approx(wanted, rel=4 * np.sqrt(2 / 4000))  # standard error of a variance


def test_few_units_samples_over_time_and_undefined_resamples_are_refused() -> None:
    with pytest.raises(ComparisonError, match=r"^bootstrap over networks: the extremes of 5 hold the median with a probability of 0\.938 only; at "):
        of_mean(np.arange(5.0))
    assert of_mean(np.arange(5.0), level=0.9)
    with pytest.raises(
        ComparisonError, match=r"'bins': the unit of inference should be one of networks, seeds, sessions, conditions, circuits; samples over"
    ):
        bootstrapped(lambda drawn: 0.0, range(50), over="bins")
    with pytest.raises(ComparisonError, match="'bins'"):
        contrasts({"a": np.zeros(3), "b": np.ones(3)}, over="bins")
    with pytest.raises(Undetermined, match="some resamples give no number; the measure should be defined for every choice of seeds"):
        bootstrapped(lambda drawn: np.nan if len(set(drawn.tolist())) < 5 else 0.0, range(8), over="seeds")


def test_p_values_count_the_data_among_the_surrogates() -> None:
    null = np.array([0.1, 0.2, 0.3, 0.3])
    assert p_value(0.3, null) == 3 / 5 and p_value(0.31, null) == 1 / 5 and p_value(0.0, null) == 1.0
    assert p_value(0.15, null, better="lower") == 2 / 5
    with pytest.raises(ComparisonError, match=r"^p-value: better is 'closer' and there are 4 surrogates; it should be 'higher' or 'lower', of some"):
        p_value(0.3, null, better="closer")


def test_sign_flips_are_exact_for_few_units_and_drawn_for_many() -> None:
    assert sign_flip(np.array([1.0, 2.0, 4.0])) == 2 / 8  # both ends
    assert sign_flip(np.array([1.0, 2.0, -4.0])) == 1.0  # sums of 1 and 7, 3, 5 and 1 again
    assert sign_flip(np.ones(6)) == 2 / 64
    assert sign_flip(np.zeros(5)) == 1.0
    values = np.random.default_rng(3).normal(0.4, 1, 16)
    signs = 1 - 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1)
    exact = (np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12)).mean()
    assert sign_flip(values) == pytest.approx(exact, abs=5 * np.sqrt(exact / 9999))
    ranks = np.array([1.0, -2, 3, 4, 5, 6, 7])  # their own ranks
    assert sign_flip(ranks) == pytest.approx(wilcoxon(ranks).pvalue)
    with pytest.raises(ComparisonError, match=r"differences of shape \(2, 2\); there should be a finite one for every unit of inference"):
        sign_flip(np.ones((2, 2)))


def test_sign_flips_are_uniform_under_symmetry_whatever_the_distribution_and_uniformity_sees_when_they_are_not() -> None:
    rng, runs = np.random.default_rng(4), 600
    heavy = rng.standard_t(1.5, (runs, 9)) * rng.uniform(0.1, 10, (1, 9))
    p = np.array([sign_flip(each) for each in heavy])
    assert np.all(np.abs(p * 2**8 - np.round(p * 2**8)) < 1e-9)
    assert uniformity(p, steps=2**8) > 1e-3
    for alpha in (0.05, 0.25):
        low, high = expected_share(np.floor(alpha * 2**8) / 2**8, runs)
        assert low <= (p <= alpha).mean() <= high
    assert uniformity(p**1.3, steps=2**8) < 1e-3


def test_permutation_p_values_are_uniform_for_exchangeable_surrogates_to_every_step() -> None:
    rng, runs, count = np.random.default_rng(5), 4000, 9
    values = rng.standard_normal((runs, count + 1))
    p = np.array([p_value(each[0], each[1:]) for each in values])
    low, high = expected_share(0.1, runs)
    shares = [np.isclose(p, k / 10).mean() for k in range(1, 11)]
    assert low <= min(shares) <= max(shares) <= high
    assert uniformity(p, steps=10) > 1e-3


@pytest.mark.parametrize("effect", [0.0, 0.5, 1.0])
def test_power_is_that_of_the_noncentral_t_and_sign_flips_come_close(effect: float) -> None:
    units, runs = 12, 1500
    edge, shift = student_t.ppf(0.975, units - 1), effect * np.sqrt(units)
    exact = float(nct.sf(edge, units - 1, shift) + nct.cdf(-edge, units - 1, shift))

    def tested(test: object) -> Share:
        return power(lambda rng: test(rng.normal(effect, 1, units)), runs=runs, seed=6)  # type: ignore[operator]

    low, high = expected_share(exact, runs)
    student = tested(lambda values: ttest_1samp(values, 0).pvalue)
    assert low <= student.value <= high
    assert tested(sign_flip).value == pytest.approx(student.value, abs=0.03)  # the same data; equal as units grow
    assert student.interval[0] <= student.value <= student.interval[1]


def test_shares_have_exact_intervals() -> None:
    assert Share(0, 10).interval == pytest.approx((0, 1 - 0.025**0.1))
    assert Share(10, 10).interval == pytest.approx((0.025**0.1, 1))
    assert expected_share(0.5, 3, sure=0.9) == (0.0, 1.0)  # 1/8 at either end


def test_contrasts_are_signed_corrected_and_found_where_planted() -> None:
    rng = np.random.default_rng(7)
    shared = 5 * rng.normal(size=9)
    values = {"own": shared + 1 + 0.3 * rng.normal(size=9), "other": shared + 0.3 * rng.normal(size=9), "third": shared + 0.3 * rng.normal(size=9)}
    found = contrasts(values, over="networks")
    assert list(found) == [("own", "other"), ("own", "third"), ("other", "third")]
    first = found["own", "other"]
    assert first.mean == pytest.approx((values["own"] - values["other"]).mean()) and first.interval is not None
    assert 0 < first.interval[0] < first.mean < first.interval[1]
    raw = np.array([sign_flip(values[a] - values[b]) for a, b in found])
    np.testing.assert_allclose([each.p for each in found.values()], holm(raw))
    assert first.p == 3 * 2 / 2**9 and first.wilcoxon == pytest.approx(3 * 2 / 2**9)
    few = contrasts({"a": np.array([1.0, 2, 3]), "b": np.zeros(3)}, over="seeds")["a", "b"]
    assert few.interval is None and few.p == 0.25


def test_the_silhouette_is_the_margin_to_the_nearest_other_group() -> None:
    places = np.array([0.0, 1.0, 10.0])
    far = np.abs(places[:, None] - places)
    wanted = ((10 - 1) / 10 + (9 - 1) / 9 + 0) / 3  # a group of one counts as 0
    assert silhouette(far, ["a", "a", "b"]) == pytest.approx(wanted)
    apart = 1.0 - np.kron(np.eye(3), np.ones((4, 4)))
    assert silhouette(apart, np.repeat(["a", "b", "c"], 4)) == 1
    assert silhouette(apart, np.tile(["a", "b", "c", "d"], 3)) == pytest.approx(-1 / 3)  # to its own 1, to any other (0 + 1 + 1)/3
    assert silhouette(np.zeros((4, 4)), [0, 0, 1, 1]) == 0
    with pytest.raises(ComparisonError, match=r"^silhouette: 1 group of places; there should be two or more\.$"):
        silhouette(far, [0, 0, 0])


def test_what_is_no_number_is_never_significant() -> None:
    assert all(
        np.isnan(p_value(estimate, np.array(null))) for estimate, null in ((np.nan, [0.0] * 19), (np.inf, [0.0] * 19), (1.0, [np.nan] + [0.0] * 18))
    )
    assert p_value(0.1, np.array([np.inf] + [5.0] * 18), better="lower") == 1 / 20
