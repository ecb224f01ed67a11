"""A card says everything about a model, and a card that is wrong says where."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards._reading import read_card
from cortex_sim.cards._units import scale
from cortex_sim.errors import CardError, FileProblem
from cortex_sim.runtime._storage import save_arrays

SHIPPED = sorted(name for name, path in catalogue.models().items() if path.parent.name != "spiking")
GOOD = """
kind = "rnn"
title = "Test"
paper = "none"
units = 6
observed = 4
channels = 2
rate = "r"
dt = { value = 1, unit = "ms", meaning = "step" }
integrator = "euler"
equations = '''
dx/dt = (-x + W(r) + stimulus(t, i) + b)/tau : 1
r = tanh(x) : 1 (constant over dt)
b : 1 (constant)
'''
parameters.tau = { value = 20, unit = "ms", meaning = "time constant" }
parameters.b = { value = 0.5, meaning = "bias", over = "units" }
parameters.d = { value = 2, unit = "kHz", meaning = "offset", over = "observed" }
inputs.stimulus = { unit = "1", meaning = "channels", weights = "W_in" }
projections.W = { rule = "gaussian", arguments = { gain = { value = 0.9, meaning = "gain" } } }
projections.W_in = { rule = "gaussian", columns = "channels", arguments = { gain = { value = 1, meaning = "gain" } } }
projections.C = { rule = "diagonal", rows = "observed" }
readout = { weights = "C", offset = "d" }
"""


TABLE = '"table", arguments = { values = { value = [[1, 2, 3], [4, 5, 6]], meaning = "written" } }'
NUMBER = TABLE.replace("[[1, 2, 3], [4, 5, 6]]", "3")
SCALED = TABLE.replace("meaning", 'unit = "mV", meaning')


def start(state: str, rest: str, value: str = "1") -> str:
    """An initial value, written before the inputs of the card."""
    return f"initial_values.{state} = {{ value = {value}, {rest} }}\ninputs.stim"


def random_arrays(model: Model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {n: (model.size(p.rows), model.size(p.columns)) for n, p in model.projections.items()}
    shapes |= {n: (model.size(p.over),) for n, p in model.parameters.items() if p.over}
    return {n: scale((model.projections | model.parameters)[n].unit) * rng.standard_normal(shape) for n, shape in shapes.items()}


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_saved_card_is_the_same_model(name: str, trained: bool, tmp_path: Path) -> None:
    model = catalogue.load(name)
    if trained:
        model = model.with_arrays(random_arrays(model))
    model.save(tmp_path / f"{name}.toml")
    found = read_card(tmp_path / f"{name}.toml")
    assert found.key == model.key
    assert found.model_dump(exclude={"weights"}) == model.model_dump(exclude={"weights"})
    assert found.weights == (f"{name}.safetensors" if trained and model.arrays() else None)
    if trained:
        assert {n: a.tobytes() for n, a in found.arrays().items()} == {n: a.tobytes() for n, a in random_arrays(model).items()}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_of_a_shipped_card_has_a_unit_a_meaning_and_in_a_circuit_a_source(name: str) -> None:
    card = tomllib.loads(catalogue.models()[name].read_text())
    model = catalogue.load(name)
    arguments = [number for p in model.projections.values() for number in p.arguments.values()]
    numbers = [model.dt, *model.parameters.values(), *model.initial_values.values(), *arguments]
    assert all(number.meaning for number in numbers)
    assert card["kind"] == catalogue.models()[name].parent.name and model.title and model.paper and model.notes
    assert model.kind == "rnn" or all(number.source for number in numbers)


def test_reading_every_card_imports_no_simulator() -> None:
    code = "import sys; from cortex_sim.cards import catalogue; [catalogue.load(n) for n in catalogue.models()]; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cortex_sim.cards._model" in run.stdout.split()
    assert {"brian2", "torch", "matplotlib"} & set(run.stdout.split()) == set()


def read(text: str, folder: Path) -> Model:
    (folder / "mine.toml").write_text(text)
    return read_card(folder / "mine.toml")


@pytest.mark.parametrize(
    ("found", "put", "message"),
    [
        ('integrator = "euler"', 'integratr = "euler"', r"\[integratr\] is no key of a card. Did you mean 'integrator'\?"),
        ('tau = { value = 20, unit =', 'tau = { value = 20, unti =', r"\[parameters.tau.unti\] is no key of a card. Did you mean 'unit'\?"),
        ('gain = { value = 0.9, meaning =', 'gain = { value = 0.9, meanin =', r"gain.meanin\] is no key of a card. Did you mean 'meaning'\?"),
        ("gain = { value = 0.9, meaning =", "gain = { value = 0.9, source =", r"\[projections.W.arguments.gain.meaning\] is missing"),
        ('rule = "diagonal", rows', 'rule = "diagonal", row', r"\[projections.C.row\] is no key of a card. Did you mean 'rows'\?"),
        ('offset = "d" }', 'offset = "d", ofset = "d" }', r"\[readout.ofset\] is no key of a card. Did you mean 'offset'\?"),
        ('unit = "ms", meaning = "time', 'unit = "msec", meaning = "time', r"\[parameters.tau\] unit 'msec' is unknown. Did you mean 'msecond'\?"),
        ('unit = "ms", meaning = "step', 'unit = "msec", meaning = "step', r"\[dt\] unit 'msec' is unknown"),
        ("value = 0.9, mean", 'value = 0.9, unit = "volts", mean', r"\[projections.W.arguments.gain\] unit 'volts' is unknown. Did you mean 'volt'"),
        ("parameters.tau", "parameters.tua", r"equations use 'tau', which no parameter, input or projection gives. Did you mean 'tua'\?"),
        ("W(r)", "open(r)", "equations use 'open', which no parameter"),
        ("W(r)", "tau(r)", r"equations call 'tau', which is no projection or input. Choose from C, W, W_in, stimulus"),
        ('"gaussian", arg', '"gausian", arg', r"\[projections.W\] rule 'gausian' is unknown. Did you mean 'gaussian'\?"),
        ("gain = { value = 0.9", "gian = { value = 0.9", r"\[projections.W\] arguments.gian is no argument of rule 'gaussian'. Did you mean 'gain'"),
        ('{ gain = { value = 0.9, meaning = "gain" } }', "{}", r"\[projections.W\] arguments.gain is missing; rule 'gaussian' takes gain"),
        ("(-x + W(r)", "(-x + + W(r", "does not parse"),
        ("dx/dt = (-x", "x = (-x", "equations define no state variable"),
        ("value = 0.5, meaning", "value = [1, 2, 3], meaning", r"\[parameters.b\] holds 3 numbers; it should hold one, or one for each of 6 units"),
        ("value = 20", "value = [20, 21]", r"\[parameters.tau\] holds 2 numbers; it should hold one; for one a unit say over = 'units'"),
        ("value = 20", "value = [[20], [21, 22]]", r"\[parameters.tau.value\] should be a finite number, or where there are many a list"),
        ("value = 20", "value = '20'", r"\[parameters.tau.value\] should be a finite number.* \(found '20'\)"),
        ("dt = { value = 1,", "dt = { value = [1, 2],", r"\[dt\] holds 2 numbers; it should hold one"),
        ("gain = { value = 0.9", "gain = { value = [0.9, 1]", r"\[projections.W\] arguments.gain should be one number; only rule 'table' takes many"),
        ('"gaussian", arg', '"gaussian", unit = "MV", arg', r"\[projections.W\] unit 'MV' is unknown. Did you mean 'mV'"),
        ('"diagonal", rows', f'{TABLE}, rows', r"\[projections.C\] values are 2 x 3; the projection asks for 4 x 6, a row for each target"),
        ('"diagonal", rows', f'{NUMBER}, rows', r"\[projections.C\] values are one number; the projection asks for 4 x 6, a row for each"),
        ('"diagonal", rows', f'{SCALED}, rows', r"\[projections.C\] arguments.values has unit 'mV'; the unit of weights is the projection's own"),
        ("inputs.stim", start("z", "meaning = 'z'"), r"\[initial_values.z\] is no state variable. Choose from x"),
        ("inputs.stim", start("x", "meanin = 'x'"), r"\[initial_values.x.meanin\] is no key .* Did you mean 'meaning'"),
        ("inputs.stim", start("x", "meaning = 'x'", "[1, 2]"), r"\[initial_values.x\] holds 2 numbers; .* each of 6 units"),
        ("inputs.stim", start("x", "unit = 'mv', meaning = 'x'"), r"\[initial_values.x\] unit 'mv' is unknown"),
        ('title = "Test"', "", r"\[title\] is missing"),
        ("units = 6", 'units = "many"', r"\[units\] should be a number \(found 'many'\)"),
        ("units = 6", "units = 0", r"\[units\] input should be greater than or equal to 1 \(found 0\)"),
        ('kind = "rnn"', 'kind = "spike"', r"\[kind\] input should be 'rate' or 'rnn' \(found 'spike'\)"),
        ('rate = "r"', 'rate = "rr"', r"rate 'rr' is no variable of the equations. Did you mean 'r'\?"),
        ('integrator = "euler"', 'integrator = "rk4"', r"\[integrator\] input should be 'euler' or 'exponential_euler' \(found 'rk4'\)"),
        ('weights = "W_in" }', 'weights = "W_on" }', r"\[inputs.stimulus\] names the projection 'W_on', which is absent. Did you mean 'W_in'\?"),
        ('{ weights = "C"', '{ weights = "D"', r"\[readout\] names the projection 'D', which is absent. Choose from C, W, W_in"),
        ('offset = "d" }', 'offset = "dd" }', r"offset 'dd' is no parameter. Did you mean 'd'\?"),
        (', over = "units" }', " }", r"\[parameters.b\] is missing or lacks over = 'units'; the equations declare it for every unit"),
        ('kind = "rnn"', "kind = rnn", "is no TOML: Invalid value"),
        ('kind = "rnn"', 'weights = "absent.safetensors"\nkind = "rnn"', None),
    ],
)  # fmt: skip
def test_a_bad_card_says_where_what_was_found_and_what_would_be_right(found: str, put: str, message: str | None, tmp_path: Path) -> None:
    assert GOOD.count(found) == 1 and read(GOOD, tmp_path).units == 6
    kind, expected = (CardError, message) if message else (FileProblem, "cannot be read as safetensors")
    with pytest.raises(kind, match=rf"mine\.toml: .*{expected}" if message else rf"absent\.safetensors: {expected}"):
        read(GOOD.replace(found, put), tmp_path)


@pytest.mark.parametrize(
    ("found", "put"),
    [
        ("dt = { value = 1,", "dt = { value = 0,"), ("dt = { value = 1,", "dt = { value = -1,"), ("value = 20", "value = nan"),
        ('unit = "1", meaning', 'unit = "volts", meaning'),
        ("units = 6", 'units = 6\nsilent = { value = 0, unit = "volts", meaning = "silence" }'),
    ],
)  # fmt: skip
def test_a_step_that_is_not_positive_and_units_of_inputs_and_silence_are_checked(found: str, put: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"mine\.toml: "):
        read(GOOD.replace(found, put), tmp_path)


def test_a_step_needs_no_meaning_and_a_mistyped_one_is_still_told(tmp_path: Path) -> None:
    said = ', meaning = "step"'
    assert GOOD.count(said) == 1
    bare = read(GOOD.replace(said, ""), tmp_path)
    assert bare.dt.meaning == "integration step" and bare.key == read(GOOD, tmp_path).key and read(GOOD, tmp_path).dt.meaning == "step"
    bare.save(tmp_path / "again.toml")
    assert read_card(tmp_path / "again.toml") == bare.model_copy(update={"name": "again"})
    with pytest.raises(CardError, match=r"\[dt.meanin\] is no key of a card. Did you mean 'meaning'"):
        read(GOOD.replace(said, ", meanin = 'step'"), tmp_path)
    with pytest.raises(CardError, match=r"\[parameters.tau.meaning\] is missing"):
        read(GOOD.replace('meaning = "time constant"', "source = 'Fig. 1'"), tmp_path)


def test_an_equation_that_is_not_linear_in_its_state_cannot_use_exponential_euler(tmp_path: Path) -> None:
    exponential = GOOD.replace('"euler"', '"exponential_euler"')
    assert read(exponential, tmp_path).integrator == "exponential_euler"
    with pytest.raises(CardError, match=r"needs a derivative linear in 'x'; name what 'tanh' is called with '\(constant over dt\)'"):
        read(exponential.replace("W(r)", "tanh(x)"), tmp_path)


@pytest.mark.parametrize("right", ["x**2/tau", "-x*(1 + x)/tau", "b/x/tau"])
def test_neither_can_one_with_a_power_or_product_of_its_state(right: str, tmp_path: Path) -> None:
    two = GOOD.replace("b : 1 (constant)", f"b : 1 (constant)\ndx/dt = {right} : 1").replace("dx/dt = (-x + W(r)", "dy/dt = (-y + W(r)", 1)
    assert read(two, tmp_path).parsed.states == ("y", "x")
    with pytest.raises(CardError, match=r"linear in 'x'; give its power or product a name '\(constant over dt\)', or use euler"):
        read(two.replace('"euler"', '"exponential_euler"'), tmp_path)


def test_an_encoder_leads_to_one_state_variable_and_is_refused_where_there_are_two(tmp_path: Path) -> None:
    offset = 'parameters.e = { value = 0, meaning = "e", over = "units" }\ninitial = { weights = "C", offset = "e" }'
    encoder = GOOD.replace("readout =", f"{offset}\nreadout =")
    assert read(encoder, tmp_path).initial
    with pytest.raises(CardError, match=r"\[initial\] leads to one state variable; the equations have x, y. Use \[initial_values\]"):
        read(encoder.replace("b : 1 (con", "dy/dt = x/tau : 1\nb : 1 (con"), tmp_path)


def test_a_card_may_write_a_matrix_and_one_number_for_each_unit(tmp_path: Path) -> None:
    written = GOOD.replace("units = 6", "units = 2").replace("observed = 4", "observed = 3").replace("value = 2, unit", "value = [2, 3, 4], unit")
    table = TABLE.replace('"table"', '"table", unit = "mV*ms"').replace("[[1, 2, 3], [4, 5, 6]]", "[[1, 2], [3, 4], [5, 6.5]]")
    model = read(written.replace('"diagonal"', table).replace("value = 0.5, meaning", "value = [0.5, -1], meaning"), tmp_path)
    assert np.allclose(model.arrays()["C"], [[1e-6, 2e-6], [3e-6, 4e-6], [5e-6, 6.5e-6]], rtol=1e-15, atol=0)
    assert np.array_equal(model.arrays()["b"], [0.5, -1]) and np.array_equal(model.arrays()["d"], [2000, 3000, 4000])
    model.save(tmp_path / "again.toml")
    again = read_card(tmp_path / "again.toml")
    assert again.key == model.key and again.arrays()["C"].tobytes() == model.arrays()["C"].tobytes()
    with pytest.raises(CardError, match=r"mine: \[parameters.b\] holds 2 numbers; it should hold one, or one for each of 5 units"):
        model.with_arrays({}, units=5)
    changed = read(written.replace('"diagonal"', table.replace("6.5", "6.4")).replace("value = 0.5, meaning", "value = [0.5, -1], meaning"), tmp_path)
    assert changed.key != model.key


def test_the_unit_of_a_projection_scales_what_its_rule_makes(tmp_path: Path) -> None:
    given = {"": "W(r)", 'unit = "mV", ': "W(r)/mV"}
    plain, scaled = (read(GOOD.replace('"gaussian", arg', f'"gaussian", {unit}arg').replace("W(r)", call), tmp_path) for unit, call in given.items())
    assert np.array_equal(plain.arrays()["W"] * 1e-3, scaled.arrays()["W"]) and plain.key != scaled.key


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"W": np.zeros((6, 5))}, r"weights 'W' have shape \(6, 5\); the card asks for \(6, 6\)"),
        ({"W_in": np.zeros((2, 6))}, r"weights 'W_in' have shape \(2, 6\); the card asks for \(6, 2\)"),
        ({"d": np.zeros(6)}, r"weights 'd' have shape \(6,\); the card asks for \(4,\)"),
        ({"W_inn": np.zeros((6, 2))}, r"weights 'W_inn' belong to no projection or parameter. Did you mean 'W_in'\?"),
        ({"tau": np.zeros(6)}, "parameter 'tau' is one number for all; to have one a unit, give it over = 'units' in the card"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_python_and_in_a_card(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    model = read(GOOD, tmp_path)
    with pytest.raises(CardError, match=f"^{message}"):
        model.with_arrays(arrays)
    save_arrays(tmp_path / "w.safetensors", arrays)
    with pytest.raises(CardError, match=rf"mine\.toml: {message}"):
        read('weights = "w.safetensors"\n' + GOOD, tmp_path)


def test_files_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"absent\.toml: cannot be read \(No such file or directory\)"):
        read_card(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(CardError, match=r"latin\.toml: is no TOML"):
        read_card(tmp_path / "latin.toml")


def test_arrays_are_in_si_and_shaped_target_by_source(tmp_path: Path) -> None:
    model = read(GOOD, tmp_path)
    arrays = model.arrays()
    assert {name: array.shape for name, array in arrays.items()} == {"W": (6, 6), "W_in": (6, 2), "C": (4, 6), "b": (6,), "d": (4,)}
    assert set(arrays["d"]) == {2000.0} and set(arrays["b"]) == {0.5} and model.scalars == {"tau": 0.02} and model.dt.si == 1e-3
    draws = arrays["W"].ravel()[:12] * np.sqrt(6) / 0.9, arrays["W_in"].ravel() * np.sqrt(2)
    assert not np.isclose(*draws).any()  # every projection draws from a stream of its own


def test_trained_weights_are_merged_and_dropped_where_a_changed_size_no_longer_fits(tmp_path: Path) -> None:
    model = read(GOOD, tmp_path).with_arrays({"W": np.ones((6, 6)), "d": np.full(4, 1e3)}).with_arrays({"b": np.ones(6)})
    assert all((model.arrays()[name] == value).all() for name, value in (("W", 1), ("b", 1), ("d", 1e3)))
    wider = model.with_arrays({}, units=8)
    assert (wider.arrays()["d"] == 1e3).all() and wider.arrays()["W"].shape == (8, 8) and not (wider.arrays()["W"] == 1).any()


def test_the_key_follows_everything_that_decides_what_a_model_does_and_nothing_else(tmp_path: Path) -> None:
    model = read(GOOD, tmp_path)
    arrays = model.arrays()
    trained = [model.with_arrays({"W": W}) for W in (arrays["W"], np.nextafter(arrays["W"], 9), arrays["W"].T)]
    texts = [("= 0.9", "= 0.8"), ("value = 20", "value = 21"), ("tanh(x)", "tanh(2*x)"), ("units = 6", "units = 7"), ("= 1, unit", "= 2, unit")]
    others = [read(GOOD.replace(*text), tmp_path) for text in texts] + [model.with_arrays({}, seed=1)]
    assert len({m.key for m in (model, *trained, *others)}) == 1 + len(trained) + len(others)
    assert model.with_arrays({}, name="other", notes="else").key == model.key == read(GOOD, tmp_path).key


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 1.0])
def test_dales_law_holds_for_every_column_the_excitatory_ones_first(fraction: float) -> None:
    model = catalogue.load("leaky_dale")
    W = model.projections["W"].model_copy(update={"excitatory": fraction})
    model = model.with_arrays({}, units=10, projections={**model.model_dump()["projections"], "W": W.model_dump()})
    arrays = model.arrays()["W"]
    assert (arrays[:, : round(10 * fraction)] > 0).all() and (arrays[:, round(10 * fraction) :] < 0).all()
    plain = model.with_arrays({}, projections={**model.model_dump()["projections"], "W": W.model_copy(update={"excitatory": None}).model_dump()})
    assert np.array_equal(np.abs(plain.arrays()["W"]), np.abs(arrays)) and (plain.arrays()["W"] < 0).any(axis=0).all()


@pytest.mark.parametrize("name", ["hennequin_2014", "gru", "lif"])
def test_a_model_prints_one_line_and_completes_to_its_own_names(name: str) -> None:
    model = catalogue.load(name)
    assert str(model) == repr(model) and "\n" not in repr(model) and len(repr(model)) < 200 and f" {name}: {model.title}; " in repr(model)
    seen = [entry for entry in dir(model) if not entry.startswith("_")]
    assert {"equations" if name != "lif" else "neurons", "save", "key", "latex", "name", "changed" if name == "lif" else "with_arrays"} <= set(seen)
    assert not [entry for entry in seen if entry.startswith("model_") or entry in ("json", "dict", "schema", "construct", "parse_obj", "copy")]
    assert all(hasattr(model, entry) for entry in seen)
