"""Statistics are what they are called: p-values of nothing are uniform, intervals cover, and what should not matter does not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from scipy.linalg import expm
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom, kstest
from scipy.stats import t as student_t

from cortex_sim.analysis import Epochs
from cortex_sim.analysis._rotations import jpca_spanned, rotation_intervals
from cortex_sim.analysis._tangling import Tangled
from cortex_sim.cards import Model, catalogue
from cortex_sim.comparison._geometry import linear_cka
from cortex_sim.comparison._measures import LOST, MEASURES, scaled
from cortex_sim.comparison._response import left_free, response_score, responses
from cortex_sim.comparison._shape import shape_distance
from cortex_sim.comparison._table import scores_of, table
from cortex_sim.simulation import simulate
from cortex_sim.statistics import subsampled, subsets
from cortex_sim.statistics._inference import p_value
from cortex_sim.tasks import Task, free_run
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks.perturbations._pushes import push, silence
from cortex_sim.trials import Trials
from tests.covered import WIDEST, assert_covered

DT, BINS, UNITS = 0.08, 25, 12
DRAWS, REPORTED = 80, 120  # of measures, and of what protocols report
CONDITIONS = 27  # of protocols
TASK = centre_out(8)
LEARNS, RATIOS = 1.9, 1.8  # as wide as estimates spread: folds that each subset draws anew add their noise, thrice; ratios of small variances
NOISE = 0.2  # where units have standard deviations of 1 to 3


class Planted:
    """Two linear systems of six dimensions, seen by twelve units each, released from random states; the second is noisy.

    If alike, both have the same flow, units and noise, drawn anew for each, so that by symmetry any difference is 0 on average.
    """

    def __init__(self, *, alike: bool = False) -> None:
        rng = np.random.default_rng(0)
        A = rng.normal(size=(6, 6))
        A = 1.2 * (A - A.T) - 0.6 * np.eye(6)
        self.flows = [[expm(DT * k * flow) for k in range(BINS)] for flow in (A, A + 0.35 * rng.normal(size=(6, 6)))]
        C = rng.normal(size=(6, UNITS))
        self.seen = (C, C + 0.4 * rng.normal(size=(6, UNITS)))
        self.alike = alike
        if alike:
            self.flows, self.seen = self.flows[:1] * 2, (C, C)

    def draw(self, seed: int, conditions: int) -> tuple[ndarray, ndarray]:
        """Rates of either in new conditions."""
        rng = np.random.default_rng(seed)
        start = rng.normal(size=(conditions, 6)) * np.array([2, 1.5, 1, 1, 0.7, 0.5])
        a, b = (np.stack([start @ step.T for step in flow], axis=1) @ C for flow, C in zip(self.flows, self.seen, strict=True))
        b = b + NOISE * rng.normal(size=b.shape)
        return (a + NOISE * rng.normal(size=a.shape) if self.alike else a), b


@pytest.mark.long
@pytest.mark.parametrize("name", MEASURES)
def test_the_interval_of_a_measure_covers_its_expectation(name: str) -> None:
    planted, found = Planted(), []
    for seed in range(DRAWS):
        (score,) = scores_of([name], *scaled(*planted.draw(seed, 16)), DT, name="other", split="drawn", nulls=1, seed=seed, lost=LOST)
        found.append((score.estimate, score.interval))
    assert_covered({name: found}, widest=LEARNS if MEASURES[name].learns else WIDEST)


@pytest.mark.parametrize("name", ["DSA, eigenvalues", "DSA, Procrustes"])
def test_subsets_of_conditions_keep_the_number_of_axes(name: str) -> None:
    """An axis that holds a hundredth of the variance is in or out by chance on half of the conditions; on one side alone it moved DSA by 0.3."""
    estimates, widths = [], []
    for seed in range(6):
        (score,) = scores_of([name], *scaled(*Planted().draw(seed, 16)), DT, name="other", split="drawn", nulls=1, seed=seed, lost=LOST)
        assert score.interval
        estimates.append(score.estimate)
        widths.append(np.ptp(score.interval) / 2)
    assert max(widths) < 5 * student_t.ppf(0.975, 15) * np.std(estimates, ddof=1)


class TwoPlanes:
    """Planes of 1.5 Hz and of the second frequency, of nearly the same squared speed in one system and of unlike ones in the other.

    Which of the two rotates most in the first system is then decided by the conditions that happen to be drawn.

    Args:
        frequency: of the second plane, Hz.
        speed: its squared speed per squared speed of the first plane, to the power 1/2.
    """

    def __init__(self, frequency: float, speed: float) -> None:
        turn, planes = np.zeros((6, 6)), (1.5, frequency, 0.3)
        for k, f in enumerate(planes):
            turn[2 * k, 2 * k + 1] = 2 * np.pi * f
        A = turn - turn.T - 0.3 * np.eye(6)
        self.flow = [expm(0.02 * k * A) for k in range(BINS)]
        self.seen = np.linalg.qr(np.random.default_rng(1).normal(size=(UNITS, 6)))[0].T
        self.sizes = [np.repeat([1, size, 0.5], 2) for size in (0.5, speed * 1.5 / frequency)]

    def draw(self, seed: int, conditions: int) -> tuple[ndarray, ndarray]:
        """Rates of either in new conditions."""
        rng = np.random.default_rng(seed)
        starts = [size * rng.normal(size=(conditions, 6)) for size in self.sizes]
        a, b = (np.stack([start @ step.T for step in self.flow], axis=1) @ self.seen for start in starts)
        return a + 0.05 * rng.normal(size=a.shape), b + 0.05 * rng.normal(size=b.shape)


@pytest.mark.long
@pytest.mark.parametrize(("frequency", "speed"), [(0.6, 0.8), (0.6, 0.9), (1.0, 0.8), (1.0, 0.9), (1.2, 0.95)])
def test_the_interval_of_the_frequency_covers_that_of_the_plane_that_rotates_most_in_all_conditions(frequency: float, speed: float) -> None:
    """Its expectation is no frequency at all where two planes rotate nearly alike: it lies between both."""
    planted, found = TwoPlanes(frequency, speed), []
    many = planted.draw(DRAWS, 6000)[1]
    truth = jpca_spanned(many - many.mean(axis=0), DT / 4).main_frequency
    assert truth == pytest.approx(1.5, rel=0.02)  # forward differences over 20 ms lower it by (2 pi 1.5 Hz 20 ms)^2 / 6 = 0.6 %, noise a little
    for seed in range(DRAWS):
        rates = planted.draw(seed, CONDITIONS)[1]
        states, readings = rates - rates.mean(axis=0), {"frequency": lambda found: found.main_frequency}
        interval = rotation_intervals(states, DT / 4, readings, selecting=readings)["frequency"]
        found.append((jpca_spanned(states, DT / 4).main_frequency, interval))
    assert_covered({"frequency": found}, truth=truth)


@pytest.mark.parametrize(("absolute", "wanted"), [(False, (-2.0 - 6.18, 10.0)), (True, (0.0, 10.0))])
def test_the_interval_of_what_is_selected_holds_what_subsets_select(absolute: bool, wanted: tuple[float, float]) -> None:
    """One of eight subsets of four of twelve conditions selects otherwise: the variance alone reaches 2.201 * 12 sqrt(7) / 8 / sqrt(2) = 6.18."""
    parts = [np.arange(4) + k for k in range(8)]

    def selected(kept: ndarray) -> float:
        return 10.0 if len(kept) == 4 and not kept[0] else -2.0

    assert subsampled(selected, 12, parts, absolute=absolute, selects=True) == pytest.approx(wanted, abs=0.01)
    assert subsampled(selected, 12, parts)[1] == pytest.approx(-2.0 + 6.18, abs=0.01)


@pytest.mark.long
def test_the_interval_of_an_absolute_difference_covers_0_where_the_systems_are_alike() -> None:
    names = [name for name, measure in MEASURES.items() if measure.signed]
    planted, found = Planted(alike=True), {name: [] for name in names}
    for seed in range(DRAWS):
        sides = scaled(*planted.draw(seed, 16))
        for score in scores_of(names, *sides, DT, name="other", split="drawn", nulls=1, seed=seed, lost=LOST):
            found[score.measure].append((score.estimate, score.interval))
    assert len(names) == 3
    assert_covered(found, truth=0.0)


@pytest.mark.long
def test_the_intervals_that_the_protocol_of_rotations_reports_cover_their_expectation() -> None:
    readings = catalogue.protocol("rotations").READINGS
    planted, found = Planted(), {name: [] for name in readings}
    for seed in range(REPORTED):
        rates = planted.draw(seed, CONDITIONS)[1]
        states = rates - rates.mean(axis=0)
        intervals, turning = rotation_intervals(states, DT, readings), jpca_spanned(states, DT)
        for name, read in readings.items():
            found[name].append((read(turning), intervals[name]))
    assert_covered(found)


@pytest.mark.long
def test_the_intervals_that_the_protocol_of_subspaces_reports_cover_their_expectation() -> None:
    """Eight modes hold still in preparation, and turn in overlapping directions, each at its own frequency, in movement."""
    protocol, rng = catalogue.protocol("subspaces"), np.random.default_rng(0)
    time, k = np.arange(-0.3, 0.6 - 1e-9, 0.01), np.arange(8)
    held, late = (time < 0) + (time >= 0) * np.exp(-np.maximum(time, 0) / 0.05), np.maximum(time, 0)[:, None]
    turned = np.sin(2 * np.pi * (1 + 0.2 * k) * late + 0.3 * k) * np.exp(-late / 0.4)
    axes, weights = np.linalg.qr(rng.standard_normal((40, 14)))[0], rng.standard_normal((40, 8))
    still, moving = (part * np.linspace(2, 0.5, 8) for part in (axes[:, :8], axes[:, 5:13] + 0.15 * axes[:, :8]))
    found: dict[str, list[tuple[float, Any]]] = {}
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        start = rng.normal(size=(CONDITIONS, 1, 8))
        rates = start * held[:, None] @ still.T + start * turned @ moving.T + 0.05 * rng.normal(size=(CONDITIONS, len(time), 40))
        epochs = Epochs.driving(Trials.from_arrays(20 + 5 * rates, time), protocol.WINDOWS, {protocol.SILENT: weights, protocol.OTHERS: weights})
        for score in protocol._scores({protocol.CIRCUIT: epochs}, seed, 1):
            if score.interval:
                found.setdefault(score.measure, []).append((score.estimate, score.interval))
    assert len(found) == 1 + 2 * 3 + 3
    assert_covered(found, widest=RATIOS)


@pytest.mark.long
def test_the_intervals_that_the_protocol_of_tangling_reports_cover_their_expectation() -> None:
    readings = catalogue.protocol("tangling").READINGS
    planted, found, weights = Planted(), {name: [] for name in readings}, np.random.default_rng(11).normal(size=(UNITS, 5))
    for seed in range(REPORTED):
        a, b = planted.draw(seed, CONDITIONS)
        tangled = Tangled.of(b, a @ weights, DT, rng=np.random.default_rng(0), sets=1)
        intervals = tangled.intervals(DT, readings)
        for name, read in readings.items():
            found[name].append((read(tangled), intervals[name]))
    assert_covered(found)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if not measure.read])
def test_p_values_of_systems_that_share_nothing_are_uniform_by_every_measure_whose_null_permutes_conditions(name: str) -> None:
    """The null of the others takes the structure out of the student, so that it says whether there is any and not whether it is shared."""
    rng, p = np.random.default_rng(0), []
    for seed in range(100):
        common = gaussian_filter1d(rng.normal(size=(2, 1, 40, 5)), 4, axis=2)  # a course that is the same in all conditions of a system
        a, b = common + gaussian_filter1d(rng.normal(size=(2, 8, 40, 5)), 4, axis=2)
        (score,) = scores_of([name], *scaled(a, b), DT, name="other", split="drawn", nulls=19, seed=seed, lost=LOST)
        assert score.null is not None
        p.append(p_value(score.estimate, score.null, better=score.better) - rng.uniform(0, 1 / 20))  # p takes 20 values
    assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.read])
def test_p_values_of_students_without_structure_are_uniform_by_every_other_measure(name: str) -> None:
    """Their null takes from the student what relates its axes; axes that nothing relates are the same without."""
    rng, p = np.random.default_rng(0), []
    for seed in range(100):
        a, b = gaussian_filter1d(rng.normal(size=(2, 8, 40, 5)), 4, axis=2)
        (score,) = scores_of([name], *scaled(a, b), DT, name="other", split="drawn", nulls=19, seed=seed, lost=LOST)
        assert score.null is not None
        p.append(p_value(score.estimate, score.null, better=score.better) - rng.uniform(0, 1 / 20))
    assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["push", "silencing"])
def test_p_values_of_responses_that_have_nothing_in_common_are_uniform(kind: str) -> None:
    pushed = [push(TASK, 20, fraction=0.2, amplitude=1.0) if kind == "push" else silence(TASK, 20, fraction=0.2)]
    rng, p = np.random.default_rng(0), []
    for seed in range(150):
        common = rng.normal(size=(2, 1, 6, 20)) if kind == "silencing" else np.zeros((2, 1, 1, 1))  # alike in all conditions
        a, b = common + 0.5 * rng.normal(size=(2, 8, 6, 20))
        score = response_score(kind, [a], [b], task=TASK, pushed=pushed, name="other", split="all", seed=seed, nulls=39)
        assert score.null is not None
        p.append(p_value(score.estimate, score.null) - rng.uniform(0, 1 / 40))  # p takes 40 values
    assert kstest(p, "uniform").pvalue > 1e-3


def test_the_interval_of_the_response_to_a_push_covers_what_new_conditions_explain() -> None:
    """Conditions answer with sizes of their own, and students miss with sizes of their own: R² of all conditions there could be is known."""
    pushed, found = [push(TASK, 20, fraction=0.2, amplitude=1.0)], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true = rng.gamma(4, 0.25, size=(CONDITIONS, 1, 1)) * rng.normal(size=(CONDITIONS, 6, 20))
        missed = 0.5 * rng.gamma(4, 0.25, size=(CONDITIONS, 1, 1)) * rng.normal(size=(CONDITIONS, 6, 20))
        score = response_score("push", [true], [true + missed], task=TASK, pushed=pushed, name="other", split="all", seed=seed, nulls=1)
        found.append((score.estimate, score.interval))
    assert_covered({"response": found}, truth=0.75)


def test_units_that_both_sides_hold_tell_nothing_of_a_student() -> None:
    held = silence(TASK, 10, fraction=0.4)
    free = left_free(TASK, held, 10)
    assert free.sum() == 6 and not free[held.clamps[-1].units].any() and left_free(TASK, TASK, 10).all()
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 8, 5, 10))
    b[:, :, ~free] = a[:, :, ~free]
    score = response_score("silencing", [a], [b], task=TASK, pushed=[held], name="other", split="all", nulls=5)
    assert score.estimate == pytest.approx(1 - ((a - b) ** 2).sum() / (a[:, :, free] ** 2).sum()) and score.settings["units_compared"] == [6]


@pytest.mark.parametrize("name", MEASURES)
def test_a_unit_that_hardly_fires_changes_no_measure(name: str) -> None:
    """Brought to its own deviation, a unit a million times quieter than the others took R² from 0.99 to -24.9."""
    a, b = Planted().draw(1, 12)
    measure, rng = MEASURES[name], np.random.default_rng(2)
    quiet = [np.concatenate([side, size * rng.normal(size=(*side.shape[:2], 1))], axis=2) for side, size in ((a, 1e-6), (b, 1e-4))]
    plain, beside = measure(a, b, DT), measure(*quiet, DT)
    assert beside == pytest.approx(plain, rel=0.05, abs=5e-3)


def test_r2_is_about_the_training_mean_in_the_table_as_in_compare() -> None:
    rng = np.random.default_rng(3)
    training, test = rng.normal(5, 1, size=(40, 10, 4)), rng.normal(5, 1, size=(8, 10, 4)) + 2
    mean = np.broadcast_to(training.mean(axis=(0, 1)), test.shape)
    assert MEASURES["R² of rates"](test, mean, DT, training) == pytest.approx(0, abs=1e-12)
    assert MEASURES["R² of rates"](test, mean, DT) < -1  # about the mean of the test conditions, which nobody knew


@pytest.mark.parametrize("name", ["DSA, eigenvalues", "DSA, Procrustes"])
def test_a_student_of_fewer_dimensions_is_no_nearer_than_the_same_system_seen_otherwise(name: str) -> None:
    a, _ = Planted().draw(4, 16)
    rng = np.random.default_rng(5)
    _, axes = np.linalg.eigh(np.cov(a.reshape(-1, UNITS), rowvar=False))
    flat = a @ axes[:, -2:] @ axes[:, -2:].T  # two of its six dimensions
    turned = a @ np.linalg.qr(rng.normal(size=(UNITS, UNITS)))[0]
    measure = MEASURES[name]
    read = [measure.read(side - side.mean(axis=0), DT) for side in (a, turned, flat)]  # type: ignore[misc]
    apart = measure.between(read[0], read[2])
    assert measure.between(read[0], read[1]) < 0.05 and apart > 0.5  # where 4 of 6 axes of length about 1 are missing


@pytest.mark.parametrize(("smoothness", "low", "high"), [(4, 0.5, 0.68), (8, 0.6, 0.8)])
def test_a_course_common_to_conditions_makes_debiased_cka_of_independent_systems_larger_still(smoothness: int, low: float, high: float) -> None:
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        common = gaussian_filter1d(rng.normal(size=(2, 1, 100, 30)), smoothness, axis=2)[:, :, 20:80]
        a, b = common + gaussian_filter1d(rng.normal(size=(2, 8, 100, 30)), smoothness, axis=2)[:, :, 20:80]
        found.append(linear_cka(a.reshape(-1, 30), b.reshape(-1, 30)))
    assert low < np.mean(found) < high


@pytest.mark.parametrize(("smoothness", "low", "high"), [(4, 0.30, 0.38), (8, 0.42, 0.58)])
def test_debiased_cka_of_independent_smooth_systems_is_far_above_0_and_its_null_knows(smoothness: int, low: float, high: float) -> None:
    found, beaten = [], 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a, b = gaussian_filter1d(rng.normal(size=(2, 8, 100, 30)), smoothness, axis=2)[:, :, 20:80]
        (score,) = scores_of(["linear CKA, debiased"], a, b, 0.01, name="other", split="all", nulls=19, seed=seed)
        found.append(score.estimate)
        assert score.null is not None
        beaten += score.estimate > score.null.max()
    assert low < np.mean(found) < high and beaten <= binom.ppf(0.9987, 20, 0.05)


def test_a_linear_image_is_no_distance_by_the_whitened_shape_but_for_what_the_reduction_leaves_out() -> None:
    rng = np.random.default_rng(0)
    a = gaussian_filter1d(rng.normal(size=(27, 100, 30)), 6, axis=1)[:, 20:80] * np.exp(-np.arange(30) / 6)
    image = a @ rng.normal(size=(30, 40))
    flat = (a.reshape(-1, 30), image.reshape(-1, 40))
    assert shape_distance(*flat, alpha=0.0) < 1e-3
    found = MEASURES["shape, whitened (rad)"](a @ rng.normal(size=(30, 40)), image, 0.01)
    assert found == pytest.approx(0.37, abs=0.01)  # rad, as docs/scores.md says


def test_rotation_apart_is_of_the_skew_flow_and_frequency_of_the_plane_that_turns_most() -> None:
    t, rng = 0.01 * np.arange(60), np.random.default_rng(8)
    start = rng.normal(size=(12, 4))
    start[:, 2:] *= 0.02  # a fast plane that holds next to nothing

    def turning(slow: float, fast: float) -> ndarray:
        planes = [np.exp(2j * np.pi * hertz * t) * (start[:, k] + 1j * start[:, k + 1])[:, None] for hertz, k in ((slow, 0), (fast, 2))]
        return np.stack([part(plane) for plane in planes for part in (np.real, np.imag)], axis=2)

    decay = np.stack([np.exp(-2 * t) * start[:, k][:, None] for k in range(4)], axis=2)
    skew, frequency = MEASURES["jPCA R²(M_skew) apart"], MEASURES["jPCA frequency apart (Hz)"]
    assert skew.between(skew.read(turning(1, 5), 0.01), skew.read(decay, 0.01)) > 0.9  # type: ignore[misc] - a linear flow fits both
    assert frequency.between(frequency.read(turning(1, 5), 0.01), frequency.read(turning(1.5, 5), 0.01)) == pytest.approx(0.5, rel=0.05)  # type: ignore[misc]


def test_tangling_apart_is_that_of_the_most_tangled_tenth() -> None:
    """Against the definition of Russo et al. (2018), sample by sample, for two-dimensional rates, which are their own principal components."""
    rng, sides = np.random.default_rng(3), []
    for bend in (1.0, 4.0):
        t = 0.01 * np.arange(40)
        phase, height = rng.uniform(0, 2 * np.pi, (5, 1)), rng.uniform(1, 2, (5, 1))
        sides.append(np.stack([height * np.cos(5 * t + phase), height * np.sin(5 * t + phase) ** 3 + 0.1 * bend * np.sin(20 * t)], axis=2))

    def most(rates: ndarray) -> float:
        x = (rates - rates.mean(axis=(0, 1))).reshape(-1, 2)
        v = np.gradient(rates, 0.01, axis=1).reshape(-1, 2)
        floor = 0.1 * np.mean([point @ point for point in x])
        q = sorted(max((v[i] - v[j]) @ (v[i] - v[j]) / ((x[i] - x[j]) @ (x[i] - x[j]) + floor) for j in range(len(x))) for i in range(len(x)))
        return float(np.interp(0.9 * (len(q) - 1), range(len(q)), q))

    tangled = MEASURES["tangling apart"]
    found = tangled.difference(*(tangled.read(side, 0.01) for side in sides))  # type: ignore[misc]
    assert found == pytest.approx(np.log(most(sides[0]) / most(sides[1])), rel=1e-9) and abs(found) > 0.1


@pytest.mark.parametrize("name", [name for name, measured in MEASURES.items() if measured.signed])
def test_the_interval_of_an_absolute_difference_is_as_wide_as_that_of_the_difference(name: str) -> None:
    """Where systems are alike, absolute differences of subsets spread by a factor of sqrt(1 - 2/pi) = 0.6 less."""
    one, two = scaled(*Planted(alike=True).draw(0, 16))
    measured, kept = MEASURES[name], subsets(16)
    (score,) = scores_of([name], one, two, DT, name="other", split="drawn", nulls=1, seed=0, lost=0.0)
    read = [[measured.read(side[part], DT) for side in (one, two)] for part in kept]  # type: ignore[misc]
    apart = [measured.difference(*sides) for sides in read]
    assert min(apart) < 0 < max(apart)
    reach = student_t.ppf(0.975, 15) * np.std(apart) * np.sqrt(len(kept[0]) / (16 - len(kept[0])))
    assert score.interval == pytest.approx((max(score.estimate - reach, 0.0), score.estimate + reach), rel=1e-6)


def test_a_perturbation_that_does_nothing_has_no_response(linear_circuit: Callable[..., Model]) -> None:
    model = linear_circuit(np.random.default_rng(9).normal(size=(4, 4)) / 4)
    task = replace(free_run(np.ones((3, 4)), 0.1), name="free")
    assert not responses(model, task, [task])[0].any() and simulate(model, task).rate.any()


def test_a_student_that_lost_directions_is_predicted_and_does_not_predict() -> None:
    a, _ = Planted().draw(7, 16)
    flat = a.reshape(-1, UNITS) - a.mean(axis=(0, 1))
    axes = np.linalg.svd(flat, full_matrices=False)[2][:2].T
    b = a @ axes @ axes.T
    assert MEASURES["is predicted"](a, b, DT) > 0.99 > 0.95 > MEASURES["predicts the circuit"](a, b, DT)


def test_every_measure_gives_a_score_in_the_table() -> None:
    a, b = Planted().draw(6, 8)
    scores = table(a, b, DT, name="other", split="drawn", nulls=3)
    assert [score.measure for score in scores] == list(MEASURES)
    assert all(score.interval is not None and score.interval[0] <= score.estimate <= score.interval[1] for score in scores)


def test_a_task_that_is_the_same_in_all_conditions_is_known_by_what_it_does_and_not_by_its_name() -> None:
    both = [np.random.default_rng(k).normal(size=(8, 4, 20)) for k in range(2)]
    shared: dict[str, object] = {"name": "other", "split": "all", "nulls": 2}

    def surrogate(pushed: Task) -> str:
        return response_score("what it is", both[:1], both[1:], task=TASK, pushed=[pushed], **shared).surrogate  # type: ignore[arg-type]

    assert "units" in surrogate(silence(TASK, 20, fraction=0.2)) and "conditions" in surrogate(push(TASK, 20, fraction=0.2, amplitude=1.0))
