"""The contract of a protocol, held by every file of the folder, and what `match` must show."""

import ast
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from cortex_sim import Model, Report, load, run, simulate
from cortex_sim.analysis._followed import drives_along
from cortex_sim.analysis._preparation import delayed_reaches, resting_state
from cortex_sim.cards import catalogue
from cortex_sim.cards.edit import with_values
from cortex_sim.comparison._cells import JUMP, in_whole, pushes
from cortex_sim.errors import CortexSimError, OptionError
from cortex_sim.simulation._dynamics import flow
from cortex_sim.tasks._task import BIN
from cortex_sim.tasks.body import REACHING
from tests.test_house import ROOT
from tests.test_meaning import renamed, spread

PROTOCOLS = sorted(catalogue.protocols())
SLOW = {
    "recipes",
    "mechanism",
    "spikes_and_rates",
    "identity",
    "gain_primitives",
    "sparse_recording",
    "universality",
}  # 14 to 42 s; their parts have tests of their own
SCORE = {"measure", "student", "split", "estimate", "null_mean", "null_sd", "null", "ceiling", "interval", "better"}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_asks_says_what_it_reproduces_and_what_it_claims(name: str) -> None:
    tree = ast.parse(catalogue.protocols()[name].read_text())
    text = ast.get_docstring(tree) or ""
    assert text.split("\n")[0].endswith("?") and "Reproduces" in text and "Claim" in text
    parameters = inspect.signature(catalogue.protocol(name).run).parameters
    assert next(iter(parameters)) == "model"
    assert all(parameters[key].kind is inspect.Parameter.KEYWORD_ONLY for key in ("seed", "smoke"))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Condition averages of a planted population: cosine tuning to eight directions, each unit with a time course of its own."""
    rng, time = np.random.default_rng(0), 0.01 * np.arange(-40, 60)
    angle, preferred = np.radians(np.arange(0, 360, 45)), rng.uniform(0, 2 * np.pi, 30)
    course = np.exp(-(((time[:, None] - rng.uniform(-0.3, 0.5, 30)) / 0.15) ** 2))
    rate = 10 + 8 * np.cos(angle[:, None] - preferred)[:, None] * course
    path = tmp_path_factory.mktemp("recording") / "averages.npz"
    np.savez(path, firing_rate=rate.transpose(2, 1, 0), time_ms=np.round(1e3 * time), direction_deg=np.degrees(angle))
    return path


@pytest.fixture(scope="module")
def spikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spikes of single trials of three conditions, each of which half of the units prefer; there is no hand beside them."""
    rng, conditions, units = np.random.default_rng(1), np.tile(np.arange(3.0), 20), 12
    counts = rng.poisson(np.where(np.arange(units) % 3 == conditions[:, None], 12, 3))
    trial, unit = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0).T
    path = tmp_path_factory.mktemp("spikes") / "spikes.npz"
    np.savez(path, spike_time_ms=rng.uniform(0, 400, trial.size), spike_unit=unit, spike_trial=trial, trial_condition=conditions,
             trial_duration_ms=np.full(conditions.size, 400.0), trial_light=np.arange(60) // 3 % 2)  # fmt: skip
    return path


def test_spikes_alone_are_a_recording(spikes: Path) -> None:
    report = run("decode", recording=spikes, smoke=True)
    assert report.scores and "spikes.npz" in str(report.told)


def _needed(name: str, recording: Path, spikes: Path) -> dict[str, Any]:
    """What a protocol of recordings needs to run."""
    pushed = {"recording": spikes, "perturbed": "trial_light == 1", "pushed": (0.1, 0.15)}
    return {"match_recording": {"recording": recording}, "discriminate_recording": {"recording": spikes}, "match_pushed_recording": pushed}.get(
        name, {}
    )


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in SLOW)) for name in PROTOCOLS])
def test_a_smoke_run_writes_a_whole_report_whose_claims_hold(name: str, tmp_path: Path, recording: Path, spikes: Path) -> None:
    report = run(name, seed=1, smoke=True, **_needed(name, recording, spikes))
    assert report.holds, [claim for claim in report.claims if not claim.holds]
    page = report.write(tmp_path / "run", command="a command").read_text()
    assert "a command" in page and "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    scores = json.loads((tmp_path / "run/scores.json").read_text())
    assert scores
    for score in scores:
        assert set(score) >= SCORE
        for key in ("null", "ceiling", "interval"):
            assert score[key] is not None or score["reasons"][key]
    listed = (ROOT / "docs" / "nulls.md").read_text(encoding="utf-8").split("## Comparisons")[0]
    assert {score.surrogate for score in report.scores if score.p is not None and score.surrogate.split(";")[0] not in listed} == set()
    made = json.loads((tmp_path / "run/run.json").read_text())
    assert made["seed"] == 1 and {"brian2", "torch", "numpy"} <= set(made["versions"]) and made["seconds"] and made["cards"]
    assert list((tmp_path / "run/figures").glob("*.svg")) and list((tmp_path / "run").glob("*.nc"))
    if name == "match":
        _check_match(report)


def _check_match(report: Report) -> None:
    """The untrained and the shuffled student stand in every table, and no condition is in both parts."""
    measures = {score.measure for score in report.scores}
    assert len(measures) == 11
    everyone = {"own gain", "leaky tanh", "Dale", "untrained", "shuffled", "without connections", "positive control"}
    for measure in measures:
        students = {score.student for score in report.scores if score.measure == measure}
        assert students == everyone | (set() if "response" in measure or "spectrum" in measure else {"ridge from the first bin"})
    taught, asked = (report.trials[name].rate for name in ("training", "teacher"))
    nearest = [np.abs(taught[:, 0] - one[0]).max(axis=1).min() for one in asked]
    assert min(nearest) > 0.1  # Hz; states are continuous draws


@pytest.mark.long
def test_a_protocol_gives_the_same_for_the_same_seed() -> None:
    module = catalogue.protocol("match")
    one, again = (module.run(load(module.MODEL), seed=1, smoke=True) for _ in range(2))
    assert [score.estimate for score in one.scores] == [score.estimate for score in again.scores]


@pytest.mark.parametrize("name", ["layered", "chaotic"])
def test_mechanism_pushes_a_circuit_through_its_own_input_as_far_as_it_tells_the_students(name: str) -> None:
    module = catalogue.protocol("mechanism")
    circuit = module.known_circuits(load(module.MODEL), 0)[name]
    (side,) = delayed_reaches(circuit, (2,), seed=0)
    seen, rest = np.arange(0, circuit.units, 2), resting_state(circuit)
    spread = side.trials.rate.std(axis=(0, 1))[seen]
    told = pushes(circuit, side.seen(seen).task, spread, rest[seen], 0)[0].drives[-1].pattern
    most = JUMP * spread * module.TAU / 20  # ms
    assert np.isclose(np.abs(told), most).any() and (np.abs(told) <= most * (1 + 1e-12)).all()
    assert name == "chaotic" or (rest[seen] + told > 0).all()
    done = in_whole(circuit, side, pushes(circuit, side.seen(seen).task, spread, rest[seen], 0)[0], seen).drives[-1].pattern
    arrays, states = circuit.arrays(), np.tile(rest, (2, 1))
    moved = flow(circuit, arrays, states, {"drive": done}) - flow(circuit, arrays, states)
    wanted = np.zeros_like(moved)
    wanted[:, seen] = told / (module.TAU * 1e-3)  # per s
    np.testing.assert_allclose(moved, wanted, atol=1e-6 * np.abs(wanted).max())
    assert np.allclose(done, wanted * module.TAU * 1e-3) is (name == "chaotic")  # its input has the unit of the rates


@pytest.mark.parametrize("kind", ["line", "point"])
def test_attractors_follow_one_path_and_depart_from_it_as_their_flow_says(kind: str) -> None:
    module, card = catalogue.protocol("attractors"), load("ostrow_2023")
    flow_parts = module.flow_of(card)
    assert flow_parts == ("k_1", "k_3", "s")
    path = simulate(with_values(card, {"s": 0.0}), module._task({}, module.FIRST)).rate
    system = module._system(card, flow_parts, kind, 0, 0)
    task = replace(module._task({}, path[:, 0]), drives=drives_along(system, path))
    np.testing.assert_allclose(simulate(with_values(system, {"s": 0.0}), task).rate, path, atol=1e-12)
    rate = simulate(system, task.select(np.repeat([0, 1], 60)), seed=1).rate.reshape(2, 60, *path.shape[1:])
    apart = (rate - rate.mean(axis=1, keepdims=True)).reshape(-1, *path.shape[1:])
    factor = 1 + BIN * system.arrays()["k_1"]  # of a departure, from step to step
    for variable, wanted in enumerate(factor):
        x = apart[:, :, variable]
        found = (x[:, :-1] * x[:, 1:]).sum() / (x[:, :-1] ** 2).sum()
        noise = card.scalars["s"] * np.sqrt(BIN)
        assert abs(found - wanted) < 5 * noise / np.sqrt((x[:, :-1] ** 2).sum())
    with_noise = apart[:, -1, 0].std()  # integrated for all of the run, or what is kept of it
    steps = path.shape[1] - 1
    kept = (1 - factor[0] ** (2 * steps)) / (1 - factor[0] ** 2) if factor[0] < 1 else steps
    assert with_noise == pytest.approx(noise * np.sqrt(kept * 59 / 60), rel=5 / np.sqrt(2 * 118))


@pytest.mark.parametrize("name", [name for name, path in catalogue.models().items() if path.parent.name != "spiking" and name != "ostrow_2023"])
def test_a_card_without_a_linear_a_cubic_flow_and_noise_is_no_attractor(name: str) -> None:
    with pytest.raises(OptionError, match=rf"^{name}: attractors needs two units"):
        catalogue.protocol("attractors").flow_of(load(name))


@pytest.mark.long
@pytest.mark.parametrize("name", ["sompolinsky_1988", "murphy_miller_2009"])
def test_match_runs_on_every_circuit(name: str) -> None:
    report = catalogue.protocol("match").run(load(name), smoke=True)
    assert {"own gain", "positive control"} <= {score.student for score in report.scores}
    assert report.answer.count("R²") >= 2
    if name == "sompolinsky_1988":  # without connections a unit decays by 1 - dt/tau = 0 a step
        assert any(reason.startswith("Spectrum, without connections: no modes") for reason in report.absent)


def test_a_recording_is_compared_with_a_model_that_is_given_and_with_no_other(recording: Path) -> None:
    alone = run("match", recording=recording, smoke=True)
    taught = alone.models["hidden units"]
    assert isinstance(taught, Model)
    beside = run("match", taught, recording=recording, smoke=True)
    added = [score for score in beside.scores if score.split.startswith("every condition")]
    assert {score.student for score in added} == {taught.name} and len(added) == 7 and taught.name in beside.models
    assert [score.estimate for score in beside.scores if score not in added] == [score.estimate for score in alone.scores]
    circuit = run("match", "hennequin_2014", recording=recording, smoke=True)  # which hears no channels and has another number of units
    assert {score.measure for score in circuit.scores if score.student == "hennequin_2014"} == {score.measure for score in added} - {"R² of rates"}
    with pytest.raises(OptionError, match="needs recording"):
        run("match_recording")


@pytest.mark.long
@pytest.mark.parametrize("name", ["leaky_tanh", "gru"])
def test_a_recording_is_compared_with_a_network_that_nobody_taught(name: str, recording: Path) -> None:
    other = run("match", name, recording=recording, smoke=True)
    assert [score for score in other.scores if (score.student, score.split[:5]) == (name, "every")]


@pytest.mark.long
def test_a_recording_is_compared_alike_with_a_network_by_any_names(recording: Path) -> None:
    plain = load("leaky_tanh").with_arrays({}, units=30)
    assert isinstance(plain, Model)
    found, wanted = (run("match", model, recording=recording, smoke=True).scores for model in (renamed(spread(plain), 5), plain))
    assert [score.measure for score in found] == [score.measure for score in wanted]
    np.testing.assert_allclose([score.estimate for score in found], [score.estimate for score in wanted], rtol=1e-9)


def test_a_plan_for_a_recording_keeps_to_its_networks_and_its_rig(spikes: Path, tmp_path: Path) -> None:
    """Two networks of 12 units that differ in one connection only: only pushes of its two ends tell them apart."""
    W = np.zeros((12, 12))
    networks = tmp_path / "networks"
    networks.mkdir()
    for name, weight in (("a", 0.9), ("b", -0.9)):
        W[7, 5] = weight
        load("leaky_tanh").with_arrays({}, units=12, channels=0).with_arrays({"W": W.copy(), "b": np.zeros(12)}).save(networks / f"{name}.toml")
    load("leaky_tanh").with_arrays({}, units=3).save(networks / "small.toml")
    rig = tmp_path / "rig.toml"
    rig.write_text("sites = 1\ncurrent = 30\nstart = 0.1\nstop = 0.13\nuntil = 0.3\ntrials = 50\nsign = 'excite'")
    report = run("discriminate", recording=spikes, networks=networks, rig=rig, smoke=True)
    page = report.write(tmp_path / "run")
    lines = (page.parent / "plan.csv").read_text().splitlines()
    assert lines[0] == "unit,current,response expected by a,response expected by b" and len(lines) == 2
    assert lines[1].startswith(("5,30.0,", "7,30.0,")) and set(report.models) == {"a", "b"}
    assert "plan.csv" in json.loads((page.parent / "run.json").read_text())["outputs"]
    with pytest.raises(OptionError, match="networks and a rig belong to a recording"):
        run("discriminate", networks=networks, smoke=True)
    with pytest.raises(CortexSimError, match="1 cards, 0 of 12 observed units; at least two networks"):
        (networks / "a.toml").unlink()
        (networks / "b.toml").unlink()
        run("discriminate", recording=spikes, networks=networks, smoke=True)


def test_match_on_a_recording_says_why_there_are_no_pushes(shared_data: Path) -> None:
    path = shared_data / "hatsopoulos2007_rs_centerout.npz"
    report = run("match", recording=path, smoke=True)
    assert not [score for score in report.scores if "response" in score.measure]
    assert any("nobody pushed this cortex" in reason for reason in report.absent)
    tuned = next(score for score in report.scores if (score.measure, score.student) == ("R² of rates", "cosine tuning"))
    assert tuned.estimate == pytest.approx(_cosine_r2(path), abs=1e-6)


def _cosine_r2(path: Path) -> float:
    """Leave-one-direction-out cosine tuning, written out: predictions, and each unit scaled by its deviation on the other conditions."""
    with np.load(path) as file:
        chosen = (file["time_ms"] >= -300) & (file["time_ms"] < 400)
        rate, angle = file["firing_rate"][:, chosen].transpose(2, 1, 0), np.radians(file["direction_deg"])
    error = total = 0.0
    for left in range(8):
        others = [k for k in range(8) if k != left]
        design = np.c_[np.ones(7), np.cos(angle[others]), np.sin(angle[others])]
        weights = np.linalg.pinv(design) @ rate[others].reshape(7, -1)
        found = (np.array([1, np.cos(angle[left]), np.sin(angle[left])]) @ weights).reshape(rate.shape[1:])
        deviation = rate[others].std(axis=(0, 1))
        deviation = np.maximum(deviation, 0.1 * np.median(deviation))
        error += (((rate[left] - found) / deviation) ** 2).sum()
        total += (((rate[left] - rate[others].mean(axis=(0, 1))) / deviation) ** 2).sum()
    return 1 - error / total


@pytest.mark.long
@pytest.mark.parametrize(
    "card", ["ostrow_2023", "montbrio_2015", "feedforward", "three_regions", "lif_student", "sussillo_abbott_2009", "lif", "murphy_miller_2009"]
)
def test_a_protocol_runs_on_a_card_or_says_in_our_words_why_it_cannot(card: str, recording: Path) -> None:
    for name in catalogue.protocols():
        options = {option: str(value) for option, value in _needed(name, recording, recording).items() if option != "pushed"}
        try:
            report = catalogue.protocol(name).run(catalogue.load(card), smoke=True, **options)
        except CortexSimError as problem:
            said = str(problem)
        else:
            said = report.answer
        assert 20 < len(said) < 3000, name


@pytest.mark.long
@pytest.mark.parametrize("name", ["match", "match_recording", "rotations", "tangling", "subspaces", "decode"])
def test_the_unit_of_a_recording_changes_no_score(name: str, recording: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(recording))
    arrays["time_ms"] -= 100  # -500 to 490 ms, which every protocol's window is in
    time, angle = arrays["time_ms"] / 1e3, np.radians(arrays["direction_deg"])[:, None]
    reach = 8 / (1 + np.exp(-time / 0.05))  # cm: the hand moves as the units do, in the direction of each condition
    hand = {"xhandposition": reach * np.cos(angle), "yhandposition": reach * np.sin(angle)}
    paths = {unit: tmp_path / f"{unit:g}.npz" for unit in (1.0, 1e-3)}
    for unit, path in paths.items():
        np.savez(path, **arrays | hand | {"firing_rate": unit * arrays["firing_rate"]})
    wanted, found = (run(name, recording=path, smoke=True).scores for path in paths.values())
    assert [(score.measure, score.student) for score in found] == [(score.measure, score.student) for score in wanted]
    np.testing.assert_allclose([score.estimate for score in found], [score.estimate for score in wanted], rtol=1e-4, atol=1e-4)


def test_match_says_what_a_spiking_circuit_cannot_do_beside_a_recording(tmp_path: Path) -> None:
    circuit, path = load("soc_lif"), tmp_path / "a.npz"
    with pytest.raises(
        OptionError, match=r"soc_lif: is a spiking circuit, whose neurons are not the recorded ones, so that a push .* cannot be given"
    ):
        run("match", circuit, recording=path, perturbed="light == 1", smoke=True)
    with pytest.raises(OptionError, match=r"soc_lif: is a spiking circuit, which match_spiking matches with its own students\. Leave out --students"):
        run("match", circuit, students="all", smoke=True)
    numbers = {"firing_rate": np.random.default_rng(0).uniform(0, 50, (8, 71, 6)), "time_ms": np.arange(-300, 410, 10)}
    np.savez(path, **numbers)
    with pytest.raises(OptionError, match=r"soc_lif: the recorded conditions are no directions, .* Give a recording with direction_deg"):
        run("match", circuit, recording=path, smoke=True)


@pytest.mark.long
def test_match_puts_a_spiking_circuit_beside_a_recording(shared_data: Path) -> None:
    report = run("match", "soc_lif", recording=shared_data / "hatsopoulos2007_rs_centerout.npz", smoke=True)
    found = {score.measure: score.estimate for score in report.scores if score.student == "soc_lif"}
    assert {"Procrustes angle (rad)", "linear CKA, debiased"} <= found.keys() and "R² of rates" not in found  # no neuron is a recorded one
    assert 0 < found["linear CKA, debiased"] < 1


def test_the_bias_of_least_effort_is_that_of_networks_of_random_weights() -> None:
    """Preferred torques are the columns of the pseudo-inverse of the torques of units, which drive muscles at random."""
    protocol, rng = catalogue.protocol("limb_preferences"), np.random.default_rng(0)
    for body in (REACHING, protocol._without_biarticular(REACHING)):
        muscles, q = body.muscles, body.arm.joints(np.array(body.home))
        M = np.array([muscles.torque(np.eye(muscles.count)[[m]], q[None], np.zeros((1, 2)))[0] for m in range(muscles.count)]).T
        slopes = np.concatenate([np.linalg.pinv(M @ rng.standard_normal((muscles.count, 4000))) for _ in range(5)])
        bias, axis = protocol.least_effort(body)
        assert protocol._bias(slopes) == pytest.approx(bias, abs=4 / np.sqrt(2 * len(slopes)))
        if bias > 0.1:
            assert protocol._axis(slopes) == pytest.approx(axis, abs=np.degrees(4 / np.sqrt(2 * len(slopes)) / bias / 2))


def test_what_regression_infers_of_few_units_is_that_of_the_stationary_covariance() -> None:
    """Against the Lyapunov equation in continuous time, of which bins of a thousandth of a time constant are near; of all units it is W."""
    protocol, rng, tau = catalogue.protocol("partial_observation"), np.random.default_rng(0), 1000 * catalogue.protocol("partial_observation").BIN
    W, heard = 0.6 * rng.standard_normal((7, 7)) / np.sqrt(7), rng.standard_normal((7, 1))
    A, steps = W - np.eye(7), protocol.BIN / tau
    assert np.linalg.eigvals(A).real.max() < 0
    C = solve_continuous_lyapunov(A, -(2 * protocol.OWN**2 * np.eye(7) + protocol.COMMON**2 / steps * heard @ heard.T))
    seen, hidden = np.array([1, 4, 5]), np.array([0, 2, 3, 6])
    wanted = W[np.ix_(seen, seen)] + W[np.ix_(seen, hidden)] @ C[np.ix_(hidden, seen)] @ np.linalg.inv(C[np.ix_(seen, seen)])
    np.testing.assert_allclose(protocol._expected(W, heard, seen, tau), wanted, atol=0.01 * np.abs(wanted).max())
    np.testing.assert_array_equal(protocol._expected(W, heard, np.arange(7), tau), W)
