"""A circuit held against itself is itself by every truth, and against another it is off by what is known of the two."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cortex_sim import Model, simulate
from cortex_sim.analysis._explored import explored_flow
from cortex_sim.analysis._preparation import Side, delayed_reaches
from cortex_sim.analysis._spectrum import spectrum
from cortex_sim.cards import catalogue
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison._battery import LEADING
from cortex_sim.comparison._cells import cells_of
from cortex_sim.comparison._mechanism import (
    CURRENTS,
    FIXED,
    FLOW,
    INSIDE,
    MODES,
    POINTS,
    PUSHES,
    WORST,
    Cell,
    CircuitTruths,
    Electrodes,
    below_unconnected,
    read_students,
)
from cortex_sim.simulation import Problem, trajectory
from cortex_sim.tasks.perturbations._pushes import push, silence
from cortex_sim.trials import Trials

UNITS = 12
WHEN = {"fraction": 0.3, "start": 0.1, "duration": 0.05}


@pytest.fixture(scope="module")
def circuit() -> Model:
    """Tanh units with two stable states and a saddle between them, and a random part."""
    rng = np.random.default_rng(0)
    m = np.where(np.arange(UNITS) % 2, 1.0, -1.0)
    card = catalogue.load("sompolinsky_1988")
    J = 1.8 * np.outer(m, m) / UNITS + 0.3 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    slow = {"value": 100, "unit": "ms", "meaning": "time constant"}
    return card.with_arrays({"J": J}, units=UNITS, parameters={"tau": slow}, dt={"value": 1, "unit": "ms", "meaning": "step"})


@pytest.fixture(scope="module")
def side(circuit: Model) -> Side:
    return delayed_reaches(circuit, (6,), seed=0)[0]


def changed(circuit: Model, *, order: np.ndarray | None = None, factor: float = 1.0) -> Model:
    """The circuit with other weights, by order of its sources or by size."""
    J = circuit.arrays()["J"]
    return circuit.with_arrays({"J": factor * (J if order is None else J[:, order])})


def test_a_circuit_is_nothing_apart_from_itself_and_something_from_others(circuit: Model, side: Side) -> None:
    known = CircuitTruths.of(circuit, side.task, side.trials.rate, seed=0)
    assert len(known.points) == 3 and known.stable == 2
    itself = known.apart(circuit, side.task, side.trials.rate, seed=0)
    assert itself == pytest.approx({FLOW: 0, FIXED: 0, CURRENTS: 0}, abs=1e-9)
    other = changed(circuit, order=np.roll(np.arange(UNITS), 1))
    found = known.apart(other, side.task, simulate(other, side.task).rate, seed=0)
    assert all(found[truth] > 0.1 for truth in (FLOW, FIXED, CURRENTS))
    silent = changed(circuit, factor=0.0)  # rest alone is fixed, and no currents flow
    found = known.apart(silent, side.task, simulate(silent, side.task).rate, seed=0)
    far = np.linalg.norm(known.points, axis=1)
    assert found[FIXED] == pytest.approx(far.mean() / known.spread, rel=1e-6)
    assert found[CURRENTS] == 1


def test_currents_count_in_the_unit_of_the_rates_whatever_the_network_calls_its_units(circuit: Model, side: Side) -> None:
    """A network r = C r' + d with weights C^-1 J C sends the currents that a circuit of weights J sends."""
    card = catalogue.load("leaky_tanh")
    C = np.diag(np.random.default_rng(1).uniform(0.5, 3, UNITS))
    J = circuit.arrays()["J"]
    network = card.with_arrays({"W": np.linalg.inv(C) @ J @ C, "C": C}, units=UNITS, observed=UNITS, channels=0)
    known = CircuitTruths.of(circuit, side.task, side.trials.rate, seed=0)
    assert known.apart(network, side.task, side.trials.rate, seed=0)[CURRENTS] == pytest.approx(0, abs=1e-12)
    hidden = catalogue.load("leaky_readout").with_arrays({}, units=UNITS, observed=UNITS, channels=0)
    assert np.isnan(known.apart(hidden, side.task, simulate(hidden, side.task).rate, seed=0)[CURRENTS])


@pytest.mark.parametrize("seen", [True, False])
def test_students_are_read_by_every_truth_that_is_known(circuit: Model, side: Side, seen: bool) -> None:
    electrodes = None if seen else Electrodes(10, 5, 20, 0.03, np.zeros(UNITS), 1.0, 0)
    shown = electrodes.of(side, 1) if electrodes else side
    pushed = [push(side.task, UNITS, seed=1, amplitude=1.0, **WHEN), silence(side.task, UNITS, seed=2, rate=0.0, **WHEN)]
    true = [simulate(circuit, task).rate - side.trials.rate for task in pushed]
    tasks = [replace(task, initial=shown.task.initial) for task in pushed]
    known = CircuitTruths.of(circuit, side.task, side.trials.rate, seed=0) if seen else None
    cell = Cell("planted", circuit, 1.0, 0, shown, shown, tasks, true, spectrum(circuit), 2, known, electrodes)
    assert cell.view == ("100%" if seen else "100% by spikes")
    found = read_students(cell, {"itself": circuit, "weaker": changed(circuit, factor=0.8), "none": changed(circuit, factor=0.0)}, ("itself", "none"))
    assert found.stable == {"itself": 2, "none": 1}
    assert found.students == ("itself", "weaker", "none") and found.truths[MODES][0] == 0
    for truth in (MODES, *((PUSHES, FLOW, FIXED) if seen else ())):  # from a start seen through noise, some runs end in the other stable state
        assert found.truths[truth].argsort().tolist() == [2, 1, 0], truth
    np.testing.assert_allclose(found.truths[PUSHES], np.mean(found.halves, axis=0))
    if seen:
        assert found.truths[PUSHES][0] == pytest.approx(1, abs=1e-9)  # either backend
        assert all(values[0] == pytest.approx(values.max()) for values in found.alike.values())
    else:
        assert np.isnan(found.truths[FLOW]).all() and (found.truths[PUSHES] < 1).all()


def test_activity_is_read_about_the_mean_of_training_and_through_spikes_of_each_students_own(circuit: Model, side: Side) -> None:
    taught = Side(side.task, Trials.from_arrays(3 * side.trials.rate + 1, side.trials.time))
    pushed = [push(side.task, UNITS, seed=seed, amplitude=1.0, **WHEN) for seed in (1, 2)]
    true = [simulate(circuit, task).rate - side.trials.rate for task in pushed]
    weaker = changed(circuit, factor=0.8)
    plain = Cell("planted", circuit, 1.0, 0, taught, side, pushed, true, spectrum(circuit), 2, None, None)
    found = read_students(plain, {"weaker": weaker}).alike["R² of rates"][0]
    known, copy = taught.trials.rate, simulate(weaker, side.task).rate
    missed, whole = (((side.trials.rate - other) ** 2 / known.var(axis=(0, 1))).sum() for other in (copy, known.mean(axis=(0, 1))))
    assert found == pytest.approx(1 - missed / whole, rel=1e-9)
    through = replace(plain, electrodes=Electrodes(10, 5, 20, 0.03, np.zeros(UNITS), 1.0, 0))
    assert len(set(read_students(through, {"one": circuit, "the same": circuit, "and again": circuit}).alike["RSA"])) == 3


@pytest.mark.parametrize("bin", [0.005, 0.02])
def test_electrodes_see_students_on_the_bins_of_the_circuit(circuit: Model, side: Side, bin: float) -> None:
    seen_on = []

    class Watched(Electrodes):
        def see(self, rates: np.ndarray, place: int, bin: float) -> np.ndarray:
            seen_on.append(bin)
            return super().see(rates, place, bin)

    electrodes, task = Watched(10, 5, 20, 0.03, np.zeros(UNITS), 1.0, 0), side.task.on_bins(bin)
    shown = electrodes.of(Side(task, simulate(circuit, task)), 1)
    pushed = [push(shown.task, UNITS, seed=1, amplitude=1.0, **WHEN), silence(shown.task, UNITS, seed=2, rate=0.0, **WHEN)]
    true = [simulate(circuit, part).rate - shown.trials.rate for part in pushed]
    read_students(Cell("planted", circuit, 1.0, 0, shown, shown, pushed, true, spectrum(circuit), 2, None, electrodes), {"itself": circuit})
    assert seen_on == pytest.approx([bin, bin])


def test_the_truths_of_a_circuit_are_read_along_what_it_explores_where_it_goes(circuit: Model, side: Side) -> None:
    known = CircuitTruths.of(circuit, side.task, side.trials.rate, seed=0)
    flat = side.trials.rate.reshape(-1, UNITS)
    leading = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][: known.axes.shape[1]].T
    np.testing.assert_allclose(known.axes @ known.axes.T, leading @ leading.T, atol=1e-6)
    states = trajectory(Problem(circuit, circuit.arrays(), side.task))
    for (condition, moment), flow in zip(POINTS, known.flows, strict=True):
        there = states[condition, int(np.argmin(np.abs(side.task.time - moment)))]
        np.testing.assert_allclose(flow, explored_flow(circuit, there, known.axes), rtol=1e-9)
    assert not np.allclose(known.flows[0], explored_flow(circuit, states[POINTS[0][0], 0], known.axes), rtol=1e-3)


def test_a_response_explained_worse_than_nothing_counts_as_the_worst(circuit: Model, side: Side) -> None:
    pushed = [push(side.task, UNITS, seed=draw, amplitude=1.0, **WHEN) for draw in (1, 2)]
    true = [1e-3 * np.ones_like(side.trials.rate), simulate(circuit, pushed[1]).rate - side.trials.rate]  # a teacher that hardly answers the first
    cell = Cell("planted", circuit, 1.0, 0, side, side, pushed, true, spectrum(circuit), 2, None, None)
    found = read_students(cell, {"itself": circuit}, ())
    assert found.halves[0] == WORST and found.halves[1] == pytest.approx(1, abs=1e-9)


def test_electrodes_see_rates_without_bias_and_with_the_noise_of_counts() -> None:
    rest, spread, count = np.array([0.0, 3.0]), 2.0, 400
    rates = np.tile(np.add(rest, [1.0, -2.0]), (50, 60, 1))
    electrodes = Electrodes(20.0, 5.0, count, 0.02, rest, spread, 7)
    seen = electrodes.see(rates, 0, 0.01)
    fired = 20 + 5 * (rates[0, 0] - rest) / spread
    bound = 5 * spread / 5 * np.sqrt(fired / count / (50 * 0.6))  # the spikes of all trials, conditions and bins
    assert (np.abs(seen.mean(axis=(0, 1)) - rates[0, 0]) < bound).all()
    assert np.array_equal(seen, electrodes.see(rates, 0, 0.01)) and not np.array_equal(seen, electrodes.see(rates, 1, 0.01))
    kernel = 1 / (2 * np.sqrt(np.pi) * 0.02)  # integral of the squared Gaussian, 1/s
    expected = (spread / 5) ** 2 * fired * kernel / count
    middle = seen[:, 15:45].var(axis=(0, 1))
    assert np.allclose(middle, expected, rtol=0.25)  # about 50 x 30 bins, a tenth of them independent: 2/150 under a root is 0.12


def test_beside_students_stand_units_without_connections_and_pushes_where_activity_goes() -> None:
    circuit = catalogue.load("hennequin_2014").with_arrays({}, units=20)
    (cell,) = cells_of("small", circuit, {1.0: False}, 0, (24, 5))
    found = read_students(cell, {"itself": circuit, "alone": unconnected(circuit)})
    for truth in (PUSHES, INSIDE):
        assert found.truths[truth] == pytest.approx([1.0, cell.alone[truth]], abs=1e-6) and cell.alone[truth] < 0.9
        assert f"{cell.alone[truth]:.2f} to {cell.alone[truth]:.2f} of the {truth}, where 0 of 2 students explain less" == below_unconnected(
            [found], cell.view, truth
        )
    flat = cell.training.trials.rate.reshape(-1, circuit.units)
    axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:LEADING].T
    for task, anywhere in zip(cell.inside, cell.pushed[::2], strict=True):
        within, units = (one.drives[-1].pattern for one in (task, anywhere))
        np.testing.assert_allclose(within @ axes @ axes.T, within, atol=1e-9 * np.abs(within).max())
        assert np.sqrt((within**2).mean()) == pytest.approx(np.sqrt((units**2).mean()), rel=0.3)  # units differ in what moves them by 2 s.d.


def test_a_student_without_a_fixed_point_is_infinitely_far_by_them(circuit: Model, side: Side, linear_circuit: Callable[..., Model]) -> None:
    known = CircuitTruths.of(circuit, side.task, side.trials.rate, seed=0)
    drifting = linear_circuit(np.zeros((UNITS, UNITS)), rate="x", equations="dx/dt = (1*Hz + 0*x + 0*W(x) + drive(t, i))/tau : Hz")
    assert known.apart(drifting, side.task, simulate(drifting, side.task).rate, seed=0)[FIXED] == np.inf
