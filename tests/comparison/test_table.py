"""The table of measures: every one is identical for a system and itself, falls with noise, and ignores what it says it ignores."""

import numpy as np
import pytest

from cortex_sim.comparison._measures import MEASURES
from cortex_sim.comparison._table import MIXING, table
from cortex_sim.errors import NotFound
from cortex_sim.report.figures._matrices import annotated
from cortex_sim.report.figures._scatters import grouped_scatters
from cortex_sim.statistics._score import PERMUTATION

DT = 0.01
TIME = np.arange(40) * DT


def rotating(seed: int = 0, units: int = 20, hertz: float = 2.0) -> np.ndarray:
    """Rates of units that see two planes which rotate from random states."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(15, 2)) + 1j * rng.normal(size=(15, 2))
    states = start[:, None] * np.exp(2j * np.pi * np.array([hertz, 0.5 * hertz]) * TIME[:, None])[None]
    return np.concatenate([states.real, states.imag], axis=2) @ rng.normal(size=(4, units))


@pytest.mark.parametrize("name", MEASURES)
def test_a_system_is_identical_to_itself_and_less_so_to_a_noisy_copy_and_least_to_another(name: str) -> None:
    rates, other, measure = rotating(), rotating(5, hertz=3.0), MEASURES[name]
    noise = np.random.default_rng(1).normal(size=rates.shape)
    assert measure(rates, rates, DT) == pytest.approx(measure.identical, abs=5e-3 if name == "DSA, Procrustes" else 1e-6)  # a search
    found = [measure(rates, rates + level * noise, DT) for level in (0.1, 1.0)] + [measure(rates, other, DT)]
    first, second, third = (measure.alike(value) for value in found)
    assert measure.alike(measure.identical) > first > second
    if "apart" not in name:  # one number that other systems can share
        assert first > third


@pytest.mark.parametrize("name", MEASURES)
def test_the_unit_of_the_rates_does_not_matter(name: str) -> None:
    rates = rotating()
    copy, measure = rates + 0.3 * np.random.default_rng(2).normal(size=rates.shape), MEASURES[name]
    scale, shift = np.random.default_rng(3).uniform(0.5, 3.0, 20), np.random.default_rng(4).normal(size=20)
    assert measure(scale * rates + shift, scale * copy + shift, DT) == pytest.approx(measure(rates, copy, DT), rel=1e-6, abs=1e-9)


def test_a_silent_student_is_as_unlike_as_can_be_and_breaks_nothing() -> None:
    rates = rotating()
    found = {name: measure(rates, np.zeros_like(rates), DT) for name, measure in MEASURES.items()}
    assert not any(np.isnan(value) for value in found.values())
    assert all(MEASURES[name].alike(found[name]) < MEASURES[name].alike(MEASURES[name].identical) for name in MEASURES)


def test_another_coordinate_system_of_more_axes_is_the_same_to_what_does_not_see_axes() -> None:
    """Orthonormal columns keep all angles; measures of unit by unit are left out, and each side has its own mean."""
    rates = rotating()
    image = 3 * rates @ np.linalg.qr(np.random.default_rng(1).normal(size=(30, 20)))[0].T + 7
    found = {score.measure: score.estimate for score in table(rates, image, DT, name="image", split="all", nulls=2, same_units=False)}
    assert set(found) == {name for name, measure in MEASURES.items() if not measure.same_units}
    for name, value in found.items():
        assert value == pytest.approx(MEASURES[name].identical, abs=1e-3 if name == "DSA, Procrustes" else 2e-5), name  # ridge penalties; the search


def test_a_table_shows_every_finite_number_and_scatters_every_group() -> None:
    values = np.array([[0.5, np.nan], [-0.25, 1.0]])
    figure = annotated(values, ["a", "b"], ["x", "y"], label="τ")
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["0.50", "1.00", "−0.25"]
    points = {"measure": {"one": (np.arange(3.0), np.arange(3.0)), "other": (np.arange(2.0), np.arange(2.0))}}
    drawn = grouped_scatters(points, ylabel="truth")
    assert len([line for line in drawn.axes[0].lines if line.get_marker() == "o"]) == 2 and drawn.axes[0].get_ylabel() == "truth"


def test_every_score_of_the_table_has_a_null_that_it_beats_and_an_interval_around_it() -> None:
    nulls = 9
    rates = rotating(units=12)
    copy = rates + 0.05 * np.random.default_rng(2).normal(size=rates.shape)
    found = {score.measure: score for score in table(rates, copy, DT, name="copy", split="all", nulls=nulls, seed=4)}
    again = {score.measure: score for score in table(rates, copy, DT, name="copy", split="all", nulls=nulls, seed=4)}
    assert list(found) == list(MEASURES)
    for name, score in found.items():
        assert score.null is not None and score.interval is not None and len(score.null) == nulls
        assert score.estimate == pytest.approx(MEASURES[name](rates, copy, DT), abs=1e-12)
        assert score.interval[0] <= score.estimate <= score.interval[1]
        np.testing.assert_array_equal(score.null, again[name].null)
        apart = MEASURES[name].read is not None
        assert score.surrogate == (MIXING if apart else PERMUTATION)
        if not apart:
            assert MEASURES[name].alike(score.estimate) > MEASURES[name].alike(score.null).max()
        elif name.startswith("DSA"):  # what each component does by itself is kept, and how they go together is lost
            assert score.estimate < score.null.mean()


def test_a_student_that_knows_no_conditions_is_unlike_and_breaks_nothing() -> None:
    rates = rotating()
    found = {name: measure(rates, np.repeat(rates[:1], len(rates), axis=0), DT) for name, measure in MEASURES.items()}
    assert not any(np.isnan(value) for value in found.values())
    assert all(MEASURES[name].alike(found[name]) < MEASURES[name].alike(MEASURES[name].identical) for name in MEASURES)


def test_every_measure_is_listed_and_a_new_file_is_a_new_measure(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    from cortex_sim.comparison import _listed

    assert set(_listed.listed()) == set(MEASURES) and all(one.about == _listed.listed()[name][1] for name, one in MEASURES.items())
    (tmp_path / "_mine.py").write_text('@measure("mine", better="lower", identical=0.0, about="something new")\ndef mine(a, b, dt): ...\n')
    (tmp_path / "_other.py").write_text("x = 1\n")
    (tmp_path / "_mine.py").write_text("x = 1\n\n\n" + (tmp_path / "_mine.py").read_text())
    monkeypatch.setattr(_listed, "__file__", str(tmp_path / "_listed.py"))
    assert _listed.listed.__wrapped__() == {"mine": ("cortex_sim.comparison._mine", "something new")}
    with pytest.raises(NotFound, match="measure 'rsa' is unknown. Did you mean 'RSA'?"):
        _ = MEASURES["rsa"]
