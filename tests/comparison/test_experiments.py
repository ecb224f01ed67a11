"""Simulated experiments: counts have the planned mean, variance and common fluctuations; the right network is named, and as often as expected."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortex_sim.analysis import Side
from cortex_sim.cards import Model
from cortex_sim.comparison import KINDS, PLANNED, RANDOM, Design, Outcome, Plan, Scene, Verdicts, experiments, mean_errors, random_push, times_as_many
from cortex_sim.comparison import _experiments as module
from cortex_sim.comparison._rig import Rig
from cortex_sim.comparison._verdicts import load_verdicts, save_verdicts
from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.runtime import save_arrays
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task, free_run
from cortex_sim.trials import Trials

Build = Callable[..., Model]
UNITS, SPAN, NUMBERS, COUNT = 8, (0.05, 0.07), [8, 32, 128, 512], 150


def scene_of(circuit: Model) -> Scene:
    rng = np.random.default_rng(0)
    tasks = [free_run(rng.normal(size=(count, circuit.units)), 0.4) for count in (6, 4)]
    return Scene("planted", circuit, 1, *(Side(task, simulate(circuit, task, backend="torch")) for task in (*tasks, tasks[0])))


def circuits(build: Build) -> dict[str, Model]:
    rng = np.random.default_rng(1)
    W = rng.normal(size=(UNITS, UNITS)) / np.sqrt(4 * UNITS)
    others = {f"wrong {k}": build(W + rng.normal(size=(UNITS, UNITS)) / np.sqrt(20 * UNITS), dt=0.01) for k in range(2)}
    return {"right": build(W, dt=0.01)} | others


@pytest.fixture(scope="module")
def found(linear_circuit: Build) -> Verdicts:
    """The circuit itself is among the candidates, so that the closed form is exact but for the measured noise."""
    models = circuits(linear_circuit)
    scene = scene_of(models["right"])
    rig = scene.rig(jump=4.0, sites=2, span=SPAN, trials=100)
    return experiments(scene, models, rig, Design("right", -np.inf, NUMBERS, 2, COUNT, 60))


def test_the_right_network_is_named_as_often_as_expected(found: Verdicts) -> None:
    """Error rates of pairs follow the closed form to within what the experiments allow, and 0.03 for the noise that is measured as a product."""
    assert (found.right, found.why) == ("right", "its own mechanism")
    for outcome in found.outcomes:
        allowed = 4 * np.sqrt(np.maximum(outcome.expected * (1 - outcome.expected), 0.25 / COUNT) / COUNT) + 0.03
        assert (np.abs(outcome.preferred - outcome.expected) <= allowed).all(), outcome.kind
        if outcome.plan.needed <= NUMBERS[-1]:
            assert outcome.right[-1] >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / COUNT)
    share, expected = mean_errors([found])
    assert share == pytest.approx(expected, abs=0.02)


def test_the_planned_push_needs_fewer_trials_than_random_ones(found: Verdicts) -> None:
    plan = found.outcomes[0].plan
    assert all(plan.information >= outcome.plan.information - 1e-9 for outcome in found.outcomes if outcome.kind == RANDOM)
    times = times_as_many([found], RANDOM, NUMBERS)
    assert times["planted"].shape == (1,) and times["planted"][0] >= 1
    rows = found.rows(NUMBERS)
    assert {row["push"] for row in rows} == set(KINDS) and rows[0]["trials needed"] == found.needed(PLANNED, NUMBERS)


def outcome(right: list[float]) -> Outcome:
    empty = np.zeros((len(right), 1))
    return Outcome(PLANNED, Plan(("a", "b"), np.zeros(1), np.zeros((2, 1, 1, 1)), np.zeros((2, 2)), 8), np.array(right), empty, empty)


@pytest.mark.parametrize(
    ("right", "needed"),
    [
        ([0.5, 0.9, 1.0, 1.0], 32 * 4**0.5), ([0.96, 1, 1, 1], 8.0), ([0.5, 0.6, 0.7, 0.9], np.inf),
        ([0.97, 0.9, 1.0, 1.0], 32 * 4**0.5), ([0.2, 0.1, 0.0, 0.0], np.inf),
    ],
)  # fmt: skip
def test_the_number_of_trials_is_interpolated_where_enough_are_right_from_there_on(right: list[float], needed: float) -> None:
    assert outcome(right).needed(NUMBERS) == pytest.approx(needed)


def test_counts_have_the_mean_and_the_variance_of_their_rates_and_of_what_units_share(linear_circuit: Build) -> None:
    scene = scene_of(circuits(linear_circuit)["right"])
    lab = module.Laboratory(scene, scene.rig(jump=2.0, sites=2, span=SPAN, trials=100))
    rates, bin, trials, many = np.full((1, 6, UNITS), 40.0), scene.test.task.bin, 5, 20_000
    counts = lab.counts(rates, trials, many, np.random.default_rng(2))[:, 0]
    axes = module.leading_axes(scene.training.trials.rate)[:, : module.MODES]
    shared = trials * UNITS * (module.SHARED * bin) ** 2 * axes @ axes.T
    np.testing.assert_allclose(counts.mean(axis=0), trials * 40 * bin, atol=5 * np.sqrt((2 + shared.max()) / many))
    wanted = np.diag(np.full(UNITS, trials * 40 * bin)) + shared
    for moment in (0, 5):
        np.testing.assert_allclose(np.cov(counts[:, moment].T), wanted, atol=6 * wanted.max() / np.sqrt(many))
    kept = np.exp(-bin / module.LASTING)
    lagged = (counts[:, 0] - counts[:, 0].mean(axis=0)).T @ (counts[:, 1] - counts[:, 1].mean(axis=0)) / many
    np.testing.assert_allclose(lagged, kept * shared, atol=6 * wanted.max() / np.sqrt(many))


def test_where_no_student_is_right_the_nearest_is(linear_circuit: Build) -> None:
    models = circuits(linear_circuit)
    scene = scene_of(models["right"])
    near = linear_circuit(models["right"].arrays()["W"] + 1e-3, dt=0.01)
    students = {"far": models["wrong 0"], "near": near}
    rig = scene.rig(jump=2.0, sites=2, span=SPAN, trials=100)
    verdicts = experiments(scene, students, rig, Design("right", -np.inf, NUMBERS[:2], 2, 20, 20))
    assert (verdicts.right, verdicts.why) == ("near", "nearest by its responses")
    assert not experiments(scene, students, rig, Design("right", 1.0, NUMBERS[:2], 2, 20, 20)).outcomes


def test_a_circuit_whose_rates_do_not_vary_has_no_size_of_a_push(linear_circuit: Build) -> None:
    scene = scene_of(circuits(linear_circuit)["right"])
    still = Side(scene.training.task, Trials.from_arrays(0 * scene.training.trials.rate, scene.training.trials.time))
    with pytest.raises(OptionError, match=r"^linear: units have a typical time constant of 0\.2 s and standard deviation of 0, from which no size"):
        replace(scene, training=still).rig(jump=1.0, sites=2, span=SPAN, trials=10)


def test_random_pushes_stay_within_the_rig() -> None:
    rng = np.random.default_rng(3)
    for sign, signs in (("both", {-1.0, 1.0}), ("excite", {1.0}), ("inhibit", {-1.0})):
        rig = Rig.of(9, current=1.0, sites=3, span=SPAN, until=0.2, trials=5, among=[1, 3, 5, 7], sign=sign)
        drawn = np.array([random_push(rig, rng) for _ in range(60)])
        assert ((drawn != 0).sum(axis=1) == 3).all() and set(np.unique(drawn[drawn != 0])) == signs
        assert set(np.flatnonzero(drawn.any(axis=0))) == {1, 3, 5, 7}


def test_a_circuit_whose_rates_cannot_fall_below_0_is_not_pushed_there(linear_circuit: Build) -> None:
    floored = linear_circuit(np.zeros((UNITS, UNITS)), dt=0.01, initial_values={"x": {"value": 0.2, "unit": "Hz", "meaning": "rest"}})
    scene = scene_of(floored)
    rig = scene.rig(jump=50.0, sites=2, span=SPAN, trials=10)
    np.testing.assert_allclose(rig.low, -0.9 * 0.2)
    assert (rig.high > 1).all() and isinstance(replace(rig, trials=3), Rig) and isinstance(scene.test.task, Task)


def test_verdicts_come_back_from_their_file_and_damage_is_noticed(found: Verdicts, tmp_path: Path) -> None:
    path = tmp_path / "kept.safetensors"
    save_verdicts(path, found)
    again = load_verdicts(path)
    assert (again.circuit, again.seed, again.right, again.why, again.matched) == (found.circuit, found.seed, found.right, found.why, found.matched)
    assert again.rows(NUMBERS) == found.rows(NUMBERS)
    for one, other in zip(again.outcomes, found.outcomes, strict=True):
        assert one.kind == other.kind and one.plan.students == other.plan.students and one.plan.trials == other.plan.trials
        for mine, theirs in ((one, other), (one.plan, other.plan)):
            for name, value in vars(theirs).items():
                assert not isinstance(value, np.ndarray) or np.array_equal(getattr(mine, name), value)
    content = path.read_bytes()
    path.write_bytes(content[:-9] + b"damaged!!")
    with pytest.raises(FileProblem):
        load_verdicts(path)
    save_arrays(path, {"told": np.frombuffer(b"{}", np.uint8)})
    with pytest.raises(FileProblem, match="holds no experiments"):
        load_verdicts(path)
