"""Random streams: no two purposes share one, in no process, and nothing else in the package draws numbers."""

import ast
import itertools
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import OptionError
from cortex_sim.runtime import Role, _streams, seed_of, stream

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("cortex_sim", "protocols") for path in (ROOT / folder).rglob("*.py") if path.name != "_streams.py")
SEEDS = (0, 1, -1, 11, 2**31, 2**32, 2**32 + 1, 2**63, 10**40, -(10**40))
PURPOSES = ("a", "a1", "a 1", "1", "11", "weights", "weights:1", "s1:1")
INDICES: tuple[tuple[int | str, ...], ...] = (
    (),
    (0,),
    (1,),
    ("1",),
    (1, 2),
    (12,),
    ("1", 2),
    (1, "2"),
    ("12",),
    (-1,),
    (0, 0),
    (0, 0, 0),
    ("",),
    ("0", ""),
)


def test_no_two_of_seed_role_purpose_and_index_share_a_stream() -> None:
    names = list(itertools.product(SEEDS, get_args(Role), PURPOSES, INDICES))
    drawn = {stream(seed, role, purpose, *index).bytes(16) for seed, role, purpose, index in names}
    assert len(drawn) == len(names) > 5000
    assert len({seed_of(seed, role, purpose, *index) for seed, role, purpose, index in names}) == len(names)


def test_a_derived_seed_is_a_whole_number_that_every_reader_keeps_and_no_stream_begins_like_it() -> None:
    seeds = [seed_of(k, "student", "network") for k in range(1000)]
    assert all(0 <= seed < 2**53 and seed == int(float(seed)) for seed in seeds)
    expected = 2**53 / 2  # of a uniform number; its standard error is 2^53 / sqrt(12 n)
    assert abs(np.mean(seeds) - expected) < 5 * 2**53 / np.sqrt(12 * len(seeds))


def test_a_number_of_numpy_names_the_stream_of_the_same_whole_number() -> None:
    assert stream(np.int64(3), "task", "x", np.int32(2)).bytes(16) == stream(3, "task", "x", 2).bytes(16)  # type: ignore[arg-type]


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_another_process_draws_the_same_bits_whatever_its_hash_seed(hash_seed: str) -> None:
    code = "from cortex_sim.runtime import seed_of, stream; print(stream(5, 'null', 'order', 3, 'name').bytes(16).hex(), seed_of(5, 'task', 'x', 1))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": hash_seed})
    assert run.stdout.split() == [stream(5, "null", "order", 3, "name").bytes(16).hex(), str(seed_of(5, "task", "x", 1))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "studnet", "x"), r"^random stream: role 'studnet' is unknown\. Did you mean 'student'\?$"),
        ((0, "task", ""), r"^random stream: purpose '' should say in words what is drawn\.$"),
        ((0, "task", 7), r"^(stream|seed_of): purpose should be a text \(got 7\)\.$"),
        ((0.5, "task", "x"), r"^(stream|seed_of): seed should be a whole number \(got 0\.5\)\.$"),
        ((0, "task", "x", 1.0), r"^random stream: index 1\.0 should be a whole number\.$"),
    ],
)
def test_what_names_no_stream_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    for function in (stream, seed_of):
        with pytest.raises(OptionError, match=message):
            function(*arguments)


def requests(text: str) -> list[tuple[str, str]]:
    """(role, purpose) of every call of stream or seed_of in a file; a role that is computed is '*'."""
    found = []
    for node in ast.walk(ast.parse(text)):
        called = node.func if isinstance(node, ast.Call) else None
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if isinstance(node, ast.Call) and name in ("stream", "seed_of"):
            role, purpose = node.args[1:3]
            assert isinstance(purpose, ast.Constant), ast.unparse(node)
            found.append((role.value if isinstance(role, ast.Constant) else "*", purpose.value))
    return found


def test_every_purpose_is_asked_for_at_one_place() -> None:
    places = defaultdict(list)
    for path in FILES:
        for _, purpose in requests(path.read_text(encoding="utf-8")):
            places[purpose].append(path.name)
    assert len(places) > 60
    assert not {purpose: at for purpose, at in places.items() if len(at) > 1}


@pytest.mark.parametrize("banned", ["SeedSequence(", "default_rng(", "RandomState(", "np.random.seed(", "range(seed", "seed + ", "seed+", ".spawn("])
def test_nothing_else_makes_a_generator_or_counts_seeds(banned: str) -> None:
    assert not [path.name for path in FILES if banned in path.read_text(encoding="utf-8")]


def smoke(seed: int, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[Any, ...], set[str]]:
    """Places that asked for each stream in a small fit, simulation and comparison, all at one seed."""
    asked: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    digest = _streams._digest

    def noted(*name: Any) -> bytes:
        frame = sys._getframe(2)
        asked[name].add(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
        return digest(*name)

    with monkeypatch.context() as patched:
        patched.setattr(_streams, "_digest", noted)
        circuit = cs.load("sompolinsky_1988").with_arrays({}, units=8, seed=seed)
        starts = stream(seed, "task", "starts of a test").standard_normal((6, 8))
        task = cs.tasks.free_run(cs.simulation.rate_of(circuit, starts, circuit.arrays()), 0.1)
        trials = cs.simulate(circuit, task, seed=seed)
        noisy = cs.load("leaky_noise").with_arrays({}, units=8, channels=0)
        for card in (cs.load("leaky_tanh"), noisy):
            student = cs.fit(card, trials, task, seed=seed, options=cs.Options(epochs=2, closed_form=False, start="first bin"))
            made = cs.simulate(student, task, seed=seed)
        cs.compare(trials, made, training=trials, seed=seed, nulls=3)
        cs.measures.table(trials.rate, made.rate, trials.bin, name="student", split="all", nulls=2, seed=seed)
        cs.perturb.push(task, 8, seed=seed, amplitude=1.0, fraction=0.5, start=0.0, duration=0.05)
    return asked


def test_in_a_run_no_two_places_ask_for_the_same_stream_and_two_seeds_share_none(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (smoke(seed, monkeypatch) for seed in (0, 1))
    for name, places in first.items():
        assert len(places) == 1, f"{name}: {places}"
    fixed = {
        "probes of a leaky form",
        "folds",
        "restarts of DSA",
        "subsets of conditions",
    }  # of the code and of measures, which read the same data the same way at any seed
    drawn = [{name for name in each if name[2] not in fixed} for each in (first, second)]
    assert len(drawn[0]) > 15
    assert not drawn[0] & drawn[1]
    assert {name[1] for name in drawn[0]} >= {"circuit", "student", "task", "null"}


def test_an_untrained_student_carries_nothing_of_a_circuit_of_the_same_rule_and_seed() -> None:
    circuit = cs.load("sompolinsky_1988").with_arrays({}, seed=0)
    task = cs.tasks.free_run(np.eye(4, circuit.units), 0.1)
    student = cs.fit(cs.load("leaky_tanh"), cs.simulate(circuit, task), task, seed=0, options=cs.Options(epochs=0, closed_form=False))
    J, W = circuit.arrays()["J"].ravel(), student.arrays()["W"].ravel()
    assert abs(np.corrcoef(J, W)[0, 1]) < 5 / np.sqrt(J.size)  # the standard error of independent entries


def test_a_circuit_and_a_student_of_the_same_equations_hear_other_noise() -> None:
    student = cs.load("leaky_noise").with_arrays({}, units=6, channels=0)
    circuit = student.with_arrays({}, kind="rate")
    task = cs.tasks.spontaneous(0.5, trials=2)
    a, b = (next(cs.simulation.Problem(one, one.arrays(), task, seed=0).noise(name)) for one in (student, circuit) for name in list(one.inputs)[-1:])
    assert not np.isclose(a, b).any()


def test_another_name_of_a_projection_draws_the_same_weights() -> None:
    model = cs.load("sompolinsky_1988").with_arrays({}, units=10)
    dump = model.model_dump()
    renamed = cs.Model.model_validate(dump | {"equations": model.equations.replace("J(", "K("), "projections": {"K": dump["projections"]["J"]}})
    assert np.array_equal(model.arrays()["J"], renamed.arrays()["K"])
