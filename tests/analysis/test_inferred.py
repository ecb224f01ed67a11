"""Networks fitted to recordings: what CURBD regresses, what currents add up to, and what of a low-rank connectivity its activity can tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy import ndarray

from cortex_sim.analysis._currents import current_correlations, currents, share_from_others
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards.weights import between
from cortex_sim.comparison._connectivity import effective_connectivity, entry_correlation
from cortex_sim.errors import ComparisonError, OptionError, TaskError
from cortex_sim.fitting._fit import Fitted, train
from cortex_sim.fitting._options import Options
from cortex_sim.fitting.rules.curbd import Student
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.forms._leaky import Leaky
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._random_dots import COHERENCES, NOISE, SCALE, random_dots
from cortex_sim.tasks._regions import region_thirds, regions
from cortex_sim.tasks._task import Task
from cortex_sim.trials._trials import Trials

UNITS, TAU, DT = 20, 0.1, 0.002  # of leaky_recorded
REGIONS = {"A": np.arange(4), "B": np.arange(4, 6), "C": np.arange(6, 9)}


def card(name: str = "leaky_recorded", units: int = UNITS) -> Model:
    return catalogue.load(name).with_arrays({}, units=units, channels=0)


def recording(units: int = UNITS, gain: float = 1.8, seed: int = 3, duration: float = 2.0) -> Trials:
    """What a noiseless network of that card does from a random state."""
    rng = np.random.default_rng(seed)
    model = card(units=units).with_arrays({"W": gain * rng.standard_normal((units, units)) / np.sqrt(units)})
    quiet = {name: p.model_dump() | ({"value": 0.0} if name == "s" else {}) for name, p in model.parameters.items()}
    start = np.tanh(rng.uniform(-1, 1, (1, units)))
    return simulate(model.with_arrays({}, parameters=quiet), free_run(start, duration))


def taught(model: Model, trials: Trials, epochs: int = 1, **how: float) -> Fitted:
    task = Task("rest", 0.0, len(trials.time) * 0.01, trials.condition)
    options = Options(epochs=epochs, validation=0, closed_form=False)
    return train(model, trials, task, rule="curbd", how=how, options=options, report=lambda done, text: None)


@pytest.mark.parametrize("lead", [0.0, TAU])
def test_curbd_is_ridge_regression_on_the_learners_own_rates(lead: float) -> None:
    """The published online rule, with every inverse written out from all samples so far."""
    alpha, observed = 0.5, recording(duration=0.4).rate
    student = Student(Leaky.of(card(), asked_by="test"), alpha, lead)
    W, x = card().arrays()["W"], np.arctanh(observed[0, 0])
    recorded = np.arctanh(observed[0])
    wanted = np.tanh(recorded + lead * np.gradient(recorded, 0.01, axis=0))
    shown = student.shown(observed, 0.01)[0]
    np.testing.assert_allclose(shown, wanted, rtol=0, atol=1e-9)  # the state is read off the rate to round-off
    student.begin(x)
    start, rates, less = W.copy(), np.zeros((0, UNITS)), np.zeros((0, UNITS))
    for target in wanted:
        r, slope = np.tanh(x), (-x + W @ np.tanh(x)) / TAU
        error = np.tanh(x + lead * slope) - target
        rates, less = np.vstack([rates, r]), np.vstack([less, W @ r - error])
        x = x + DT * slope
        student.step(np.zeros(UNITS), target, 1.0, correct=True)
        gram = rates.T @ rates + alpha * np.eye(UNITS)
        W = start + np.linalg.solve(gram, rates.T @ (less - rates @ start.T)).T
        np.testing.assert_allclose(student.arrays()["W"], W, rtol=0, atol=1e-8)
        np.testing.assert_allclose(student.state, x, rtol=0, atol=1e-9)
    assert np.abs(W - start).max() > 0.01


def test_a_network_that_already_is_the_circuit_is_left_as_it_is() -> None:
    """At each bin the network's rate is the recorded one of that bin, not of the one before: no error, no change."""
    rng, quiet = np.random.default_rng(3), card().parameters["s"].model_dump() | {"value": 0.0}
    truth = 1.8 * rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    model = card().with_arrays({"W": truth}, parameters={n: p.model_dump() for n, p in card().parameters.items()} | {"s": quiet})
    trials = simulate(model, free_run(np.tanh(rng.uniform(-1, 1, (1, UNITS))), 1.0))
    student = Student(Leaky.of(model, asked_by="test"), 1.0, 0.0)
    student.begin(np.arctanh(trials.rate[0, 0]))
    for target in trials.rate[0]:
        for rest in range(5):
            student.step(np.zeros(UNITS), target, 1.0, correct=rest == 0)
    np.testing.assert_allclose(student.arrays()["W"], truth, rtol=0, atol=1e-9)


def test_curbd_makes_a_network_that_goes_through_the_recording_by_itself() -> None:
    fitted = taught(card(units=60), recording(60, duration=3.0), epochs=12, lead=TAU)
    assert min(fitted.train) < 0.02 and min(fitted.validation) < 0.05
    assert fitted.outputs is not None and fitted.outputs.shape == (1, 300, 60)


def test_curbd_reads_rates_through_the_readout_of_leaky_tanh() -> None:
    rng, rates = np.random.default_rng(8), recording(duration=0.4).rate
    readout = {"C": np.diag(rng.uniform(5, 20, UNITS)), "d": rng.uniform(10, 30, UNITS)}
    model = card("leaky_tanh").with_arrays(readout, observed=UNITS)
    student, x = Student(Leaky.of(model, asked_by="test"), 1.0, 0.0), rng.standard_normal(UNITS)
    np.testing.assert_allclose(student.shown(rates @ readout["C"] + readout["d"], 0.01), rates, rtol=0, atol=1e-12)
    student.begin(x)
    output = student.step(np.zeros(UNITS), np.tanh(x), 1.0, correct=True)
    np.testing.assert_allclose(output, readout["C"] @ np.tanh(x) + readout["d"], rtol=1e-12)
    np.testing.assert_allclose(student.arrays()["W"], model.arrays()["W"], rtol=0, atol=1e-12)  # no error, no change


def test_students_that_curbd_cannot_correct_are_told_why() -> None:
    trials = recording()
    with pytest.raises(TaskError, match=r"^gru: curbd needs a leaky network"):
        taught(card("gru"), trials)
    with pytest.raises(TaskError, match=r"^leaky_readout: curbd needs one unit for each observed rate, as in leaky_recorded; here outputs"):
        taught(card("leaky_readout"), trials)
    with pytest.raises(TaskError, match=r"^leaky_dale: curbd changes every weight of 'W', which excitatory forbids; remove it from the card\.$"):
        taught(card("leaky_dale"), trials)
    with pytest.raises(TaskError, match=r"^valente_2022: curbd changes every weight of 'P', which rank forbids; remove it from the card\.$"):
        taught(card("valente_2022"), trials)
    with pytest.raises(OptionError, match=r"^rule 'curbd': lead -0\.1 s should be 0 or more\.$"):
        taught(card(), trials, lead=-0.1)


def test_currents_add_up_to_the_recurrent_input_and_are_those_of_the_blocks() -> None:
    rng = np.random.default_rng(0)
    W, r = rng.standard_normal((9, 9)), rng.standard_normal((50, 9))
    found, whole = currents(W, r, REGIONS), r @ W.T
    for target, members in REGIONS.items():
        np.testing.assert_allclose(sum(found[target, source] for source in REGIONS), whole[:, members], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["B", "C"][7, 1], W[5, 6:9] @ r[7, 6:9], rtol=1e-12)


def test_the_share_from_others_is_that_of_planted_powers() -> None:
    """Independent rates of unit variance: a block's power is its squared weights, up to the standard error of 20000 samples."""
    rng = np.random.default_rng(1)
    W, r = rng.standard_normal((9, 9)), np.linalg.qr(rng.standard_normal((400, 9)))[0]  # rates are orthonormal: powers are exact
    W[:4, 4:] = 0
    share = share_from_others(currents(W, r, REGIONS))
    assert share["A"] == 0
    others = np.delete(W[4:6], [4, 5], axis=1)
    assert share["B"] == pytest.approx((others**2).sum() / (W[4:6] ** 2).sum(), rel=1e-12)
    assert current_correlations(currents(W, r, REGIONS), currents(-2 * W, r, REGIONS))["B", "C"] == pytest.approx(-1)
    assert current_correlations(currents(W, r, REGIONS), currents(W, r, REGIONS))["A", "B"] == 0  # nothing to correlate
    with pytest.raises(ComparisonError, match=r"^currents: regions A, B name 6 units; each of 9 should be in one region\.$"):
        currents(W, r, {name: REGIONS[name] for name in "AB"})


def test_connections_between_regions_have_the_share_and_size_that_were_asked_for() -> None:
    W = between.build((600, 600), np.random.default_rng(2), regions=3, gain=0.7, density=0.05)
    inside = np.kron(np.eye(3), np.ones((200, 200))) > 0
    assert not W[inside].any()
    pairs = (~inside).sum()
    assert abs((W[~inside] != 0).mean() - 0.05) < 5 * np.sqrt(0.05 * 0.95 / pairs)
    variance = 0.7**2 / (0.05 * 200)
    assert (W[W != 0] ** 2).mean() == pytest.approx(variance, rel=5 * np.sqrt(2 / (0.05 * pairs)))
    for changes, message in (({"density": 0.0}, "density 0 should"), ({"regions": 2.5}, "2.5 regions of shape")):
        with pytest.raises(OptionError, match=f"^between: {message}"):
            between.build((6, 6), np.random.default_rng(0), **({"regions": 2, "gain": 1, "density": 0.5} | changes))


def planted(rank: int, units: int = 40, seed: int = 4) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    rng = np.random.default_rng(seed)
    m, n = rng.standard_normal((2, units, rank))
    return m @ n.T / units, m, n, rng.standard_normal((units, 2))


@pytest.mark.parametrize("rank", [1, 3])
def test_effective_connectivity_keeps_what_lies_in_the_span_and_nothing_else(rank: int) -> None:
    J, m, n, inputs = planted(rank)
    basis = np.linalg.qr(np.hstack([m, inputs]))[0]
    inside = basis @ basis.T @ n
    found = effective_connectivity(J, inputs, rank)
    np.testing.assert_allclose(found, m @ inside.T / len(J), rtol=0, atol=1e-12)  # closed form
    np.testing.assert_allclose(effective_connectivity(found, inputs, rank), found, rtol=0, atol=1e-12)
    outside = np.random.default_rng(5).standard_normal((len(J), rank))
    outside -= basis @ basis.T @ outside
    np.testing.assert_allclose(effective_connectivity(m @ (inside + outside).T / len(J), inputs, rank), found, rtol=0, atol=1e-12)


def test_a_linear_network_does_the_same_with_its_effective_connectivity() -> None:
    J, _, _, inputs = planted(2)
    kept, x, y = effective_connectivity(J, inputs, 2), np.zeros(len(J)), np.zeros(len(J))
    assert np.abs(kept - J).max() > 0.01
    for u in np.random.default_rng(6).standard_normal((100, 2)):
        x, y = 0.8 * x + 0.2 * (J @ x + inputs @ u), 0.8 * y + 0.2 * (kept @ y + inputs @ u)
    np.testing.assert_allclose(y, x, rtol=0, atol=1e-11)
    assert np.abs(x).max() > 0.1


def test_the_raw_correlation_is_the_product_of_those_of_the_vectors() -> None:
    """Of m n' and m k', entries without mean: cos(n, k); means of 1000 entries are of the order of 1/32, and enter squared."""
    rng = np.random.default_rng(7)
    m, n, other = rng.standard_normal((3, 1000))
    k = n + 2 * other
    assert entry_correlation(np.outer(m, n), np.outer(m, k)) == pytest.approx(n @ k / np.linalg.norm(n) / np.linalg.norm(k), abs=0.01)


def test_weights_held_to_a_rank_have_no_closed_form() -> None:
    trials = recording(UNITS)
    task = Task("rest", 0.0, 2.0, trials.condition)
    started = train(card("valente_2022"), trials, task, options=Options(epochs=0, validation=0)).start
    assert np.linalg.matrix_rank(started.arrays()["P"]) == 1


def test_factors_have_entries_of_the_order_of_one_so_that_learning_rates_mean_what_they_mean_in_the_paper() -> None:
    """Of m n'/N with normal entries: sizes of m and n vary by 1/sqrt(2 N) each, that of the balanced factors by half of both together."""
    model = catalogue.load("valente_2022").with_arrays({}, channels=1)
    factors = dict(Twin(model, model.arrays(), dtype=torch.float64).named_parameters())
    for name in ("parametrizations.P.original0", "parametrizations.P.original1"):
        size = float(factors[name].detach().square().mean().sqrt())
        assert abs(size - 1) < 5 * np.sqrt(2) / 2 / np.sqrt(2 * model.units)


def test_random_dots_say_their_side_on_average_and_only_while_they_move() -> None:
    task = random_dots(400, seed=1)
    assert task.channels is not None and task.targets is not None and task.mask is not None
    motion, coherence = task.channels.values[:, ::10, 0], np.array(task.notes["coherence"])
    moving = (task.time > -0.005) & (task.time < 0.795)
    assert moving.sum() == 80 and not motion[:, ~moving].any()
    for one in COHERENCES:
        trials = motion[coherence == one][:, moving]
        assert abs(trials.mean() - SCALE * one) < 5 * NOISE / np.sqrt(trials.size)
    assert np.array_equal(task.targets.values[:, -1, 0], np.sign(coherence)) and task.mask.sum() == 400 * 10
    np.testing.assert_array_equal(random_dots(400, seed=1).channels.values, task.channels.values)  # type: ignore[union-attr]
    assert not np.array_equal(random_dots(400, seed=2).channels.values, task.channels.values)  # type: ignore[union-attr]
    with pytest.raises(TaskError, match=r"^random dots: 0 trials"):
        random_dots(0)
    assert replace(task, mask=None).bins == 110


def test_the_bump_goes_through_b_and_the_place_in_c_changes_once() -> None:
    task, member = regions(300, seed=2), region_thirds(300)
    total = sum(drive.pattern[0] * drive.course[:, None] for drive in task.drives)
    assert not total[:, member["A"]].any() and total[:, member["B"]].min() == 0 and total[:, member["C"]].max() == 0
    driven = {name: (total[:, member[name]] != 0).any(axis=0) for name in "BC"}
    assert all(abs(one.mean() - 0.5) < 5 * 0.5 / np.sqrt(100) for one in driven.values())
    places = np.flatnonzero(driven["B"])
    centre = (total[:, member["B"]][:, places] * places).sum(axis=1) / total[:, member["B"]].sum(axis=1)
    assert (np.diff(centre) > -1e-9).all() and np.ptp(centre[:2000]) < 1e-9 and np.ptp(centre[7000:]) < 1e-9
    changes = np.flatnonzero(np.abs(np.diff(total[:, member["C"]], axis=0)).max(axis=1) > 0)
    assert changes.tolist() == [7999]
    with pytest.raises(TaskError, match=r"^regions: 5 units"):
        regions(5)
