"""The front door: the script of the README, plain arrays, and objects that show themselves in a notebook."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import cortex_sim as cs

VOID = {"meta", "br", "img", "mspace", "link", "hr"}


class Tree(HTMLParser):
    """Holds that every tag that opens closes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


def tags(shown: str) -> set[str]:
    tree = Tree()
    tree.feed(shown)
    assert not tree.open
    return tree.seen


@pytest.fixture(scope="module")
def small() -> tuple[cs.Model, cs.Task, cs.Task, cs.Trials, cs.Model]:
    circuit = cs.load("hennequin_2014").with_arrays({}, units=20)
    training, test = cs.reaches(circuit, training=12, test=5, seed=0)
    cortex = cs.simulate(circuit, training)
    return circuit, training, test, cortex, cs.fit(cs.load("leaky_tanh"), cortex, training, epochs=1)


def test_the_script_of_the_readme_runs(small: tuple[cs.Model, cs.Task, cs.Task, cs.Trials, cs.Model]) -> None:
    circuit, training, test, cortex, student = small
    assert (training.trials, test.trials) == (12, 5)
    comparison = cs.compare(cs.simulate(circuit, test), cs.simulate(student, test), training=cortex, nulls=5)
    pushes = cs.perturb.push(test, fraction=0.1, amplitude=4.0, seed=0)
    comparison += cs.compare_responses(circuit, student, test, pushes, nulls=5)
    lines = repr(comparison).splitlines()
    assert [score.measure for score in comparison][-4] == "response to push, R²"
    assert {score.student for score in comparison} == {"leaky_tanh", "without connections"}
    assert all(any(line.startswith(score.measure) for line in lines) for score in comparison)
    assert any("rotations: looked for in all of the time" in line.lower() for line in lines)
    assert "table" in tags(comparison._repr_html_())


def test_a_circuit_compared_with_itself_is_identical_to_every_measure(small: tuple[cs.Model, cs.Task, cs.Task, cs.Trials, cs.Model]) -> None:
    circuit, _, test, cortex, _ = small
    rates = cs.simulate(circuit, test)
    found = cs.compare(rates, rates, training=cortex, nulls=3)
    found += cs.compare_responses(circuit, circuit, test, cs.perturb.push(test, fraction=0.2, amplitude=4.0), nulls=3)
    for score in found:
        if score.student != "without connections":
            assert score.estimate == pytest.approx(score.identical, abs=1e-6), score.measure


def waves(units: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * (2.0 * 0.01 * np.arange(30) + rng.random((9, 1)))
    states = rng.normal(size=(9, 1, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    return states @ rng.normal(size=(2, units)) + 0.01 * rng.normal(size=(9, 30, units))


def test_plain_arrays_are_compared_and_what_was_taken_is_said() -> None:
    a = waves(8)
    found = cs.compare(a, a, nulls=5)
    assert found.of("Procrustes angle (rad)", "student").estimate == pytest.approx(0, abs=1e-6)
    assert len(found) == 7 and {"bins", "rotations", "means, scales and ranges"} == {note.split(":")[0].split(" of plain")[0] for note in found.notes}
    assert not [note for note in cs.compare(a, a, nulls=5, bin=0.01).notes if note.startswith("bins")]


def test_sides_with_other_numbers_of_units_take_the_measures_that_need_none_in_common() -> None:
    a = waves(8)
    wide = 3 * a @ np.linalg.qr(np.random.default_rng(1).normal(size=(13, 8)))[0].T + 7
    found = {score.measure: score for score in cs.compare(a, wide, nulls=5)}
    assert "R² of rates" not in found and len(found) == 6
    for name in ("Procrustes angle (rad)", "linear CKA, debiased"):
        assert found[name].estimate == pytest.approx(found[name].identical, abs=1e-6)
    assert any(
        note.startswith("R² of rates: left out, since the teacher has 8 units and the student 13") for note in cs.compare(a, wide, nulls=3).notes
    )


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((3, 4)), np.ones((3, 4)), r"compare: teacher should be an array of numbers \(condition, time, unit\); it has 2 axes, \(3, 4\)\."),
        ("rates", waves(3), r"compare: teacher should be Trials or an array of numbers \(condition, time, unit\) \(got 'rates'\)\."),
        (waves(3), waves(3)[:4], r"teacher has .* student \(4, 30, 3\); conditions and time should match\."),
        (0 * waves(3), waves(3), "teacher: no unit varies over conditions and time; there is nothing to match."),
    ],
)
def test_what_cannot_be_compared_is_refused(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises((cs.errors.ComparisonError, cs.errors.OptionError), match=f"^{message}"):
        cs.compare(a, b, bin=0.01)


def test_a_task_that_is_not_perturbed_is_refused(small: tuple[cs.Model, cs.Task, cs.Task, cs.Trials, cs.Model]) -> None:
    circuit, _, test, _, student = small
    with pytest.raises(cs.errors.ComparisonError, match=r"the perturbed task does not differ from 'delayed centre-out reaching'"):
        cs.compare_responses(circuit, student, test, test)
    with pytest.raises(cs.errors.OptionError, match=r"fit: option 'epoch' is unknown\. Did you mean 'epochs'\?"):
        cs.fit(student, cs.simulate(circuit, test), test, epoch=1)


@pytest.mark.parametrize("name", sorted(cs.cards.catalogue.models()))
def test_every_card_shows_its_equations_as_mathematics(name: str) -> None:
    model = cs.load(name)
    shown = model._repr_html_()
    assert {"math", "table"} <= tags(shown) and "<code>" not in shown
    lines = (
        model.equations.splitlines()
        if isinstance(model, cs.Model)
        else [line for kind in model.neurons.values() for line in kind.equations.splitlines()]
    )
    assert shown.count("<math") == sum(bool(line.split("#")[0].strip()) for line in lines)


def test_a_quotient_a_power_and_brackets_are_set_as_they_bind(linear_circuit: object) -> None:
    from cortex_sim.cards._mathml import as_mathml

    text = re.sub(r"</?m(row|i|n|o)>|&#x206[12];", "", as_mathml("dx_1/dt = (a - (b - c))*x_1**2/tau : Hz"))
    assert "(a−(b−c))" in text and "<msup>" in text and "τ" in text and "Hz/second" in text and text.count("<mfrac>") == 2


def test_logic_and_remainders_are_set_as_they_bind() -> None:
    from cortex_sim.cards._mathml import as_mathml

    text = re.sub(r"</?m(row|i|n|o)>|&#x206[12];", "", as_mathml("a = int(not (b > 1 or c < 2) and d % 2 == 0) : 1\ne = f // 2 : 1"))
    assert "int(¬(b&gt;1∨c&lt;2)∧dmod2=0)" in text and "⌊<mfrac>f2</mfrac>⌋" in text


def test_tasks_trials_and_reports_show_themselves(small: tuple[cs.Model, cs.Task, cs.Task, cs.Trials, cs.Model]) -> None:
    _, training, _, cortex, _ = small
    spikes = cs.Trials.from_spikes(([0.01, 0.05], [0, 1], [0, 0]), 0.01 * np.arange(10), units=3, condition=[0])
    for shown in (training._repr_html_(), cortex._repr_html_(), spikes._repr_html_(), cs.tasks.centre_out(8)._repr_html_()):
        assert "table" in tags(shown)
    assert "img" in tags(cortex._repr_html_()) and "img" in tags(spikes._repr_html_()) and "12, of 12 conditions" in training._repr_html_()
    report = cs.Report(title="t", question="Is < shown?", answer="Yes.", claims=[cs.Claim("one", 1.0, 0.0, 2.0, "known")])
    assert "holds" in report._repr_html_() and "Is &lt; shown?" in report._repr_html_() and tags(report._repr_html_())


@pytest.mark.long
def test_the_readme_script_runs_as_it_stands_and_ends_with_a_table() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    script = text.split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    body, last = script.rstrip().rsplit("\n", 1)
    exec(body, names)
    shown = repr(eval(last, names))
    assert shown.startswith("measure") and "R² of rates" in shown and "response to push, R²" in shown
    rates = names["comparison"].of("R² of rates", "leaky_tanh")  # type: ignore[attr-defined]
    assert rates.estimate > 0.9 > rates.null.max()


def test_what_is_no_dataset_or_no_direction_is_refused_in_our_words() -> None:
    with pytest.raises(cs.errors.TrialsError, match=r"trials: str is no xarray\.Dataset; make trials with Trials\.from_arrays"):
        cs.Trials("rates")
    with pytest.raises(cs.errors.OptionError, match=r"^centre_out: conditions should be a whole number or .* \(got 'eight'\)\.$"):
        cs.tasks.centre_out("eight")
