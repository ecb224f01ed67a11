"""Fields of scores made of a sample, rank correlation and paired tests, against closed forms and SciPy."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, ttest_rel
from scipy.stats import t as student_t

from cortex_sim.statistics import estimated_over, estimates, kendall_tau, matched_over, mcnemar, mean_interval, mean_over, named, paired_t, reordered
from cortex_sim.statistics._score import Score


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).standard_normal(7)
    found = mean_over("networks", values)
    reach = student_t.ppf(0.975, 6) * values.std(ddof=1) / np.sqrt(7)  # the jackknife error of a mean is its standard error
    assert mean_interval(values) == pytest.approx(found["interval"]) and mean_interval(values[:1]) is None
    assert found["interval"] == pytest.approx((values.mean() - reach, values.mean() + reach)) and found["interval_over"] == "networks"


def test_too_few_have_an_estimate_and_a_reason_instead_of_an_interval() -> None:
    found = mean_over("networks", np.array([1.0, 3.0]))
    assert found == {"estimate": 2.0, "interval": None, "interval_over": "2 networks; at least 3 are needed"}
    assert estimated_over("trials", 3, lambda kept: float(kept.sum()), least=4, otherwise="too short")["interval_over"] == "too short"


def test_a_score_takes_the_fields_and_is_found_by_measure_and_student() -> None:
    score = Score("error", "network", "all", better="lower", identical=0, null=None, surrogate="none", ceiling=0.0, **mean_over("n", np.ones(4)))
    assert estimates([score]) == {("error", "network"): 1.0} and named([score])["error", "network"] is score


def test_one_condition_on_average_stays_where_it_is_when_they_are_reordered() -> None:
    own = reordered(lambda order: float((order == np.arange(5)).sum()), 5, rng=np.random.default_rng(0), draws=2000)
    assert own.mean() == pytest.approx(1.0, abs=5 / np.sqrt(2000))  # mean and variance of the number of fixed points are 1


def test_rank_correlation_is_kendalls_and_leaves_out_what_is_not_known() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        ranks, others = rng.integers(0, 5, 9).astype(float), rng.standard_normal(9).round(1)
        ranks[rng.integers(9)] = -np.inf
        assert kendall_tau(ranks, others) == pytest.approx(kendalltau(ranks, others).statistic, abs=1e-12)
    assert kendall_tau(np.zeros(9), np.arange(9.0)) == 0
    assert kendall_tau(np.array([1.0, 5.0, 2.0]), np.array([1.0, np.nan, 2.0])) == 1


def test_paired_tests_are_corrected_for_their_number() -> None:
    a, b, c = np.random.default_rng(0).standard_normal((3, 8))
    p = sorted([ttest_rel(a, b).pvalue, ttest_rel(a, c + 1).pvalue])
    assert sorted(paired_t({"b": (a, b), "c": (a, c + 1)}).values()) == pytest.approx([2 * p[0], max(2 * p[0], p[1])])


def test_decoders_are_compared_on_the_trials_that_only_one_of_them_tells() -> None:
    first, second = np.array([True] * 8 + [False] * 2), np.array([True] * 3 + [False] * 6 + [True])
    only, other, p = mcnemar(first, second)
    assert (only, other) == (5, 1) and p == pytest.approx(2 * (1 + 6) / 2**6)
    assert mcnemar(first, first) == (0, 0, 1.0)


def test_matched_members_are_alike_beside_members_in_random_order() -> None:
    a = np.random.default_rng(0).standard_normal(20)
    found = matched_over("units", 20, lambda x, y: float(np.corrcoef(a[x], a[y])[0, 1]), rng=np.random.default_rng(1), draws=200)
    assert found["estimate"] == pytest.approx(1) and found["interval"] == pytest.approx((1, 1))
    assert abs(found["null"].mean()) < 4 / np.sqrt(200 * 19)  # a correlation under permutation has variance 1 / (n - 1)


@pytest.mark.parametrize(("better", "p"), [("higher", 0.6), ("lower", 0.8), ("closer", None)])
def test_a_score_has_a_p_value_where_its_null_has_a_better_tail(better: Any, p: float | None) -> None:
    """One of four surrogates above, one the same, two below."""
    how: Any = {"better": better, "identical": 0, "surrogate": "drawn", "ceiling": 0.0, **mean_over("n", 2 * np.ones(4))}
    assert Score("error", "network", "all", null=np.array([0.0, 1.0, 2.0, 3.0]), **how).p == p
    assert Score("error", "network", "all", null=np.ones(1), **how).p is None and Score("error", "network", "all", null=None, **how).p is None
