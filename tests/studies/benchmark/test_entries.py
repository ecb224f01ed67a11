"""Measures and methods of the user's: what they are given, and one line for whatever is wrong with them."""

import re
from pathlib import Path

import numpy as np
import pytest

from cortex_sim.errors import CortexSimError
from cortex_sim.studies.benchmark._entries import Entry, built_in, entry, tried
from cortex_sim.studies.benchmark._observed import Observed
from cortex_sim.tasks import free_run
from cortex_sim.tasks.perturbations import silence

EXAMPLES = sorted((Path(__file__).parents[3] / "benchmarks" / "examples").glob("*.py"))
HEAD = "import numpy as np\n"
SIDES = [Observed(np.random.default_rng(seed).standard_normal((8, 10, 5)).cumsum(axis=1), np.repeat([0, 1], 4)) for seed in range(2)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))


def written(folder: Path, text: str, name: str = "my measure é.py") -> Path:
    path = folder / name
    path.write_text(HEAD + text, encoding="utf-8")
    return path


FAULTS = {
    "nothing": ("x = 1", "has neither alike nor fit; write alike(a, b) -> float, or fit(trials, task) -> model"),
    "both": ("def alike(a, b): return 0.0\ndef fit(trials, task): ...", "has alike and fit; write"),
    "no function": ("alike = 3", "has neither alike nor fit"),
    "syntax": ("def alike(a, b) return 1", "cannot be imported: SyntaxError"),
    "import": ("import no_such_package", "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
    "exit": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "arguments": ("def alike(a): return 1.0", "alike cannot be called as alike(a, b): too many positional arguments"),
    "exception": ("def alike(a, b):\n    return a['x']", "line 3: IndexError: only integers"),
    "exit inside": ("def alike(a, b):\n    raise SystemExit", "line 3: SystemExit."),
    "long": ("def alike(a, b):\n    raise ValueError('many\\nlines ' * 500)", "line 3: ValueError: many lines many"),
    "nan": ("def alike(a, b): return float('nan')", "alike returned nan; it should return a finite number"),
    "infinite": ("def alike(a, b): return np.inf", "alike returned inf"),
    "text": ("def alike(a, b): return '0.5'", "alike returned str '0.5'; it should return one number, higher for more alike"),
    "none": ("def alike(a, b): ...", "alike returned NoneType None"),
    "truth": ("def alike(a, b): return True", "alike returned bool True"),
    "array": ("def alike(a, b): return np.ones(1)", "alike returned ndarray of shape (1,)"),
    "complex": ("def alike(a, b): return 1j", "alike returned complex 1j"),
    "random": ("def alike(a, b): return np.random.default_rng().random()", "for the same data; draw from a generator with a seed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_file_is_said_in_one_line(fault: str, tmp_path: Path) -> None:
    text, said = FAULTS[fault]
    path = written(tmp_path, text)
    with pytest.raises(CortexSimError) as problem:
        tried(entry(path))
    message = str(problem.value)
    assert message.startswith(str(path)) and said in message and len(message) < 600 and "\n" not in message, message


def test_a_file_that_is_absent_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CortexSimError, match=r"none\.py: there is no such file\. Give a file that ends in \.py; write alike"):
        entry(tmp_path / "none.py")
    with pytest.raises(CortexSimError, match=r"notes\.txt: is not a file of Python, which ends in \.py"):
        entry(written(tmp_path, "def alike(a, b): return 0.0", "notes.txt"))


@pytest.mark.parametrize("annotation", ["cs.Trials", "'cs.Trials'", "'Trials'"])
def test_what_is_annotated_as_trials_gets_trials_and_anything_else_arrays(annotation: str, tmp_path: Path) -> None:
    counted = "float(len(np.unique(a.condition)) + b.rate.shape[2])"
    text = f"import cortex_sim as cs\ndef alike(a: {annotation}, b: {annotation}) -> float:\n    return {counted}"
    assert entry(written(tmp_path, text, "trials.py")).alike(*SIDES) == 7.0
    text = "def alike(a, b):\n    a *= 0\n    return float(a.ndim + b.shape[0])"  # what it does to its arrays is its own affair
    assert entry(written(tmp_path, text, "arrays.py")).alike(*SIDES) == 11.0 and SIDES[0].rates.any()


def test_a_file_may_hold_classes_whose_annotations_are_text(tmp_path: Path) -> None:
    text = "from dataclasses import dataclass\n@dataclass\nclass Side:\n    x: float\ndef alike(a, b): return Side(1.5).x"
    path = tmp_path / "classes.py"
    path.write_text("from __future__ import annotations\n" + text)
    tried(found := entry(path))
    assert found.alike(*SIDES) == 1.5 and found.kind == "measure" and found.digest != ""


def test_a_changed_file_is_another_entry_and_a_moved_one_is_the_same_measure(tmp_path: Path) -> None:
    one = entry(written(tmp_path, "def alike(a, b): return 1.0", "one.py"))
    other = entry(written(tmp_path, "def alike(a, b): return 2.0", "one.py"))
    assert one.key != other.key and one.alike(*SIDES) == 1.0 and other.alike(*SIDES) == 2.0
    (tmp_path / "folder").mkdir()
    assert entry(written(tmp_path / "folder", "def alike(a, b): return 1.0", "one.py")).key == one.key


METHODS = {
    "number": ("def fit(trials, task): return 3", "fit returned int 3; it should return a model of cortex-sim, or an object with simulate(task)"),
    "shape": ("class M:\n    def simulate(self, task): return np.zeros((1, 2, 3))\ndef fit(trials, task): return M()",
              "simulate returned rates of shape (1, 2, 3); on this task they are (trial, time, unit) = (2, 30, 4)"),
    "nan": ("class M:\n    def simulate(self, task): return np.full((2, 30, 4), np.nan)\ndef fit(trials, task): return M()",
            "simulate returned 240 rates that are not finite, of 240"),
    "text": ("class M:\n    def simulate(self, task): return 'rates'\ndef fit(trials, task): return M()", "simulate returned str 'rates'"),
    "exception": ("class M:\n    def simulate(self, task):\n        return task.no\ndef fit(trials, task): return M()", "line 4: AttributeError"),
}  # fmt: skip


@pytest.mark.parametrize("fault", METHODS)
def test_what_is_wrong_with_a_method_is_said_in_one_line(fault: str, tmp_path: Path) -> None:
    text, said = METHODS[fault]
    found, task = entry(written(tmp_path, text)), free_run(np.zeros((2, 4)), 0.3)
    assert found.kind == "method"
    with pytest.raises(CortexSimError, match=re.escape(said)) as problem:
        found.simulated(found.fitted(SIDES[0].trials, task), task)
    assert "\n" not in str(problem.value)


def test_a_method_may_return_what_was_wrapped_which_is_pushed_and_silenced(tmp_path: Path) -> None:
    text = """
import cortex_sim as cs
def fit(trials, task):
    return cs.wrap(lambda x, u: -x/0.1, units=4, channels=0, dt=0.001)
"""
    found, task = entry(written(tmp_path, text)), free_run(np.ones((2, 4)), 0.3)
    model = found.fitted(SIDES[0].trials, task)
    rates = found.simulated(model, task)
    np.testing.assert_allclose(rates[:, :, 0], np.exp(-task.time / 0.1)[None].repeat(2, axis=0), rtol=0.02)  # Euler steps of a hundredth of 0.1 s
    held = silence(task, 4, fraction=0.5, seed=0, rate=2.0, start=0.1, duration=0.1)
    (clamp,) = held.clamps
    np.testing.assert_allclose(found.simulated(model, held)[:, 12][:, clamp.units], 2.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_what_they_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "from DSA" in text:
        pytest.importorskip("DSA")
    found = entry(path)
    tried(found)
    if found.kind == "measure":
        assert found.alike(SIDES[0], SIDES[0]) > found.alike(*SIDES)


def test_measures_of_this_package_are_entries_and_are_highest_for_one_system() -> None:
    for each in built_in():
        assert each.kind == "measure" and isinstance(each, Entry)
        assert each.alike(SIDES[0], SIDES[0]) >= each.alike(*SIDES) - 1e-9, each.name
