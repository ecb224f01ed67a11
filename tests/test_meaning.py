"""Meaning comes from the equations, never from a name: under other names, and with vectors for scalars, every card gives the same numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy import ndarray

from cortex_sim import analysis
from cortex_sim.cards import catalogue
from cortex_sim.cards._equations import FUNCTIONS, GIVEN
from cortex_sim.cards._model import Model
from cortex_sim.cards._units import SCALES
from cortex_sim.errors import CardError, CortexSimError
from cortex_sim.fitting._options import TrainingData
from cortex_sim.fitting._regression import regressions
from cortex_sim.fitting._start import one_unit_each, with_time_constant_of
from cortex_sim.simulation import drive_gain, driven_inputs, flow, push_amplitude, silent_time_constant, simulate, state_of, time_constant
from cortex_sim.simulation.torch import linearise
from cortex_sim.tasks import Drive, Task
from cortex_sim.tasks._centre_out import centre_out

UNITS, TRIALS = 5, 2
CARDS = [name for name, path in catalogue.models().items() if path.parent.name != "spiking"]
STUDENTS = ("leaky_tanh", "leaky_dale", "leaky_readout", "gru", "lif_student", "elman_1990")

STRANGE = [
    "N", "e", "inf", "poisson", "sign", "arctan", "xi", "lastspike", "rand", "randn", "not_refractory", "j", "x_pre", "y_post", "forward", "model",
    "training", "equations", "E", "S", "I", "zoo", "rate", "start", "weights", "arrays", "_private", "tau", "W", "b", "drive", "None_",
    "state_dict", "_step", "dtype", "parameters", "buffers", "T_destination", "half", "dim", "apply", "oo", "euler_gamma", "ceil", "floor",
    "i_syn", "t_spike", "t_in_timesteps", "refractory", "int_", "rewritten", "float64", "device", "x", "r",
]  # fmt: skip


def renamed(model: Model, shift: int = 0) -> Model:
    """The model with other names for every parameter, projection, input, state and subexpression; Brian2, torch or sympy know them first."""
    text = model.parsed
    own = dict.fromkeys((*text.equations, *model.parameters, *model.inputs, *model.projections))
    strange = [*STRANGE[shift:], *STRANGE[:shift], *(f"stranger_{number}" for number in range(40))]
    names = dict(zip(own, strange, strict=False))
    assert not set(names.values()) & {*FUNCTIONS, *GIVEN, *SCALES}
    card: dict[str, Any] = model.model_dump()
    card["equations"] = text.rewritten(names)
    card["rate"] = names[model.rate]
    for table in ("parameters", "inputs", "projections", "initial_values"):
        card[table] = {names[name]: part for name, part in card[table].items()}
    for part in card["inputs"].values():
        part["weights"] = part["weights"] and names[part["weights"]]
    for label in ("readout", "initial"):
        card[label] = card[label] and {key: names[name] for key, name in card[label].items()}
    return Model.model_validate(card).with_arrays({names[name]: array for name, array in model.arrays().items()})


def vectorised(model: Model) -> Model:
    """The same model with one value a unit of every parameter of its equations."""
    card, lines = model.model_dump(), [model.equations.rstrip()]
    for name, part in card["parameters"].items():
        if part["over"] is None and name in model.parsed.names:
            part |= {"over": "units", "value": [part["value"]] * model.units}
            lines.append(f"{name} : {part['unit']} (constant)")
    card["equations"] = "\n".join(lines)
    return Model.model_validate(card).with_arrays({name: array for name, array in model.arrays().items() if name in model.projections or
                                                   model.parameters[name].over})  # fmt: skip


def spread(model: Model) -> Model:
    """The same model with every parameter of its equations over its units, each written as one number, so that its size may change."""
    card, lines = model.model_dump(), [model.equations.rstrip()]
    for name, part in card["parameters"].items():
        if part["over"] is None and name in model.parsed.names:
            part["over"] = "units"
            lines.append(f"{name} : {part['unit']} (constant)")
    return Model.model_validate(card | {"equations": "\n".join(lines)}).with_arrays({n: a for n, a in model.arrays().items() if n in model._arrays})


WAYS: dict[str, Callable[[Model], Model]] = {
    "other names": lambda model: renamed(model, 17), "vectors": vectorised, "both": lambda model: renamed(vectorised(model), 5),
}  # fmt: skip
WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
CLOSE = 1e-12  # relative; numbers and vectors of one entry are rounded alike but for powers, which NumPy takes by another road


def few(name: str) -> Model:
    """A shipped card of few units, with random weights within its constraints."""
    card = catalogue.load(name)
    written = any(p.rule == "table" for p in card.projections.values()) or any(isinstance(p.value, list) for p in card.parameters.values())
    units = card.units if written else UNITS
    channels = 2 if any(item.listens for item in card.inputs.values()) else 0
    card = card.model_copy(update={"units": units, "observed": units if card.readout else None, "channels": channels})
    rng, arrays = np.random.default_rng(0), {}
    for label, part in card.projections.items():
        made = 0.5 * rng.normal(size=(card.size(part.rows), card.size(part.columns))) / np.sqrt(card.size(part.columns))
        made = np.diag(rng.uniform(1, 3, len(made))) if part.rule == "diagonal" else made
        made = made if part.self_connections else made - np.diag(np.diag(made))
        made = made if part.rank is None else np.outer(made[:, 0], made[0])
        arrays[label] = made if part.excitatory is None else np.abs(made) * card.signs(label)
    return card if written else card.with_arrays(arrays)


def task_of(model: Model, bins: int = 3) -> Task:
    """Channels and a drive for two trials."""
    task = centre_out(TRIALS, preparation=0.0, movement=0.01 * bins)
    drive = Drive(1e-3 * np.random.default_rng(1).normal(size=(TRIALS, model.size("observed"))), np.ones(task.steps))
    channels = None if task.channels is None or not model.channels else task.channels[:, :, : model.channels]
    return Task("a push", task.start, task.stop, task.condition, drives=(drive,) if driven_inputs(model) else (), channels=channels)


def same(found: Any, wanted: Any) -> None:
    sizes = np.abs(np.asarray(wanted))
    finite = sizes[np.isfinite(sizes)].max(initial=0.0)  # a unit that never forgets has an infinite time constant
    np.testing.assert_allclose(found, wanted, rtol=CLOSE, atol=CLOSE * finite)


def outcome(measure: Callable[[Model], Any], model: Model) -> Any:
    """What a measure gives, or the kind of its refusal."""
    try:
        return measure(model)
    except CortexSimError as refused:
        return type(refused)


@WAY
@pytest.mark.parametrize("name", CARDS)
def test_a_card_does_the_same_in_other_words(name: str, way: Callable[[Model], Model]) -> None:
    plain = few(name)
    other = way(plain)
    state = 0.1 * np.random.default_rng(2).normal(size=(3, plain.dimension)) + 0.2
    same(simulate(other, task_of(other), seed=4, backend="torch").rate, simulate(plain, task_of(plain), seed=4, backend="torch").rate)
    same(flow(other, other.arrays(), state), flow(plain, plain.arrays(), state))
    same(linearise(other, other.arrays(), state[0]), linearise(plain, plain.arrays(), state[0]))
    for measure in (drive_gain, time_constant, lambda model: push_amplitude(model, 4.0, 0.02), lambda model: state_of(model, 0.1 + 0 * state)):
        found, wanted = (outcome(measure, model) for model in (other, plain))
        assert found is wanted if isinstance(wanted, type) else same(found, wanted) is None


@pytest.mark.parametrize("name", CARDS)
def test_brian2_does_the_same_in_other_words(name: str) -> None:
    plain = few(name)
    wanted = simulate(plain, task_of(plain, 2), seed=4, backend="brian").rate
    for way in ("other names", "both"):
        other = WAYS[way](plain)
        same(simulate(other, task_of(other, 2), seed=4, backend="brian").rate, wanted)


def late(model: Model) -> Model:
    """The model with a delay of three steps in every projection that its equations call once."""
    card, text = model.model_dump(), model.parsed
    for name in text.called() & model.projections.keys():
        if text.times_called(name) == 1:
            card["projections"][name]["delay"] = {"value": 3 * model.dt.si, "unit": "second"}
    return Model.model_validate(card).with_arrays(model.arrays())


@pytest.mark.parametrize("name", CARDS)
def test_delays_are_the_same_in_other_words_and_in_brian2(name: str) -> None:
    plain = late(few(name))
    bins = 9 if plain.dt.si > 0.005 else 4
    wanted = simulate(plain, task_of(plain, bins), seed=4, backend="torch").rate
    for way in WAYS.values():
        other = way(plain)
        assert list(other.lags.values()) == list(plain.lags.values())
        same(simulate(other, task_of(other, bins), seed=4, backend="torch").rate, wanted)
    same(simulate(plain, task_of(plain, bins), seed=4, backend="brian").rate, wanted)
    same(simulate(renamed(plain, 17), task_of(plain, bins), seed=4, backend="brian").rate, wanted)


@WAY
@pytest.mark.parametrize("name", ["hennequin_2014", "murphy_miller_2009", "dura_bernal_2023"])
def test_preferred_states_are_the_same(name: str, way: Callable[[Model], Model]) -> None:
    plain = catalogue.load(name)
    plain = plain if plain.units < 20 else plain.with_arrays({}, units=20)
    found, wanted = (analysis.preferred_states(model).energy for model in (way(plain), plain))
    assert np.array_equal(found, wanted)


@WAY
@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize(("circuit", "tau"), [("hennequin_2014", 0.2), ("sompolinsky_1988", 0.01)])
def test_a_student_takes_the_time_constant(circuit: str, tau: float, student: str, way: Callable[[Model], Model]) -> None:
    teacher, plain = few(circuit), few(student)
    timed = with_time_constant_of(plain, way(teacher))
    name = next(name for name in ("tau_push", "tau") if name in plain.parameters)
    assert {label: part.si for label, part in timed.parameters.items()} == {label: part.si for label, part in plain.parameters.items()} | {name: tau}
    other, task = with_time_constant_of(way(plain), teacher), task_of(plain)
    same(simulate(other, task, backend="torch").rate, simulate(timed, task, backend="torch").rate)


@WAY
@pytest.mark.parametrize("name", ["leaky_tanh", "leaky_dale"])
def test_the_regression_finds_the_bias(name: str, way: Callable[[Model], Model]) -> None:
    plain = few(name).with_arrays({}, channels=0).with_arrays({"b": np.linspace(-0.5, 0.5, UNITS)})
    task = Task("free", 0.0, 0.4, np.arange(6.0), initial=np.random.default_rng(3).uniform(-0.5, 0.5, (6, UNITS)))
    trials = simulate(plain, task, backend="torch")
    assert one_unit_each(plain)

    data = TrainingData(task, trials.rate, np.ones(UNITS))

    def regressed(model: Model) -> Model:
        return dict(regressions(model, data))[1e-6]

    def learned(model: Model) -> list[ndarray]:
        untold = {label: 0 * array for label, array in model.own_parameters().items() if model.parameters[label].learn}
        return list(regressed(model.with_arrays(untold)).arrays().values())

    wanted = learned(plain)
    for found, array in zip(learned(way(plain)), wanted, strict=False):
        same(found, array)
    np.testing.assert_allclose(regressed(plain).arrays()["b"], plain.arrays()["b"], atol=0.05)


def test_names_that_mean_something_in_every_equation_are_refused() -> None:
    card = few("hennequin_2014").model_dump()
    kinds = {"pi": "constant", "tanh": "function", "mV": "unit", "lambda": "word of Python's", "two words": "no equation can use"}
    for name, kind in kinds.items():
        with pytest.raises(CardError, match=f"has '{name}', which.*{kind}"):
            Model.model_validate(card | {"parameters": card["parameters"] | {name: card["parameters"]["tau"]}})
    with pytest.raises(CardError, match=r"'W' is given twice, in \[parameters\] and in \[projections\]"):
        Model.model_validate(card | {"parameters": card["parameters"] | {"W": card["parameters"]["tau"]}})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("dx/dt = (-x + 'a')/tau : Hz", "holds 'a'; it should hold numbers"),
        ("dx/dt = (-x + (W)(x)(x))/tau : Hz", r"calls 'W\(x\)'; call a function"),
        ("dx/dt = -x/tau : Hz (constant, __import__)", "'__import__' is unknown"),
    ],
)
def test_a_text_that_is_no_plain_arithmetic_is_refused(text: str, found: str) -> None:
    with pytest.raises(CardError, match=found):
        Model.model_validate(few("murphy_miller_2009").model_dump() | {"equations": text, "rate": "x"})


PROTOCOLS = [
    name for name in catalogue.protocols() if not name.endswith("_recording") and isinstance(catalogue.load(catalogue.protocol(name).MODEL), Model)
]
OF_ANY_SIZE = WAYS | {"both, of any size": lambda model: renamed(spread(model), 5)}


@pytest.mark.long
@pytest.mark.parametrize(
    ("protocol", "way"),
    [("rotations", "other names"), ("rotations", "vectors"), ("match", "both"), *((name, "both, of any size") for name in PROTOCOLS)],
)
def test_protocols_give_the_same_scores(protocol: str, way: str) -> None:
    plain = catalogue.load(catalogue.protocol(protocol).MODEL)
    plain = plain.with_arrays({}, units=30) if plain.name == "hennequin_2014" else plain
    found, wanted = (catalogue.protocol(protocol).run(model, smoke=True).scores for model in (OF_ANY_SIZE[way](plain), plain))
    assert [(score.measure, score.student) for score in found] == [(score.measure, score.student) for score in wanted]
    estimates = np.array([[score.estimate for score in scores] for scores in (found, wanted)])
    close = 0 if way == "other names" and protocol == "rotations" else 1e-6  # names alone change no bit; what is trained may sum in another order
    np.testing.assert_allclose(estimates[0], estimates[1], rtol=close, atol=close)


def test_the_time_constant_of_neurons_that_do_not_fire_is_measured() -> None:
    circuit = catalogue.load("soc_lif")
    assert silent_time_constant(circuit, "group") == pytest.approx(0.2, rel=1e-12)
    kinds = {name: part.model_dump() for name, part in circuit.neurons.items()}
    kinds["group"]["equations"] = kinds["group"]["equations"].replace("tau_s", "slowness")
    kinds["group"]["parameters"]["slowness"] = kinds["group"]["parameters"].pop("tau_s") | {"value": 70}
    assert silent_time_constant(circuit.changed(neurons=kinds), "group") == pytest.approx(0.07, rel=1e-12)
