"""Recordings of many units: what is reduced to leading components or courses loses no more than is stated."""

import numpy as np
import pytest

from cortex_sim.comparison import _compare, _table
from cortex_sim.comparison._compare import compare
from cortex_sim.comparison._geometry import leading_courses
from cortex_sim.comparison._kernels import rsa
from cortex_sim.comparison._measures import MEASURES, scaled
from cortex_sim.comparison._table import COMPONENTS, scores_of, table
from cortex_sim.statistics import Score

CONDITIONS, BINS, UNITS, RANK = 9, 40, 260, 12


def sides(noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rates of more units than are compared as they are, with the same twelve smooth latent courses and noise."""
    rng, time = np.random.default_rng(0), np.arange(BINS) / BINS
    latent = rng.normal(size=(CONDITIONS, RANK)) * np.exp(-0.3 * np.arange(RANK))
    courses = latent[:, None] * np.cos(np.pi * (1 + np.arange(RANK)) * time[:, None])
    maps = rng.normal(size=(2, RANK, UNITS))
    a, b = courses @ maps[0], courses @ (maps[0] + 0.3 * maps[1]) + 0.1 * np.roll(courses, 1, axis=0) @ maps[1]
    return a + noise * rng.normal(size=a.shape), b + noise * rng.normal(size=b.shape)


def numbers(score: Score) -> list[float]:
    assert score.null is not None and score.interval is not None
    return [score.estimate, *score.null, *score.interval]


def test_measures_of_few_latents_are_those_of_all_units(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {score.measure: score for score in table(*sides(), 0.01, name="copy", split="all", nulls=3)}
    monkeypatch.setattr(_table, "COMPONENTS", UNITS)
    wanted = {score.measure: score for score in table(*sides(), 0.01, name="copy", split="all", nulls=3)}
    assert len(found) == len(MEASURES)
    for name, score in found.items():
        same = MEASURES[name].same_units
        settings = {} if same else {"leading_components": COMPONENTS, "variance_kept": pytest.approx([1.0, 1.0])}
        assert score.settings == settings and wanted[name].settings == {}
        if not MEASURES[name].read:  # the surrogates of the others mix components, whose signs are arbitrary
            assert numbers(score) == pytest.approx(numbers(wanted[name]), rel=1e-6, abs=1e-8), name
        near = 5e-3 if name == "DSA, Procrustes" else 1e-8  # a search, as in test_table; it begins elsewhere when axes are mirrored
        assert score.estimate == pytest.approx(wanted[name].estimate, rel=1e-6, abs=near), name


def test_rotations_of_few_courses_are_those_of_all_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    def rotations() -> dict[str, Score]:
        return {score.measure: score for score in compare(*sides(), bin=0.01, nulls=5).scores if "jPCA" in score.measure}

    found = rotations()
    monkeypatch.setattr(_compare, "COMPONENTS", UNITS)
    for name, score in rotations().items():
        assert numbers(found[name]) == pytest.approx(numbers(score), rel=1e-4), name  # a millionth of the variance is left out
        assert found[name].settings["surrogates_of_courses"] == RANK and found[name].settings["variance_kept"] > 1 - 1e-6
        assert "variance_kept" not in score.settings


def test_the_variance_that_is_kept_is_stated() -> None:
    a, b = sides(noise=1.0)
    name = "Procrustes angle (rad)"
    (score,) = scores_of([name], *scaled(a, b), 0.01, name="copy", split="all", nulls=1, seed=0)
    for side, (rates, scale) in enumerate(((a, a.std(axis=(0, 1))), (b, a.std(axis=(0, 1))))):
        values = np.linalg.eigvalsh(np.cov((rates / scale).reshape(-1, UNITS), rowvar=False))[::-1]
        kept = score.settings["variance_kept"][side]
        assert kept == pytest.approx(values[:COMPONENTS].sum() / values.sum(), rel=1e-3) and kept < 0.999


def test_compare_says_so_and_takes_a_student_that_does_not_vary() -> None:
    a, b = sides(noise=1.0)
    assert any(note.startswith("more than 200 units") and note.count("%") == 2 for note in compare(a, b, bin=0.01, nulls=1).notes)
    still = {score.measure: score.estimate for score in table(a, np.ones_like(a), 0.01, name="still", split="all", nulls=1)}
    assert len(still) == len(MEASURES)
    assert all(still[name] == measure.unlike for name, measure in MEASURES.items() if measure.unlike is not None)


def test_distances_of_many_conditions_are_correlated_at_evenly_spaced_times() -> None:
    """130 conditions have 8,385 pairs: at 40 bins 335,400 distances, of which those at every second are kept."""
    rng = np.random.default_rng(4)
    courses = np.cos(np.pi * np.arange(1, 7) * np.linspace(0, 1, BINS)[:, None])
    a, b = (rng.normal(size=(130, 1, 6)) * courses @ rng.normal(size=(6, 8)) for _ in range(2))
    b = a + 0.5 * b
    found, measure = MEASURES["RSA"].function(a, b, 0.01), rsa(a[:, ::2], b[:, ::2])
    assert found == measure != rsa(a, b) and found == pytest.approx(rsa(a, b), abs=0.01)


def test_leading_courses_hold_what_they_say_and_are_the_best_there_are() -> None:
    a = sides(noise=1.0)[0]
    weights, courses, held = leading_courses(a, 7)
    left = a - courses @ weights
    assert held == pytest.approx(1 - (left**2).sum() / (a**2).sum()) and courses.shape == (BINS, 7)
    best = np.linalg.svd(a.transpose(1, 0, 2).reshape(BINS, -1), compute_uv=False) ** 2
    assert held == pytest.approx(best[:7].sum() / best.sum())
    np.testing.assert_allclose(courses.T @ courses, np.eye(7), atol=1e-12)
