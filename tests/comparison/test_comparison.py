"""Scores: their definitions, their nulls and intervals, what identical systems get, and that nothing leaks from held-out conditions."""

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d
from scipy.stats import t as student_t

from cortex_sim.analysis._rotations import jpca, principal_components, soft_normalised
from cortex_sim.analysis._spectrum import spectrum
from cortex_sim.cards._model import Model
from cortex_sim.comparison._compare import compare, compare_rotations, compare_spectra
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.comparison._geometry import procrustes_angle
from cortex_sim.comparison._prediction import check_matched, training_reference, variance_explained
from cortex_sim.comparison._response import response_r2, response_score
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics._inference import p_value
from cortex_sim.statistics._score import PERMUTATION, Score, jackknifed, permuted, subsampled, subsets
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks.perturbations._pushes import push
from cortex_sim.trials._trials import Trials

Build = Callable[..., Model]
CONDITIONS, BINS, UNITS = 15, 30, 12
ASKED = centre_out(CONDITIONS)
TIME = 0.01 * np.arange(BINS)
PREDICTION, GEOMETRY = "R² of rates", ("Procrustes angle (rad)", "linear CKA, debiased")
SHARED = (PREDICTION, *GEOMETRY)


def rates(seed: int, conditions: int = CONDITIONS) -> ndarray:
    """Smooth trajectories of a population that is the same for every seed, in conditions that are not; Hz."""
    mixing = 10 * np.random.default_rng(99).normal(size=(8, UNITS))
    noise = np.random.default_rng(seed).normal(size=(conditions, BINS + 40, 8))
    return 40 + gaussian_filter1d(noise, 5, axis=1)[:, 20:-20] @ mixing


def trials(rate: ndarray) -> Trials:
    return Trials.from_arrays(rate, 0.01 * np.arange(rate.shape[1]))


TEACHER, TRAINING = trials(rates(0)), trials(rates(1, 40))
STUDENT = trials(rates(0) + 0.4 * (rates(2) - 40))
COMMON: dict[str, Any] = {"name": "student", "split": "held out", "seed": 0, "nulls": 60}
TURNING: dict[str, Any] = {"window": (0.0, 0.3), "spread": np.ptp(TRAINING.rate, axis=(0, 1))}


def scores(teacher: Trials = TEACHER, student: Trials = STUDENT, training: Trials = TRAINING, **changes: Any) -> dict[str, Score]:
    return {score.measure: score for score in compare(teacher, student, training=training, **COMMON | TURNING | changes)}


def test_identical_systems_get_the_value_for_identical_systems() -> None:
    found = scores(student=TEACHER)
    assert len(found) == 7 and set(SHARED) < set(found)
    for score in found.values():
        assert score.estimate == pytest.approx(score.identical, abs=1e-6), score.measure  # arccos near 1
    assert [found[name].identical for name in SHARED] == [1, 0, 1]


def test_the_r2_of_rates_has_its_definition_with_mean_and_scale_from_training_alone() -> None:
    mean, sd = TRAINING.rate.mean(axis=(0, 1)), TRAINING.rate.std(axis=(0, 1))
    error, power = ((TEACHER.rate - STUDENT.rate) / sd) ** 2, ((TEACHER.rate - mean) / sd) ** 2
    assert scores()[PREDICTION].estimate == pytest.approx(1 - error.sum() / power.sum(), rel=1e-12)


def test_no_measure_depends_on_each_units_offset_or_gain() -> None:
    rng = np.random.default_rng(3)
    gain, offset = rng.uniform(0.3, 3, UNITS), rng.uniform(-5, 50, UNITS)
    before, after = scores(), scores(*(trials(side.rate * gain + offset) for side in (TEACHER, STUDENT, TRAINING)))
    for name in SHARED:
        assert after[name].estimate == pytest.approx(before[name].estimate, abs=1e-5)  # what reducing the axes loses


def test_a_shift_of_held_out_conditions_is_not_taken_out() -> None:
    shift = 7.0
    moved = scores(trials(TEACHER.rate + shift), trials(STUDENT.rate + shift))
    mean, sd = TRAINING.rate.mean(axis=(0, 1)), TRAINING.rate.std(axis=(0, 1))
    error, power = ((TEACHER.rate - STUDENT.rate) / sd) ** 2, ((TEACHER.rate + shift - mean) / sd) ** 2
    assert moved[PREDICTION].estimate == pytest.approx(1 - error.sum() / power.sum(), rel=1e-12)  # the mean of training still


def test_an_offset_of_the_student_costs_prediction_but_not_geometry() -> None:
    sd = TRAINING.rate.std(axis=(0, 1))
    found = scores(student=trials(TEACHER.rate + 2 * sd))
    power = ((TEACHER.rate - TRAINING.rate.mean(axis=(0, 1))) / sd) ** 2
    assert found[PREDICTION].estimate == pytest.approx(1 - 4 / power.mean(), rel=1e-12)
    assert [found[name].estimate for name in GEOMETRY] == pytest.approx([0, 1], abs=1e-6)


def test_a_good_student_beats_every_permutation_and_its_interval_holds_its_estimate() -> None:
    found = scores()
    for name in SHARED:
        score, sign = found[name], {"higher": 1, "lower": -1}[found[name].better]
        assert score.null is not None and len(score.null) == 60 and (sign * score.null < sign * score.estimate).all()
        assert score.interval is not None and score.interval[0] < score.estimate < score.interval[1]
        assert score.surrogate == PERMUTATION and score.interval_over.endswith("conditions") and score.ceiling is None and score.ceiling_reason
    assert found[PREDICTION].null.max() < 0  # type: ignore[union-attr] - wrong conditions are worse than the mean


def test_the_permutation_null_holds_its_level_on_independent_smooth_noise() -> None:
    beaten = 0
    for seed in range(12):
        sides = gaussian_filter1d(np.random.default_rng(seed).normal(size=(2, 8, BINS + 40, UNITS)), 8, axis=2)[:, :, 20:-20]
        score = scores(*(trials(20 + 50 * side) for side in sides), nulls=40)[GEOMETRY[1]]
        assert score.null is not None
        beaten += int((score.null >= score.estimate).mean() < 0.05)
    assert beaten <= 4  # of 12 at 5 %: more than 4 has probability 0.0002, although CKA itself is far above 0


def test_nulls_follow_the_seed_and_nothing_else_does() -> None:
    first, again, other = scores(), scores(), scores(seed=1)
    for name, score in first.items():
        assert score.null is not None and again[name].null is not None and other[name].null is not None
        assert score.null.tobytes() == again[name].null.tobytes()
        assert score.estimate == other[name].estimate and score.interval == other[name].interval
        assert not np.array_equal(score.null, other[name].null)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_order_of_conditions_is_drawn_as_often_as_any_other(count: int) -> None:
    labels, orders = np.arange(float(count))[:, None, None], Counter[tuple[float, ...]]()

    def seen(a: ndarray, b: ndarray) -> float:
        orders[tuple(b.ravel())] += 1
        return float((a == b).mean())

    draws = 600
    assert permuted(seen, labels, labels, seed=0, count=draws).shape == (draws,)
    assert len(orders) == math.factorial(count)
    expected = draws / len(orders)
    assert max(abs(found - expected) for found in orders.values()) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("count", [4, 6, 8])
def test_with_few_conditions_p_values_of_independent_systems_are_not_too_small(count: int) -> None:
    """Orders without fixed points gave p below 0.05 in 18, 10 and 8 % of independent systems."""
    rng, trials_, p = np.random.default_rng(count), 400, []
    for trial in range(trials_):
        a, b = rng.normal(size=(2, count, 1, 3))
        null = permuted(procrustes, a, b, seed=trial, count=99)
        p.append(p_value(procrustes(a, b), null, better="lower"))
    below = np.mean(np.array(p) <= 0.05)
    assert below <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials_)


def procrustes(a: ndarray, b: ndarray) -> float:
    return procrustes_angle(a[:, 0], b[:, 0])


def test_the_interval_of_a_mean_from_subsets_is_its_t_interval_to_the_error_of_their_number() -> None:
    values = np.random.default_rng(4).normal(size=20)
    low, high = subsampled(lambda kept: float(values[kept].mean()), 20, subsets(20, draws=4000))
    reach = student_t.ppf(0.975, 19) * values.std(ddof=1) / np.sqrt(20)
    assert (low + high) / 2 == pytest.approx(values.mean()) and (high - low) / 2 == pytest.approx(reach, rel=5 / np.sqrt(2 * 4000))


@pytest.mark.parametrize("mean", [-3.0, -0.1, 0.0, 0.1, 3.0])
def test_the_interval_of_an_absolute_value_is_that_of_its_absolute_values(mean: float) -> None:
    values = np.random.default_rng(4).normal(mean, 1, size=20)
    parts = subsets(20)
    signed, found = (subsampled(lambda kept: float(values[kept].mean()), 20, parts, absolute=absolute) for absolute in (False, True))
    held = np.abs(np.linspace(*signed, 100_001))
    assert found == pytest.approx((held.min(), held.max()), abs=np.ptp(signed) / 100_000)


def test_the_jackknife_interval_of_a_mean_is_its_t_interval() -> None:
    values = np.random.default_rng(4).normal(size=9)
    reach = student_t.ppf(0.975, 8) * values.std(ddof=1) / np.sqrt(9)
    assert jackknifed(lambda kept: float(values[kept].mean()), 9) == pytest.approx((values.mean() - reach, values.mean() + reach), rel=1e-10)
    with pytest.raises(ComparisonError, match=r"^jackknife: 2 conditions; at least 3 are needed for an interval\.$"):
        jackknifed(lambda kept: 0.0, 2)


def test_intervals_leave_out_whole_conditions_on_both_sides() -> None:
    kept = subsets(CONDITIONS)
    sd, mean = TRAINING.rate.std(axis=(0, 1)), TRAINING.rate.mean(axis=(0, 1))
    error, power = (((TEACHER.rate - other) / sd) ** 2 for other in (STUDENT.rate, mean))
    within = np.array([1 - error[k].sum() / power[k].sum() for k in kept])
    size = len(kept[0])
    reach = student_t.ppf(0.975, CONDITIONS - 1) * np.sqrt(size / (CONDITIONS - size) * within.var())
    score = scores()[PREDICTION]
    assert score.interval == pytest.approx((score.estimate - reach, score.estimate + reach), rel=1e-9)


def test_conditions_held_out_one_by_one_each_have_their_own_reference() -> None:
    parts = [trials(rates(20 + number, 10) + number) for number in range(CONDITIONS)]
    mean, scale = training_reference(parts)
    assert mean.shape == scale.shape == (CONDITIONS, 1, UNITS)
    np.testing.assert_allclose(mean[3, 0], parts[3].rate.mean(axis=(0, 1)))
    error, power = (((TEACHER.rate - other) / scale) ** 2 for other in (STUDENT.rate, mean))
    found = {s.measure: s for s in compare(TEACHER, STUDENT, training=parts, **COMMON, **TURNING)}
    assert found[PREDICTION].estimate == pytest.approx(1 - error.sum() / power.sum(), rel=1e-12)


def test_rotations_are_read_off_the_window_and_compared_with_the_teachers_own() -> None:
    window = (0.05, 0.25)
    found = {score.measure: score for score in compare_rotations(TEACHER, STUDENT, **COMMON | TURNING | {"window": window})}
    for side, label in ((TEACHER, "identical"), (STUDENT, "estimate")):
        read = jpca(principal_components(soft_normalised(side.rate[:, 5:25], TURNING["spread"]), 6), 0.01)
        for name, value in {
            "jPCA R²(M_skew)": read.r2_skew, "jPCA R²(M)": read.r2, "jPCA R²(M_skew)/R²(M)": read.ratio, "jPCA frequency (Hz)": read.frequency[0]
        }.items():  # fmt: skip
            assert getattr(found[name], label) == pytest.approx(value, rel=1e-9)
            assert found[name].better == "closer" and found[name].settings == {"axes": 6, "window_s": [0.05, 0.25]}


def test_ranges_for_rotations_are_those_of_training_if_none_are_given() -> None:
    training = trials(TRAINING.rate * np.geomspace(1, 30, UNITS))
    given, left_out = (scores(training=training, spread=spread) for spread in (np.ptp(training.rate, axis=(0, 1)), None))
    own = scores(training=training, spread=np.ptp(TEACHER.rate, axis=(0, 1)))["jPCA R²(M_skew)"].identical
    assert left_out["jPCA R²(M_skew)"].identical == given["jPCA R²(M_skew)"].identical != own


def test_rotations_use_as_many_axes_as_both_sides_span() -> None:
    flat = np.random.default_rng(5).normal(size=(CONDITIONS, BINS, 3)) @ np.random.default_rng(6).normal(size=(3, UNITS))
    assert {score.settings["axes"] for score in compare_rotations(TEACHER, trials(flat), **COMMON, **TURNING)} == {2}
    assert compare_rotations(TEACHER, trials(np.ones_like(TEACHER.rate)), **COMMON, **TURNING) == ()


@pytest.mark.parametrize(("factor", "value"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.75), (-1.0, -3.0)])
def test_the_response_score_is_the_explained_share_of_the_response(factor: float, value: float) -> None:
    response = np.random.default_rng(7).normal(size=(CONDITIONS, BINS, UNITS))
    assert response_r2(response, factor * response) == pytest.approx(value)
    pushed = [push(ASKED, UNITS, fraction=0.2, amplitude=1.0, seed=draw) for draw in range(2)]
    score = response_score("push", [response, 3 * response], [factor * response, 3 * response], task=ASKED, pushed=pushed, **COMMON)
    assert score.estimate == pytest.approx(1 - (1 - value) / 10)  # draws are pooled: squares 1 and 9
    assert (score.measure, score.identical, score.settings["draws"]) == ("response to push, R²", 1.0, 2)


def test_the_spectrum_of_the_same_network_is_at_distance_zero_and_its_shuffle_is_not(linear_circuit: Build) -> None:
    rng = np.random.default_rng(8)
    model = linear_circuit(rng.normal(size=(10, 10)) / 6 + np.diag(rng.uniform(-1, 0.5, 10)))
    score = compare_spectra(spectrum(model), model)
    assert score.estimate == 0 and score.null is not None and len(score.null) == 20 and score.null.min() > 0
    assert score.interval is None and score.interval_over and score.settings == {"at_rest": True}
    slower = compare_spectra(spectrum(model), linear_circuit(model.arrays()["W"] - 0.2 * np.eye(10)))
    assert slower.estimate == pytest.approx(1.0, rel=0.03)  # every mode 0.2 / tau = 1/s faster, to dt |lambda|


def test_a_network_that_forgets_within_a_step_has_no_modes_to_compare(linear_circuit: Build) -> None:
    model, forgetful = linear_circuit(np.diag(np.arange(-1.0, 0.0, 0.1))), linear_circuit(np.zeros((10, 10)), dt=0.2)  # a step of tau
    for teacher, student, who in ((model, forgetful, "linear"), (forgetful, model, "the teacher")):
        with pytest.raises(ComparisonError, match=f"spectrum: {who} has no modes"):
            compare_spectra(spectrum(teacher), student)


def test_explained_variance_and_its_reference() -> None:
    wanted = np.array([[[1.0, 10.0]], [[3.0, 30.0]]])
    assert variance_explained(wanted, wanted + np.array([0.5, 5.0]), mean=np.array([2.0, 20.0]), scale=np.array([1.0, 10.0])) == pytest.approx(0.75)
    assert variance_explained(wanted, np.full((2, 1, 2), [2.0, 20.0]), mean=np.array([2.0, 20.0]), scale=np.array([1.0, 10.0])) == 0
    training = np.zeros((2, 2, 3))
    training[0] = [2.0, 20.0, 0.0]
    mean, scale = training_reference(trials(training))
    np.testing.assert_allclose(mean, [1, 10, 0])
    np.testing.assert_allclose(scale, [1, 10, 0.1])  # a silent unit counts as a tenth of the median


def late(shift: float) -> Trials:
    return Trials.from_arrays(TEACHER.rate, TIME + shift)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (TEACHER.select(range(9)),
         r"teacher has \(condition, time, unit\) \(15, 30, 12\), student \(9, 30, 12\); conditions and time should match\."),
        (TEACHER.window(0.0, 0.2),
         r"teacher has \(condition, time, unit\) \(15, 30, 12\), student \(15, 20, 12\); conditions and time should match\."),
        (TEACHER.select(range(14, -1, -1)), r"conditions differ: \[0, 1, 2, 3, 4\]\.\.\. and \[14, 13, 12, 11, 10\]\.\.\.; order them alike\."),
        (late(0.5), r"bins differ: teacher starts at 0 s, student at 0\.5 s; cut both to one window\."),
    ],
    ids=["conditions", "bins", "order", "time"],
)  # fmt: skip
def test_sides_that_are_not_matched_are_refused(student: Trials, message: str) -> None:
    for call in (lambda: check_matched(TEACHER, student), lambda: scores(student=student)):
        with pytest.raises(ComparisonError, match=f"^{message}$"):
            call()


WHOLE: dict[str, Any] = {
    "measure": "likeness", "student": "gru", "split": "held out", "estimate": 0.8, "better": "higher", "identical": 1.0,
    "null": np.array([0.0, 0.1, 0.2]), "surrogate": "labels permuted", "interval": (0.7, 0.9), "interval_over": "conditions", "ceiling": 0.95,
}  # fmt: skip


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ({"null": None, "surrogate": ""}, "likeness: a score has a null with its surrogate named, or a reason for having none"),
        ({"surrogate": ""}, "likeness: a score has a null with its surrogate named"),
        ({"ceiling": None}, "likeness: a score has a ceiling or a reason for having none"),
        ({"interval": None, "interval_over": ""}, "likeness: a score has an interval over a named unit, or a reason for having none"),
    ],
)  # fmt: skip
def test_no_bare_scores(absent: dict[str, Any], message: str) -> None:
    with pytest.raises(ComparisonError, match=f"^{message}"):
        Score(**(WHOLE | absent))


def test_a_score_tells_json_everything() -> None:
    full = Score(**WHOLE).as_json()
    wanted = {"measure", "student", "split", "estimate", "null_mean", "null_sd", "null", "ceiling", "interval", "better"}
    assert wanted <= set(full) and json.loads(json.dumps(full)) == full
    assert (full["null_mean"], full["null_sd"]) == pytest.approx((0.1, 0.1)) and full["null"] == "labels permuted"
    assert full["interval"] == [0.7, 0.9] and full["ceiling"] == 0.95 and full["reasons"] == {}
    none = {"null": None, "surrogate": "no null", "ceiling": None, "ceiling_reason": "no ceiling", "interval": None, "interval_over": "one network"}
    bare = Score(**(WHOLE | none)).as_json()
    assert all(bare[name] is None for name in ("null", "null_mean", "null_sd", "ceiling", "interval"))
    assert bare["reasons"] == {"null": "no null", "ceiling": "no ceiling", "interval": "one network"}
    assert str(Score(**WHOLE)) == "likeness, gru: 0.800 [0.700, 0.900] (null 0.100 ± 0.100)"
    assert str(Score(**(WHOLE | none))) == "likeness, gru: 0.800 (no null)"


def test_comparisons_are_joined_and_searched() -> None:
    first, second = Score(**WHOLE), Score(**(WHOLE | {"student": "leaky"}))
    both = Comparison((first,)) + Comparison((second,))
    assert list(both) == [first, second] and both.of("likeness", "leaky") is second and math.isclose(both.of("likeness", "gru").estimate, 0.8)
    with pytest.raises(ComparisonError, match=r"^no score 'angle' of 'gru'; measures are \['likeness'\]\.$"):
        both.of("angle", "gru")


@pytest.mark.parametrize("nulls", [0, -1])
def test_no_score_is_without_a_surrogate(nulls: int) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 6, 20, 4))
    with pytest.raises(ComparisonError, match=rf"^compare: nulls is {nulls}; at least 1 is needed"):
        compare(a, b, nulls=nulls)
    with pytest.raises(ComparisonError, match=r"^compare: 2 conditions; at least 3 are needed"):
        compare(a[:2], b[:2])


def test_trials_of_one_condition_and_a_window_in_ms_are_refused() -> None:
    twice = Trials.from_arrays(TEACHER.rate, TEACHER.time, condition=np.arange(CONDITIONS) // 2)
    with pytest.raises(ComparisonError, match=r"teacher: 15 trials of 8 conditions; .* average them first, trials\.averaged\(\)"):
        compare(twice, twice)
    with pytest.raises(ComparisonError, match=r"the window 0 to 200 s reaches beyond the trials, 0 to 0\.3 s; give it in s"):
        compare(TEACHER, STUDENT, window=(0.0, 200.0))


def test_names_of_axes_are_honoured_and_unlike_units_are_said() -> None:
    turned = [xr.DataArray(side.rate.transpose(2, 1, 0), dims=("unit", "time", "condition")) for side in (TEACHER, STUDENT)]
    found, plain = (next(iter(compare(*sides, measures=[PREDICTION], bin=0.01))).estimate for sides in (turned, (TEACHER.rate, STUDENT.rate)))
    assert found == plain
    other = Trials.from_arrays(STUDENT.rate, STUDENT.time, units="1")
    assert any("teacher's rates are in Hz, the student's in 1" in note for note in compare(TEACHER, other, measures=[PREDICTION]).notes)


@pytest.mark.parametrize(("quiet", "named"), [([4], "unit 4 hardly varies"), ([2, 7], "units 2, 7 hardly vary"), ([], "")])
def test_units_that_rest_in_the_teacher_and_vary_in_the_student_are_named(quiet: list[int], named: str) -> None:
    """A unit a tenth of whose deviation counts is wrong by a hundred times its share; where the student rests too, nothing is said."""
    true, made = rates(1), rates(1) + np.random.default_rng(5).normal(0, 1, (CONDITIONS, BINS, UNITS))
    true[..., quiet] = 20.0
    told = [note for note in compare(true, made, measures=[PREDICTION], nulls=2).notes if "hardly" in note]
    assert len(told) == bool(quiet) and all(note.startswith(named) for note in told)
    if told:
        without = np.setdiff1d(np.arange(UNITS), quiet)
        alone = compare(true[..., without], made[..., without], measures=[PREDICTION], nulls=2).estimates(PREDICTION)["student"]
        assert f"{alone:.2f} without" in told[0]
    made[..., quiet] = 20.0
    assert not any("hardly" in note for note in compare(true, made, measures=[PREDICTION], nulls=2).notes)
