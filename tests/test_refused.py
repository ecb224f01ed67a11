"""Nothing is accepted and then ignored, and what is wrong is said in the package's own words, never in those of a library below it."""

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import numpy as np
import pytest

from cortex_sim.cards import Model, Parameter, Projection, SpikingModel, catalogue
from cortex_sim.errors import CardError, OptionError, TaskError, TrialsError
from cortex_sim.fitting import Options, rules, train
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Clamp, Drive, Task
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.trials import Trials

OTHER: dict[str, Any] = {
    "epochs": 2, "batch": 2, "rate": 0.5, "patience": 1, "validation": 0.5, "closed_form": False, "hidden_start": True, "start": "rest",
    "loss": "cross-entropy", "optimiser": "sgd", "momentum": 0.5, "weight_decay": 0.1, "clip": 1e-3, "penalty_rates": 1.0,
    "penalty_weights": 1.0, "penalty_jacobian": 1.0, "penalty_smoothness": 1.0, "penalty_effort": 1.0, "through": "segment", "segment": 3,
    "device": "cuda",
}  # fmt: skip
WITH: dict[str, dict[str, Any]] = {"momentum": {"optimiser": "sgd"}, "segment": {"through": "checkpoints"}}


def test_every_option_is_tried() -> None:
    assert OTHER.keys() == vars(Options()).keys()


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("rule", rules.names())
def test_an_option_that_a_rule_does_not_use_is_refused(rule: str, name: str) -> None:
    options = replace(Options(), **WITH.get(name, {}), **{name: OTHER[name]})
    takes = (*rules.ALWAYS, *__import__(f"cortex_sim.fitting.rules.{rule}", fromlist=["ACCEPTS"]).ACCEPTS)
    if name in takes:
        rules.refuse_ignored(rule, options)
        return
    with pytest.raises(OptionError, match=rf"^rule '{rule}' does not use \w+ \(got .*\); it takes .*loss.*\.$"):
        rules.refuse_ignored(rule, options)


@pytest.mark.parametrize("name", [name for name, value in vars(Options()).items() if not isinstance(value, str)])
@pytest.mark.parametrize("found", ["2", None, [1], float("nan"), float("inf"), 0.5, True, 1 + 0j])
def test_an_option_of_another_kind_is_refused(name: str, found: object) -> None:
    usual = getattr(Options(), name)
    if (isinstance(usual, bool) and isinstance(found, bool)) or (isinstance(usual, float) and found == 0.5):
        return
    right = {bool: "True or False", int: "a whole number", float: "a finite number"}[type(usual)]
    with pytest.raises(OptionError, match=rf"^Options\.{name}: should be {right} \(got "):
        Options(**{name: found})


def test_numbers_of_numpy_are_numbers() -> None:
    assert Options(epochs=np.int64(3), rate=np.float32(0.5), batch=np.int32(2)) == Options(epochs=3, rate=0.5, batch=2)


def test_options_that_go_with_others_say_so() -> None:
    with pytest.raises(OptionError, match=r"^Options\.momentum: is that of optimiser 'sgd'; 'adam' has its own \(got 0\.5\)\.$"):
        Options(momentum=0.5)
    with pytest.raises(OptionError, match=r"^Options\.segment: counts with through 'segment' or 'checkpoints', not with 'all' \(got 3\)\.$"):
        Options(segment=3)
    task = centre_out(4, preparation=0.1, movement=0.1)
    wanted = Trials.from_arrays(np.random.default_rng(0).normal(size=(4, 20, 3)), task.time)
    with pytest.raises(OptionError, match=r"^Options\.penalty_effort: task 'centre-out reaches' has no body|^Options\.penalty_effort: task "):
        train(catalogue.load("leaky_tanh"), wanted, task, options=Options(penalty_effort=1.0))


def test_a_task_that_nobody_hears_is_refused() -> None:
    circuit = catalogue.load("hennequin_2014").with_arrays({}, units=10)
    with pytest.raises(TaskError, match=r"gives channels alone \(.*\), but hennequin_2014 hears drive; prepare it with currents"):
        simulate(circuit, centre_out(8))
    deaf = catalogue.load("temporal_convolution").with_arrays({}, units=3, observed=2)
    task = Task("pushed", 0.0, 0.1, np.arange(2), drives=(Drive(np.ones((2, 2)), np.ones(100)),))
    with pytest.raises(TaskError, match=r"^task 'pushed': drives temporal_convolution, which hears stimulus \(channels\); give the card an input"):
        simulate(deaf, task)
    with pytest.raises(TaskError, match=r"has channels, of which the spiking circuit lif hears nothing; give it drives"):
        simulate(catalogue.load("lif"), centre_out(2))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Model(kind="rate", title="t", paper="p"), r"^\[units\] is missing\.$"),
        (lambda: Model.model_validate({"kind": "rate", "titel": "t"}), r"^\[titel\] is no key of a card\. Did you mean 'title'\?$"),
        (lambda: Parameter(value="much", meaning="m"), r"^\[value\] should be a finite number.* \(found 'much'\)\.$"),
        (lambda: Projection(rule="gaussian", rnak=2), r"^\[rnak\] is no key of a card\. Did you mean 'rank'\?$"),
        (lambda: SpikingModel(title="t", paper="p", neurons={}, populations={}), r"^\[dt\] is missing\.$"),
        (lambda: catalogue.load("leaky_tanh").with_arrays({}, units="many"), r"^leaky_tanh: \[units\] .* \(found 'many'\)\.$"),
    ],
)
def test_a_model_that_is_not_well_formed_is_a_card_error(build: Any, message: str) -> None:
    with pytest.raises(CardError, match=message):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Trials.from_arrays("rates", np.arange(3.0)),  # type: ignore[arg-type]
        lambda: Trials.from_arrays([[[1.0], [2.0, 3.0]]], np.arange(2.0)),  # type: ignore[arg-type]
        lambda: Trials.from_arrays(None, np.arange(3.0)),  # type: ignore[arg-type]
        lambda: Trials.from_arrays(np.zeros((2, 3, 1)), "time"),  # type: ignore[arg-type]
        lambda: Trials.from_arrays(np.zeros((2, 3, 1)), np.arange(3.0), condition=[[1], [1, 2]]),
        lambda: Trials.from_spikes(None, np.arange(3.0), units=1, condition=[0]),  # type: ignore[arg-type]
        lambda: Trials.from_spikes(("a", "b", "c"), np.arange(3.0), units=1, condition=[0]),  # type: ignore[arg-type]
    ],
)
def test_trials_of_no_numbers_are_a_trials_error(build: Any) -> None:
    with pytest.raises(TrialsError, match=r"should be|have shape"):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Task("t", "0", 1.0, np.arange(2)),  # type: ignore[arg-type]
        lambda: Task("t", 0.0, None, np.arange(2)),  # type: ignore[arg-type]
        lambda: Task("t", 0.0, 1.0, None),  # type: ignore[arg-type]
        lambda: Task("t", 0.0, 1.0, [[1], [1, 2]]),  # type: ignore[arg-type]
        lambda: Task("t", 0.0, 1.0, np.arange(2), initial=[[1.0], [1.0, 2.0]]),  # type: ignore[arg-type]
        lambda: Task("t", 0.0, 1.0, np.arange(2), drives=("push",)),  # type: ignore[arg-type]
        lambda: Task("t", 0.0, 1.0, np.arange(2), channels=np.zeros((2, 1000, 1))),  # type: ignore[arg-type]
        lambda: Drive([[1.0], [1.0, 2.0]], np.ones(3)),  # type: ignore[arg-type]
        lambda: Drive(np.ones((2, 2)), "always"),  # type: ignore[arg-type]
        lambda: Clamp(np.array([0.5]), 0.0, np.ones(3, bool)),
    ],
)
def test_a_task_of_wrong_kinds_is_a_task_error(build: Any) -> None:
    with pytest.raises(TaskError, match=r"should be"):
        build()


def test_a_student_is_not_taught_by_drives_that_it_cannot_hear() -> None:
    task = Task("pushed", 0.0, 0.1, np.arange(4), drives=(Drive(np.ones((4, 2)), np.ones(100)),))
    wanted = Trials.from_arrays(np.random.default_rng(0).normal(size=(4, 10, 2)), task.time)
    with pytest.raises(TaskError, match=r"^task 'pushed': drives temporal_convolution, which hears stimulus \(channels\); give the card an input"):
        train(catalogue.load("temporal_convolution"), wanted, task, options=Options(start="rest"))


@pytest.mark.parametrize("rule", rules.names())
def test_a_checkpoint_is_refused_by_rules_that_write_none(rule: str, tmp_path: Path) -> None:
    task = centre_out(4, preparation=0.05, movement=0.05)
    wanted = Trials.from_arrays(np.random.default_rng(0).normal(size=(4, 10, 2)), task.time)
    options = Options(epochs=0) if "epochs" in (*__import__(f"cortex_sim.fitting.rules.{rule}", fromlist=["ACCEPTS"]).ACCEPTS,) else Options()
    if rules.resumes(rule):
        assert rule == "bptt" and train(catalogue.load("leaky_tanh"), wanted, task, options=options, checkpoint=tmp_path / "fit.pt")
        return
    with pytest.raises(OptionError, match=rf"^rule '{rule}' writes no checkpoint: its runs take seconds \(got '.*fit\.pt'\); leave it out\.$"):
        train(catalogue.load("leaky_tanh"), wanted, task, options=options, rule=rule, checkpoint=tmp_path / "fit.pt")


@pytest.mark.parametrize("name", list(catalogue.models()))
def test_no_field_of_a_model_can_be_assigned_to_or_deleted(name: str) -> None:
    model = catalogue.load(name)
    key = model.key
    for field in type(model).model_fields:
        with pytest.raises(CardError, match=rf"^\[{field}\] of a \w+ cannot be assigned to: a model does not change; make another one"):
            setattr(model, field, None)
        with pytest.raises(CardError, match=rf"^\[{field}\] of a \w+ cannot be deleted"):
            delattr(model, field)
    assert model.key == key


PLACED = [name for name in catalogue.protocols() if "recording" in inspect.signature(catalogue.protocol(name).run).parameters]


@pytest.mark.parametrize("name", PLACED)
def test_a_circuit_beside_a_recording_is_used_or_refused(name: str) -> None:
    """A protocol whose circuit a recording replaces says so by accepting None; given both, it uses both or refuses before it reads a file."""
    run = catalogue.protocol(name).run
    replaced = NoneType in get_args(next(iter(inspect.signature(run).parameters.values())).annotation)
    either = ("decode", "discriminate", "discriminate_recording")
    assert replaced == (name in ("match", "match_recording", "match_pushed_recording", *either))  # the others put the recording beside the circuit
    if name in either:
        with pytest.raises(OptionError, match="takes either a circuit or a recording"):
            run(catalogue.load("hennequin_2014"), recording="nowhere.npz")


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--scale", "0.5"), "--scale applies to spiking circuits; the recording takes the circuit's place"),
     (("--target", "numpy"), "--target numpy chooses the code of spiking circuits; the recording takes the circuit's place")],
)  # fmt: skip
def test_what_applies_to_a_circuit_is_refused_where_a_recording_takes_its_place(option: tuple[str, str], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cortex_sim", "run", "match", "--recording", "any.npz", "--out", str(tmp_path / "out"), *option]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", catalogue.protocols())
def test_a_protocol_takes_no_circuit_of_another_kind(name: str) -> None:
    run = catalogue.protocol(name).run
    first = next(iter(inspect.signature(run).parameters.values())).annotation
    taken = get_args(first) or (first,)
    given = [catalogue.load(card) for card, kind in (("lif", SpikingModel), ("montbrio_2015", Model)) if kind not in taken]
    for model in (*given, "hennequin_2014", 3.0):
        with pytest.raises(OptionError, match=rf"^{name}: model should be "):
            needed = {"recording": "a.npz"} | ({"perturbed": "light == 1"} if "pushed" in name else {})
            run(model, smoke=True, **(needed if name.endswith("_recording") and name in PLACED else {}))
