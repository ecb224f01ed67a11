"""Keys hold everything that decides a result, nothing that does not, and are the same in another process."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import cortex_sim as cs
from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.runtime import code_key, content_key, read_only
from cortex_sim.studies.tuning._folds import Material
from cortex_sim.studies.tuning._tuning import Plan, _key
from cortex_sim.tasks.body import HUMAN, Body, Load

ZEROS, W = np.zeros((2, 3)), np.arange(6.0).reshape(3, 2).T


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ZEROS, ZEROS.T),
        (ZEROS, ZEROS.astype(np.int64)),
        (ZEROS, np.nextafter(ZEROS, 1)),
        (ZEROS, -ZEROS),
        (ZEROS, ZEROS.tolist()),
        (W, W.copy().reshape(3, 2)),
        (1, 1.0),
        (1, True),
        (1, "1"),
        (1.0, "1.0"),
        (0.0, -0.0),
        (None, "null"),
        (None, []),
        (None, ""),
        ("", []),
        ([], {}),
        (["ab", "c"], ["a", "bc"]),
        (["a,b"], ["a", "b"]),
        ([[1], 2], [1, [2]]),
        ([[1], [2]], [[1, 2]]),
        ([[], []], [[]]),
        ([1, 2], [12]),
        ([], [[]]),
        ({"a": 1}, {"b": 1}),
        ({"a": {"b": 1}}, {"a": 1, "b": 1}),
        ({1: "a"}, {"1": "a"}),
        ({"a": "b;c=d"}, {"a": "b", "c": "d"}),
        (b"a", "a"),
        (np.array(["a", "b"]), np.array(["ab"])),
        (np.array(["1"]), np.array([1])),
        (np.array("a"), "a"),
        (np.zeros(0), np.zeros((0, 3))),
        ("\ud800", "\udcff"),  # halves of surrogate pairs, as damaged files have them
    ],
)
def test_keys_differ_where_contents_do(one: object, other: object) -> None:
    assert content_key(one) != content_key(other)
    assert content_key(one, other) != content_key(other, one)
    assert content_key([one], other) != content_key([one, other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": W, "b": (1, 2)}, {"b": [1, 2], "a": np.ascontiguousarray(W)}),
        (np.float64(2), 2.0),
        (np.int32(2), 2),
        (np.bool_(True), True),
        (np.array(["a", "bc"]), np.array(["a", "bc"], dtype=object)),
        (np.array(["a"], dtype="U9"), np.array(["a"])),
        (W.astype(">f8"), W),
    ],
)
def test_keys_agree_where_only_the_memory_or_the_order_of_names_differs(one: object, other: object) -> None:
    assert content_key(one) == content_key(other)


def test_what_has_no_fixed_content_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^key: object <object object at 0x[0-9a-f]+> cannot be part of one; give numbers, text, arrays, lists"):
        content_key(object())


def test_a_read_only_array_is_no_window_on_one_that_can_change() -> None:
    mine = np.zeros(3)
    view = mine.view()
    view.flags.writeable = False
    for given in (mine, view):
        kept = read_only(given)
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 1
        assert not np.shares_memory(kept, mine) and read_only(kept) is kept and read_only(kept[1:]).base is kept


def model() -> cs.Model:
    return cs.load("leaky_readout").with_arrays({}, units=4, observed=2, channels=2)


def part(value: float = 1.0) -> dict[str, Any]:
    return {"value": value, "unit": "ms", "meaning": "a number"}


def merged(name: str, inner: str, **changes: Any) -> Callable[[Any], dict[str, Any]]:
    def change(card: Any) -> dict[str, Any]:
        parts = card.model_dump()[name]
        return parts | {inner: parts[inner] | changes}

    return change


MODEL: dict[str, Any] = {
    "kind": "rate",
    "units": 5,
    "observed": 3,
    "channels": 3,
    "taps": 2,
    "spacing": part(10.0),
    "seed": 1,
    "dt": part(5.0),
    "integrator": "exponential_euler",
    "one_step_a_bin": True,
    "rate": "x",
    "silent": {"value": -1.0, "unit": "1", "meaning": "silent"},
    "equations": lambda card: card.equations + "\nz = 2*r : 1 (constant over dt)",
    "parameters": merged("parameters", "tau", value=71.0),
    "inputs": merged("inputs", "drive", unit="2"),
    "projections": merged("projections", "W", keep_zeros=True),
    "readout": lambda card: {"weights": "C", "offset": "b"},
    "initial": None,
    "initial_values": {"x": {"value": 0.5, "unit": "1", "meaning": "first"}},
}
WORDS = {"name", "title", "paper", "notes", "weights"}


def test_the_table_of_changes_has_every_field() -> None:
    assert MODEL.keys() | WORDS == set(cs.Model.model_fields)
    assert SPIKING.keys() | (WORDS - {"weights"}) == set(cs.SpikingModel.model_fields)
    assert TASK.keys() | {"name"} == {one.name for one in fields(cs.Task)}


@pytest.mark.parametrize("name", MODEL)
def test_any_field_of_a_model_changes_its_key(name: str) -> None:
    card = model()
    value = MODEL[name](card) if callable(MODEL[name]) else MODEL[name]
    changed = card.model_copy(update={name: value} if not isinstance(value, dict) else {name: _validated(card, name, value)})
    assert changed.key != card.key == model().key


def _validated(card: Any, name: str, value: Any) -> Any:
    """The parts of a card as its own class makes them; whether the card as a whole still makes sense plays no part in a key."""
    from pydantic import TypeAdapter

    return TypeAdapter(type(card).model_fields[name].annotation).validate_python(value)


def test_weights_and_their_order_count_and_words_do_not() -> None:
    card = model()
    entry = card.arrays()["W"]
    entry[0, 0] += 1e-12
    assert card.with_arrays({"W": entry}).key != card.key
    dump = card.model_dump()
    other = cs.Model.model_validate(dump | {"projections": dict(reversed(dump["projections"].items()))})
    assert other.key != card.key  # positions name the random streams
    worded = {name: p | {"meaning": "other", "source": "other"} for name, p in dump["parameters"].items()}
    said = {"name": "other", "title": "other", "paper": "other", "notes": "other", "parameters": worded}
    assert card.with_arrays({}, **said).key == card.key


def circuit() -> cs.SpikingModel:
    return cs.load("brunel_2000")  # type: ignore[return-value]


def first(card: cs.SpikingModel, table: str, **changes: Any) -> dict[str, Any]:
    parts = card.model_dump()[table]
    name = next(iter(parts))
    return parts | {name: parts[name] | changes}


SPIKING: dict[str, Any] = {
    "kind": "other",
    "seed": 1,
    "scale": 0.5,
    "dt": {"value": 0.2, "unit": "ms"},
    "limit": {"value": 1.0, "unit": "Hz"},
    "neurons": lambda card: first(card, "neurons", reset="v = 0*mV"),
    "populations": lambda card: first(card, "populations", size=7),
    "inputs": lambda card: first(card, "inputs", unit="nS"),
    "synapses": lambda card: first(card, "synapses", on_pre="v += 2*w"),
    "projections": lambda card: first(card, "projections", rule="bernoulli", arguments={"probability": {"value": 0.1}}),
    "scaling": {"input": "a", "charge": "b", "external_count": "c", "external_weight": "d", "external_rate": "e"},
}


@pytest.mark.parametrize("name", SPIKING)
def test_any_field_of_a_spiking_model_changes_its_key(name: str) -> None:
    card = circuit()
    value = SPIKING[name](card) if callable(SPIKING[name]) else SPIKING[name]
    if isinstance(value, dict):
        value = _validated(card, name, value)
    assert card.model_copy(update={name: value}).key != card.key == circuit().key
    assert card.model_copy(update={"title": "other", "name": "other", "notes": "other", "paper": "other"}).key == card.key


def spikes(shift: float = 0.0) -> cs.Trials:
    when, unit = np.array([0.01, 0.05, 0.06]) + shift, np.array([0, 1, 0])
    return cs.Trials.from_spikes((when, unit, np.array([0, 1, 1])), 0.01 * np.arange(10), units=2, condition=["a", "b"])


BODY = Body(HUMAN, None, (0.0, 0.4))
LASTING = np.ones(100)


def task(**changes: Any) -> cs.Task:
    given: dict[str, Any] = {
        "condition": np.array(["a", "b"]),
        "epochs": {"movement": (0.0, 0.1)},
        "channels": xr.DataArray(np.ones((2, 100, 1)), dims=("trial", "step", "channel")),
        "targets": xr.DataArray(np.ones((2, 10, 2)), dims=("trial", "time", "axis"), attrs={"units": "cm"}),
        "mask": np.ones((2, 10)),
        "drives": (cs.tasks.Drive(np.ones((2, 3)), LASTING),),
        "clamps": (cs.tasks.Clamp(np.array([0]), 0.0, LASTING > 0),),
        "body": BODY,
        "loads": (Load(LASTING, force=np.ones((2, 2))),),
        "feeling": LASTING,
        "recordings": {"thalamus": spikes()},
        "notes": {"delay_s": [0.1, 0.2], "count": 3},
    }
    return cs.Task("asked", 0.0, 0.1, **(given | changes))


TASK: dict[str, list[Any]] = {
    "bin": [0.02],
    "step": [5e-4],
    "start": [0.02],
    "stop": [0.12],
    "condition": [np.array(["a", "c"]), np.array([0, 1])],
    "epochs": [{}, {"movement": (0.0, 0.05)}],
    "channels": [None, xr.DataArray(np.zeros((2, 100, 1)), dims=("trial", "step", "channel"))],
    "targets": [None, xr.DataArray(np.ones((2, 10, 2)), dims=("trial", "time", "axis"), attrs={"units": "m"})],
    "mask": [None, np.full((2, 10), 2.0)],
    "initial": [np.zeros((2, 3))],
    "drives": [(), (cs.tasks.Drive(np.ones((2, 3)), LASTING, into="hold"),), (cs.tasks.Drive(np.ones((2, 3)), 2 * LASTING),)],
    "clamps": [(), (cs.tasks.Clamp(np.array([0]), 1.0, LASTING > 0),), (cs.tasks.Clamp(np.array([1]), 0.0, LASTING > 0),)],
    "body": [None, replace(BODY, delay=0.07), replace(BODY, held=True)],
    "loads": [(), (Load(LASTING, torque=np.ones((2, 2))),)],
    "feeling": [None, 0.5 * LASTING],
    "recordings": [{}, {"other": spikes()}, {"thalamus": spikes(0.001)}],
    "notes": [{}, {"delay_s": [0.1, 0.3], "count": 3}, {"delay_s": [0.1, 0.2], "count": 3.0}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in TASK.items() for value in values])
def test_any_field_of_a_task_changes_its_key(name: str, value: Any) -> None:
    changed = task()
    object.__setattr__(changed, name, value)  # fields that only make sense together need not, for a key
    assert changed.key != task().key


def test_names_of_a_task_and_its_inputs_do_not_change_its_key() -> None:
    asked = task()
    drives, loads = (tuple(replace(one, name="other") for one in parts) for parts in (asked.drives, asked.loads))
    assert replace(asked, name="other", drives=drives, loads=loads).key == asked.key
    assert asked.select([0, 1]).key == asked.key != asked.select([1, 0]).key


TRIALS = {
    "rate": {"rate": np.full((2, 3, 4), 2.0)},
    "time": {"time": np.array([0.1, 0.2, 0.3])},
    "condition": {"condition": ["a", "c"]},
    "units": {"units": "1"},
}


@pytest.mark.parametrize("name", TRIALS)
def test_anything_of_trials_changes_their_key_but_where_they_come_from(name: str, tmp_path: Path) -> None:
    def made(**changes: Any) -> cs.Trials:
        given: dict[str, Any] = {"rate": np.ones((2, 3, 4)), "time": np.array([0.0, 0.1, 0.2]), "condition": ["a", "b"], "provenance": None}
        return cs.Trials.from_arrays(**(given | changes))

    assert made(**TRIALS[name]).key != made().key == made(provenance={"model": "other"}).key
    made().save(tmp_path / "trials.nc")
    assert cs.Trials.load(tmp_path / "trials.nc").key == made().key
    assert len({spikes().key, spikes(0.001).key, spikes().units([0]).key, spikes().select([0]).key, made().key}) == 5


@pytest.mark.parametrize("name", [one.name for one in fields(cs.Options)])
def test_any_option_changes_the_key(name: str) -> None:
    changed, value = cs.Options(), getattr(cs.Options(), name)
    object.__setattr__(changed, name, value + 1 if isinstance(value, (int, float)) else f"{value}, other")
    assert changed.key != cs.Options().key


def test_another_process_finds_the_same_keys() -> None:
    objects = [model(), circuit(), task(), spikes(), cs.Options()]
    code = (
        "import pickle, sys; print(*[one.key for one in pickle.load(sys.stdin.buffer)]); from cortex_sim.runtime import code_key; print(code_key())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(objects), capture_output=True, check=True, env=os.environ | {"PYTHONHASHSEED": "7"}
    )
    assert run.stdout.decode().split() == [*(one.key for one in objects), code_key()]


def test_what_is_frozen_cannot_be_changed_through_its_arrays() -> None:
    entry = model().arrays()["W"]
    card = model().with_arrays({"W": entry})
    key = card.key
    entry[0, 0] = 7
    card.arrays()["W"][0, 0] = 7
    assert card.key == key and card.arrays()["W"][0, 0] != 7
    pattern, rate = np.ones((2, 3)), np.ones((2, 3, 4))
    asked, trials = task(drives=(cs.tasks.Drive(pattern, LASTING),)), cs.Trials.from_arrays(rate, np.arange(3.0))
    keys = asked.key, trials.key
    pattern[0, 0] = rate[0, 0, 0] = 7
    for array in (asked.drives[0].pattern, asked.mask, asked.channels.values, asked.loads[0].force, trials.rate):  # type: ignore[union-attr]
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    assert (asked.key, trials.key) == keys


def test_trials_that_are_kept_take_their_recordings_and_notes_along() -> None:
    kept = task().select([1, 1, 0])
    assert kept.notes == {"delay_s": [0.2, 0.2, 0.1], "count": 3}
    played = kept.recordings["thalamus"]
    assert played.condition.tolist() == ["b", "b", "a"] and np.bincount(played.spikes.trial).tolist() == [2, 2, 1]
    assert task().select([-1]).recordings["thalamus"].spikes.time.tolist() == [0.05, 0.06]


def test_a_trained_model_of_another_size_can_be_saved_and_read(tmp_path: Path) -> None:
    trained = model().with_arrays(model().arrays())
    trained.save(tmp_path / "trained.toml")
    found = cs.cards.catalogue.load(str(tmp_path / "trained.toml"))
    assert found.key == trained.key and isinstance(found, cs.Model)
    sized = found.with_arrays({}, units=9, observed=7, channels=5)
    assert sized.weights is None
    sized.save(tmp_path / "sized.toml")
    assert cs.cards.catalogue.load(str(tmp_path / "sized.toml")).key == sized.key and not (tmp_path / "sized.safetensors").exists()


def test_a_study_depends_on_everything_of_its_task() -> None:
    asked, plan = task(), Plan()
    material = Material(model(), cs.Trials.from_arrays(np.ones((2, 10, 2)), asked.time), asked, cs.Options())
    keys = [_key(material, {}, plan)]
    for name in ("body", "loads", "clamps", "feeling", "drives", "channels", "mask"):
        other = task()
        object.__setattr__(other, name, TASK[name][0])
        keys.append(_key(replace(material, task=other), {}, plan))
    keys += [_key(replace(material, task=replace(asked, body=replace(BODY, delay=0.07))), {}, plan)]
    assert len(set(keys)) == len(keys) == 9


def test_a_checkpoint_of_another_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cortex_sim.fitting import _training as training
    from cortex_sim.fitting import train

    monkeypatch.setattr(training, "SAVE_EVERY", -1.0)
    student = cs.load("leaky_tanh").with_arrays({}, units=3, observed=3, channels=0)
    rates = np.random.default_rng(0).normal(size=(4, 10, 3)).cumsum(axis=1)
    run = cs.tasks.free_run(rates[:, 0], 0.1)
    trials, kept = cs.Trials.from_arrays(rates, run.time), tmp_path / "fit.pt"

    def interrupted(done: float, text: str) -> None:
        if done >= 0.5:
            raise KeyboardInterrupt

    quick = cs.Options(epochs=4, closed_form=False)
    started = train(student, trials, run, options=quick, checkpoint=kept, report=interrupted)
    assert started.interrupted and kept.exists()
    others: list[dict[str, Any]] = [{"seed": 1}, {"options": replace(quick, rate=7e-3)}, {"trials": cs.Trials.from_arrays(rates + 1, run.time)}]
    for other in others:
        given = {"trials": trials, "options": quick, "seed": 0} | other
        with pytest.raises(FileProblem, match=r"fit\.pt: holds another fit: .* Remove it, or give another checkpoint\.$"):
            train(student, given.pop("trials"), run, checkpoint=kept, report=lambda done, text: None, **given)
    whole = train(student, trials, run, options=quick, report=lambda done, text: None)
    resumed = train(student, trials, run, options=quick, checkpoint=kept, report=lambda done, text: None)
    assert resumed.train == whole.train and resumed.model.key == whole.model.key
