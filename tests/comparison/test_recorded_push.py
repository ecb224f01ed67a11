"""Recorded pushes of simulated sessions in NWB whose truth is known: the truth reaches the ceiling, nothing is above it, artefacts are masked."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cortex_sim import run
from cortex_sim.cards import Model
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison import RECORDED, RecordedPush, artefact_bins, recorded_response_score
from cortex_sim.errors import ComparisonError, CortexSimError
from cortex_sim.simulation import simulate
from cortex_sim.tasks import free_run
from cortex_sim.tasks.perturbations import inject
from cortex_sim.trials import PerturbedTrials, Recording, Trials, over_bins, poisson_spikes, read_perturbed, write_nwb

Build = Callable[..., Model]
UNITS, CONDITIONS, SPAN, BIN = 10, 4, (0.1, 0.12), 0.01
BASE = 60.0  # Hz at rest, about which the rates of the linear circuit vary
WINDOW = (0.0, 0.4)


def circuit_of(build: Build, seed: int = 0) -> Model:
    W = np.random.default_rng(seed).normal(size=(UNITS, UNITS)) * 0.9 / np.sqrt(UNITS)
    return build(W, dt=BIN)


def push_of(size: float) -> np.ndarray:
    currents = np.zeros(UNITS)
    currents[[1, 4, 7]] = np.array([1.0, -0.5, 0.7]) * size * 0.2 / (SPAN[1] - SPAN[0])
    return currents


def rates_of(model: Model, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean rates over bins of every condition, without and with the push, Hz."""
    task = free_run(8 * np.random.default_rng(1).normal(size=(CONDITIONS, UNITS)), 0.4)
    runs = (simulate(model, one, backend="torch").rate for one in (task, inject(task, push_of(size)[None], span=SPAN)))
    still, pushed = (np.maximum(BASE + over_bins(rate), 0.0) for rate in runs)
    return still, pushed


def session(model: Model, *, size: float = 70.0, trials: int = 40, seed: int = 2, artefact: float = 0.0) -> tuple[Trials, np.ndarray]:
    """Spikes of a session in which half of the trials are pushed, in random order, and which ones.

    Args:
        model: the circuit.
        size: change of rate that the push causes at rest, Hz.
        trials: of each condition and kind.
        seed: of spikes.
        artefact: spurious spikes of every unit in the bins in which light goes on and off.
    """
    rng = np.random.default_rng(seed)
    condition, hit = np.divmod(rng.permutation(np.repeat(np.arange(2 * CONDITIONS), trials)), 2)
    rates = np.stack(rates_of(model, size))[hit, condition]
    time = BIN * np.arange(rates.shape[1])
    edges = [round(edge / BIN) for edge in SPAN]
    rates[np.ix_(hit == 1, edges)] += artefact / BIN
    return poisson_spikes(rates, time, condition=condition, rng=rng), hit


def written(path: Path, trials: Trials, hit: np.ndarray, *, series: str | None = None) -> Path:
    """The session as NWB, with a column 'opto' of its trials and, by name, a series of light in W or a table of intervals."""
    write_nwb(trials, path)
    with h5py.File(path, "a") as file:
        table = file["intervals/trials"]
        table.create_dataset("opto", data=hit.astype(float))
        table.attrs["colnames"] = [*table.attrs["colnames"], "opto"]
        zero = table["go_cue_time"][:][hit == 1]
        if series == "laser":
            light = file["stimulus/presentation"].create_group("laser")
            light.attrs["neurodata_type"], light.attrs["namespace"] = "OptogeneticSeries", "core"
            light.create_dataset("data", data=np.tile([0.0, 0.002, 0.0], len(zero)))
            light.create_dataset("timestamps", data=(zero[:, None] + [SPAN[0] - 0.05, SPAN[0], SPAN[1]]).ravel())
        if series == "stimulation":
            epochs = file["intervals"].create_group("stimulation")
            for name, edge in zip(("start_time", "stop_time"), SPAN, strict=True):
                epochs.create_dataset(name, data=zero + edge)
    return path


def as_read(trials: Trials, hit: np.ndarray) -> PerturbedTrials:
    quiet, pushed = (trials.select(hit == kind).binned() for kind in (0, 1))
    return PerturbedTrials(quiet, pushed, trials.select(hit == 0).smoothed(0.025).averaged(), SPAN, "given")


def truth_of(model: Model, push: RecordedPush, size: float = 70.0) -> np.ndarray:
    still, pushed = rates_of(model, size)
    order = push.averages.condition.astype(int)
    return (pushed - still)[order][:, push.asked]


def test_the_truth_reaches_the_ceiling_and_nothing_is_above_it_beyond_its_interval(linear_circuit: Build) -> None:
    """Over sessions, the share that the true response explains is on average that of the ceiling; other answers explain less."""
    model, off, others = circuit_of(linear_circuit), [], []
    for seed in range(8):
        push = RecordedPush.of(as_read(*session(model, trials=60, seed=seed)), seed=seed)
        truth = truth_of(model, push)
        score = recorded_response_score(push, truth, name="truth", nulls=5)
        ceiling, interval = push.ceiling()
        assert score.ceiling == ceiling and interval is not None and interval[0] < ceiling < interval[1]
        off.append(score.estimate - ceiling)
        for other in (0.7 * truth, 1.5 * truth, np.roll(truth, 1, axis=2), push.response * 0):
            others.append(recorded_response_score(push, other, name="other", nulls=2).estimate - interval[1])
        assert 0.3 < ceiling < 0.99
    assert abs(np.mean(off)) < 4 * np.std(off, ddof=1) / np.sqrt(len(off)) + 0.01
    assert max(others) < 0


def test_currents_are_fitted_to_other_trials_and_the_circuit_answers_as_recorded(linear_circuit: Build) -> None:
    """With the true weights, fitted currents are near those that were injected, and the answer is near the ceiling; without connections it is not."""
    model = circuit_of(linear_circuit)
    push = RecordedPush.of(as_read(*session(model, trials=120)))
    currents = push.currents(model)
    true = push_of(70.0)
    assert np.corrcoef(currents, true)[0, 1] > 0.9
    found = {name: recorded_response_score(push, push.answer(one, push.currents(one)), name=name, nulls=20)
             for name, one in (("own", model), ("alone", unconnected(model)))}  # fmt: skip
    assert found["own"].estimate > 0.85 * push.ceiling()[0]
    assert found["alone"].estimate < found["own"].estimate - 0.1
    null = found["own"].null
    assert found["own"].measure == RECORDED and null is not None and null.max() < found["own"].estimate


def test_a_push_that_is_none_has_a_ceiling_of_nothing(linear_circuit: Build) -> None:
    found = [RecordedPush.of(as_read(*session(circuit_of(linear_circuit), size=0.0, trials=8, seed=seed))).ceiling()[0] for seed in range(6)]
    assert abs(np.mean(found)) < 0.15


def test_artefacts_of_light_are_masked_and_a_push_of_all_units_is_not(linear_circuit: Build) -> None:
    model = circuit_of(linear_circuit)
    edges = [round(edge / BIN) for edge in SPAN]
    clean, spoilt = (as_read(*session(model, artefact=artefact)) for artefact in (0.0, 3.0))
    assert not artefact_bins(clean.quiet, clean.pushed, SPAN).any()
    assert np.flatnonzero(artefact_bins(spoilt.quiet, spoilt.pushed, SPAN)).tolist() == edges
    push = RecordedPush.of(spoilt)
    assert push.artefacts[edges].all() and not (push.until | push.asked)[edges].any()
    assert any("bins at 100, 120 ms are left out: an artefact of the push." in one for one in push.averages.provenance["findings"])
    scores = [recorded_response_score(one, truth_of(model, one), name="truth", nulls=2) for one in (push, RecordedPush.of(clean))]
    assert scores[0].estimate == pytest.approx(scores[1].estimate, abs=0.1)
    everyone = free_run(8 * np.random.default_rng(1).normal(size=(CONDITIONS, UNITS)), 0.4)
    all_up = inject(everyone, np.full((1, UNITS), 400.0), span=SPAN)
    rates = [np.maximum(BASE + over_bins(simulate(model, task, backend="torch").rate), 0.0) for task in (everyone, all_up)]
    rng = np.random.default_rng(5)
    sides = [poisson_spikes(np.repeat(rate, 40, axis=0), BIN * np.arange(40), condition=np.repeat(np.arange(CONDITIONS), 40), rng=rng).binned()
             for rate in rates]  # fmt: skip
    assert not artefact_bins(*sides, SPAN).any()


@pytest.mark.parametrize(
    ("perturbed", "series", "how"),
    [("opto == 1", "laser", "as 'laser' says"), ("laser > 0.001", "laser", "as 'laser' says"),
     ("stimulation > 0", "stimulation", "as 'stimulation' says"), ("opto == 1", "stimulation", "as 'stimulation' says")],
)  # fmt: skip
def test_columns_series_of_light_and_tables_say_which_trials_and_when(
    tmp_path: Path, linear_circuit: Build, perturbed: str, series: str, how: str
) -> None:
    trials, hit = session(circuit_of(linear_circuit), trials=5)
    path = written(tmp_path / "session.nwb", trials, hit, series=series)
    found = read_perturbed(path, perturbed, usual=WINDOW, sd=0.025)
    assert found.how == how
    np.testing.assert_allclose(found.span, SPAN, atol=1e-9)
    for side, kind in ((found.quiet, 0), (found.pushed, 1)):
        wanted = trials.select(hit == kind)
        np.testing.assert_array_equal(side.condition, wanted.condition)
        np.testing.assert_allclose(side.rate, wanted.binned().rate)
    np.testing.assert_array_equal(RecordedPush.of(found).task.condition, found.averages.condition)


def test_which_trials_and_when_can_be_said_and_must_be_where_the_file_does_not(tmp_path: Path, linear_circuit: Build) -> None:
    trials, hit = session(circuit_of(linear_circuit), trials=5)
    path = written(tmp_path / "session.nwb", trials, hit)
    with pytest.raises(CortexSimError, match=r"0 stimuli \(none of none\) are on in these trials; say when it acts, in s from the event"):
        read_perturbed(path, "opto == 1", usual=WINDOW, sd=0.025)
    found = read_perturbed(Recording(path, {"where": "condition < 2"}), "opto == 1", usual=WINDOW, sd=0.025, pushed=SPAN)
    assert found.how == "given" and set(found.averages.condition) == {0, 1}
    for perturbed, message in [
        ("opto = 1", "is no comparison"), ("oppto == 1", "has no column 'oppto'"),
        ("opto == 7", "no trial is left"), ("opto < 7", "no trial is left"),
    ]:  # fmt: skip
        with pytest.raises(CortexSimError, match=message):
            read_perturbed(path, perturbed, usual=WINDOW, sd=0.025, pushed=SPAN)
    for span in ((0.1, 0.1), (0.3, 0.5), (-0.1, 0.2)):
        with pytest.raises(CortexSimError, match="should start before it stops and lie in the window"):
            read_perturbed(path, "opto == 1", usual=WINDOW, sd=0.025, pushed=span)
    with pytest.raises(CortexSimError, match="unless beside perturbed"):
        read_perturbed(Recording(path, {"unless": "opto == 0"}), "opto == 1", usual=WINDOW, sd=0.025, pushed=SPAN)


def test_trials_that_do_not_say_are_neither(tmp_path: Path, linear_circuit: Build) -> None:
    trials, hit = session(circuit_of(linear_circuit), trials=5)
    path = written(tmp_path / "session.nwb", trials, hit)
    with h5py.File(path, "a") as file:
        file["intervals/trials/opto"][:3] = np.nan
    found = read_perturbed(path, "opto == 1", usual=WINDOW, sd=0.025, pushed=SPAN)
    assert found.quiet.shape[0] + found.pushed.shape[0] == len(hit) - 3


def test_too_few_trials_or_no_time_after_the_push_are_refused(linear_circuit: Build) -> None:
    trials, hit = session(circuit_of(linear_circuit), trials=3)
    with pytest.raises(ComparisonError, match=r"^recorded push: no condition has 4 perturbed trials and 4 others; at most 3 of each\."):
        RecordedPush.of(as_read(trials, hit))
    late = as_read(*session(circuit_of(linear_circuit), trials=5))._replace(span=(0.3, 0.39))
    with pytest.raises(ComparisonError, match=r"^recorded push: the window ends at 0\.4 s; nothing is left 0\.02 s after the push"):
        RecordedPush.of(late)


def test_match_asks_for_the_recorded_push_and_the_circuit_itself_answers_best(tmp_path: Path, linear_circuit: Build) -> None:
    model = circuit_of(linear_circuit)
    path = written(tmp_path / "session.nwb", *session(model, trials=60, artefact=3.0), series="laser")
    report = run("match", model, recording=path, perturbed="laser > 0", window=WINDOW, smoke=True)
    r2 = {score.student: score.estimate for score in report.scores}
    ceiling = report.scores[0].settings["ceiling interval"]
    assert max(r2, key=lambda name: r2[name]) == model.name and r2[model.name] < ceiling[1]
    assert r2[model.name] > max(r2["untrained"], r2["without connections"])
    assert report.facts["artefacts"] == "100 ms, 120 ms" and "as 'laser' says" in report.facts["push"]
    with pytest.raises(CortexSimError, match="match: perturbed says which trials of a recording are pushed"):
        run("match", "hennequin_2014", perturbed="laser > 0", smoke=True)
    with pytest.raises(CortexSimError, match=r"^hennequin_2014: observes 200 units; the recording session\.nwb has 10\."):
        run("match", "hennequin_2014", recording=path, perturbed="laser > 0", window=WINDOW, smoke=True)
