"""Chance, invariants and known answers of every arm of the benchmark, on small circuits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortex_sim.comparison import MEASURES, TRIAL_MEASURES
from cortex_sim.errors import FileProblem
from cortex_sim.studies.benchmark._changes import CHANGES, CONDITION, INVERTIBLE, ORTHOGONAL, UNITS, applies, changed_pairs, image_matrix
from cortex_sim.studies.benchmark._circuits import Place, drawn
from cortex_sim.studies.benchmark._entries import built_in
from cortex_sim.studies.benchmark._families import GRADES, Family, family
from cortex_sim.studies.benchmark._observed import AVERAGES, RESIDUALS, RESPONSES, SINGLE, VIEWS, Observer
from cortex_sim.studies.benchmark._pupils import ALONE, RIDGE, TAUGHT_PUSHES, Pupils, explained_variance, pupils_of, reliability_of, sides_of
from cortex_sim.studies.benchmark._pushed import KINDS_OF_PUSH, OFF, ONE, TYPE, WHEN, Battery, pushed_too
from cortex_sim.studies.benchmark._ranked import ALL, ranks, truth_of
from cortex_sim.studies.benchmark._sensed import Seen, Timed
from cortex_sim.studies.benchmark._sizes import SMOKE

BY_UNIT = ("R² of rates", "D_stsp (nats)", "D_H")
TINY = replace(SMOKE, units=12, conditions=4, trials=2, training=10, tested=4, pushed=2)


@pytest.fixture(scope="module")
def circuit() -> Family:
    return family(drawn(Place("low rank", 0), TINY.units), TINY.conditions)


@pytest.fixture(scope="module")
def seen(circuit: Family) -> Seen:
    return Seen(Observer(circuit, TINY.trials), TINY.repeats)


@pytest.mark.parametrize("name", [*MEASURES, *TRIAL_MEASURES])
def test_every_measure_finds_the_averages_of_a_family_equal(name: str, seen: Seen) -> None:
    each = next(one for one in built_in() if one.name == name)
    values = [each.alike(seen.exact[0], one) for one in seen.exact]
    np.testing.assert_allclose(values, values[0], atol=1e-6)  # angles: the square root of round-off


def test_averages_with_noise_are_drawn_alike_all_along_a_family(circuit: Family) -> None:
    observer = Observer(circuit, 4)
    at = {s: np.stack([one.rates for one in observer.see(AVERAGES, circuit.at(s), 60, f"test {s}")]) for s in (0.0, 1.0)}
    error = observer.deviation / np.sqrt(4 * 60)
    assert np.abs(at[0.0].mean(axis=0) - at[1.0].mean(axis=0)).max() < 5.5 * np.sqrt(2) * error  # 5.5 s.e. of the largest of about 1,400
    np.testing.assert_allclose(at[1.0].std(axis=0).mean(), at[0.0].std(axis=0).mean(), rtol=0.02)
    assert at[0.0].std(axis=0, ddof=1).mean() == pytest.approx(observer.deviation / 2, rel=0.02)


def test_residuals_have_no_mean_and_single_trials_and_responses_differ_along_a_family(seen: Seen) -> None:
    for one in seen.first[RESIDUALS]:
        for label in np.unique(one.condition):
            np.testing.assert_allclose(one.rates[one.condition == label].mean(axis=0), 0, atol=1e-12)
    own, other = (seen.observer.responses(seen.observer.family.at(s)) for s in (0.0, 1.0))
    assert np.linalg.norm(own - other) > 0.1 * np.linalg.norm(own) and not own[:, :5].any()
    assert len(own) == 3 * TINY.conditions


def test_the_same_name_gives_the_same_noise_and_another_name_another(circuit: Family) -> None:
    for view in VIEWS:
        one, again, other = (Observer(circuit, 2).see(view, circuit.circuit, 2, name) for name in ("a", "a", "b"))
        assert np.array_equal(one[0].rates, again[0].rates) and not np.array_equal(one[0].rates, one[1].rates)
        assert not np.array_equal(one[0].rates, other[0].rates)


def test_images_are_what_they_are_called() -> None:
    Q, M = (image_matrix(9, 3, condition) for condition in (1.0, CONDITION))
    np.testing.assert_allclose(Q @ Q.T, np.eye(9), atol=1e-12)
    assert np.linalg.cond(M) == pytest.approx(CONDITION)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_activity_leave_the_connections_and_change_the_rates(change: str, seen: Seen) -> None:
    for view in (SINGLE, RESPONSES):
        if not applies(change, view):
            continue
        pairs, plain = changed_pairs(change, seen.observer, view, seen.first[view], seen.second[view, 0.0])
        assert len(pairs) == TINY.repeats and (plain is not None) == (change == UNITS)
        for (a, b), before in zip(pairs, seen.second[view, 0.0], strict=True):
            assert a.rates.shape == b.rates.shape and np.isfinite(b.rates).all()
            assert b.rates.shape != before.rates.shape or not np.allclose(b.rates, before.rates)
    if change == UNITS:
        assert not set(map(bytes, pairs[0][0].rates.transpose(2, 0, 1))) & set(map(bytes, seen.first[view][0].of_units(np.array([], int)).rates))


@pytest.mark.long
def test_measures_that_claim_it_do_not_see_rotations(seen: Seen) -> None:
    for each in built_in():
        reading = seen.by(Timed(each))
        for view in (SINGLE, RESIDUALS, RESPONSES):
            base, turned = np.array(reading["changed"][view][ORTHOGONAL], dtype=float)
            none = (each.name, view) == ("RSA, crossnobis", RESIDUALS)  # averages of residuals of two trials: round-off alone
            if each.name not in BY_UNIT and each.name != "local flow" and not none:  # whose nearest states may be others after round-off
                np.testing.assert_allclose(turned, base, rtol=1e-4, atol=1e-4, err_msg=f"{each.name}, {view}")
        assert set(reading["changed"][RESPONSES]) == {change for change in CHANGES if applies(change, RESPONSES)} and INVERTIBLE in CHANGES
        assert np.shape(reading["graded"][AVERAGES]) == (len(GRADES), TINY.repeats)


@pytest.mark.parametrize("kind", ["balanced amplification", pytest.param("layered", marks=pytest.mark.long)])
def test_a_circuit_explains_its_own_responses_and_one_that_never_answers_none(kind: str) -> None:
    known = drawn(Place(kind, 1), TINY.units)
    training, test = sides_of(known, TINY)
    battery = Battery.of(known, training.trials.rate, test, TINY.pushed)
    assert set(battery.true) == set(KINDS_OF_PUSH) - ({"gain"} if kind == "layered" else set())
    own = battery.of_units(known.model)
    for name, each in battery.true.items():
        assert battery.scores(name, own[name]) == pytest.approx([1.0] * TINY.pushed, abs=1e-9)
        assert battery.scores(name, [np.zeros_like(one) for one in each]) == pytest.approx([0.0] * TINY.pushed)
        assert all(np.abs(one).max() > 1e-6 * np.abs(test.trials.rate).max() for one in each), name
    excited = known.excitatory
    assert excited is not None
    for task in battery.tasks[TYPE]:
        moved = (task.drives[-1].pattern != 0).any(axis=0)
        assert np.array_equal(moved, excited > 0) or np.array_equal(moved, excited == 0)


@pytest.fixture(scope="module")
def pupils() -> Pupils:
    return pupils_of(drawn(Place("chaotic", 0), TINY.units), TINY)


@pytest.mark.long
def test_pupils_hold_their_controls_and_vary_in_fit_and_mechanism(pupils: Pupils) -> None:
    assert pupils.names[-2:] == (ALONE, RIDGE) and len(pupils.names) >= 12
    truths = pupils.truths
    assert all(each[-1] == 0 for each in truths.values() if np.isfinite(each[-1]))  # ridge from the first bin answers no push
    own, away = (pupils.names.index(name) for name in ("own equations", "own equations, strayed off the manifold"))
    assert pupils.r2[own] > 0.9 and truths[OFF][own] > truths[OFF][away]


@pytest.mark.long
def test_taught_pushes_are_new_and_answered_by_the_circuit() -> None:
    own = drawn(Place("chaotic", 0), TINY.units)
    training, test = sides_of(own, TINY)
    side, battery = pushed_too(own, training, ONE), Battery.of(own, training.trials.rate, test, 1, (ONE,))
    rates, count = side.trials.rate, training.task.trials
    np.testing.assert_array_equal(rates[:count], training.trials.rate)
    changes = np.abs(rates[count:] - rates[:count]).max(axis=(0, 2))
    before = side.trials.time <= WHEN
    assert changes[before].max() == 0 and changes[~before].min() > 0
    np.testing.assert_array_equal(side.task.condition, np.tile(training.task.condition, 2))
    asked, taught = (np.concatenate([drive.pattern for drive in task.drives if drive.course.any()]) for task in (battery.tasks[ONE][0], side.task))
    pushed = {tuple(row) for row in taught if row.any()}
    assert len(pushed) > 1 and not pushed & {tuple(row) for row in asked if row.any()}


def test_networks_taught_pushes_answer_others_of_that_kind_better(pupils: Pupils) -> None:
    plain = pupils.names.index("tanh")
    for name, kind in TAUGHT_PUSHES.items():
        assert pupils.truths[kind][pupils.names.index(name)] > pupils.truths[kind][plain]


def test_pupils_come_back_from_their_file(pupils: Pupils, tmp_path: Path) -> None:
    pupils.save(tmp_path / "kept.safetensors")
    again = Pupils.load(tmp_path / "kept.safetensors")
    assert again.names == pupils.names and np.array_equal(again.rates, pupils.rates) and np.array_equal(again.r2, pupils.r2)
    assert np.array_equal(again.explained, pupils.explained, equal_nan=True)
    (tmp_path / "kept.safetensors").write_bytes(b"no")
    with pytest.raises(FileProblem, match="cannot be read as safetensors"):
        Pupils.load(tmp_path / "kept.safetensors")


def test_reliability_is_spearman_and_browns() -> None:
    """True scores of variance 1 and errors of variance e in each of n draws: halves correlate by 1/(1 + 2e/n), all draws by 1/(1 + e/n)."""
    rng, n, e = np.random.default_rng(0), 8, 2.0
    found = reliability_of(rng.standard_normal(4000) + np.sqrt(e) * rng.standard_normal((n, 4000)))
    assert found == pytest.approx(1 / (1 + e / n), abs=0.02)
    assert np.isnan(reliability_of(np.zeros((n, 2)))) and np.isnan(reliability_of(np.zeros((n, 9))))


@pytest.mark.long
def test_a_measure_that_knows_the_truth_ranks_perfectly_and_one_that_knows_the_fit_has_no_partial_tau(pupils: Pupils) -> None:
    readings = {name: {"c": {"students": {"alike": values.tolist()}}} for name, values in (("truth", truth_of(pupils, ALL)), ("fit", pupils.r2))}
    found = {name: ranks(reading, {"c": pupils}) for name, reading in readings.items()}
    assert found["truth"][ALL]["tau"] == 1 and found["truth"][ALL]["partial"] == pytest.approx(1)
    assert found["fit"][ALL]["partial"] == 0 and 0 < found["fit"][ALL]["tau"] < 1
    assert found["fit"][ALL]["interval"] is None  # one circuit


@pytest.mark.long
def test_explained_variance_is_0_for_the_mean_and_1_for_the_rates(pupils: Pupils) -> None:
    true = pupils.circuit
    assert explained_variance(true, true) == 1
    assert explained_variance(true, np.broadcast_to(true.mean(axis=(0, 1)), true.shape)) == pytest.approx(0)
