"""Where there is nothing, p-values are uniform: by the very functions with which protocols draw their nulls."""

import re

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from cortex_sim.statistics import p_value
from tests import nulls_of_activity, nulls_of_measures, nulls_of_networks
from tests.nulls import ELSEWHERE, NO_P, NOTHING, Build, Nothing
from tests.test_house import ROOT

DATA = 150  # sets a null
LISTED = (nulls_of_activity, nulls_of_measures, nulls_of_networks)


def found_in(nothing: Nothing, build: Build, *, data: int = DATA) -> dict[str, list[float]]:
    """Return p-values by measure, uniform if those of the report are, but for the steps that surrogates and ties leave."""
    found: dict[str, list[float]] = {}
    rng = np.random.default_rng(0)
    for seed in range(data):
        for score in nothing.made(seed, build):
            assert score.null is not None and score.better != "closer"
            beaten = score.null < score.estimate if score.better == "lower" else score.null > score.estimate
            level = 1 + (score.null == score.estimate).sum()
            p = (beaten.sum() + level * rng.uniform()) / (1 + len(score.null))  # ties, as of counts, in random order
            assert p <= p_value(score.estimate, score.null, better=score.better) + 1e-12
            found.setdefault(score.measure, []).append(p)
    return found


def departures(values: list[float]) -> list[float]:
    """Return p-values of the hypothesis that these are uniform: as a whole, and in how many are at most 0.05 and 0.5, too many or too few."""
    below = [binomtest(sum(value <= level for value in values), len(values), level).pvalue for level in (0.05, 0.5)]
    return [float(kstest(values, "uniform").pvalue), *below]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if one.long else ()) for name, one in NOTHING.items()])
def test_p_values_of_nothing_are_uniform(name: str, linear_circuit: Build) -> None:
    found = found_in(NOTHING[name], linear_circuit)
    assert found
    for measure, values in found.items():
        assert min(departures(values)) > 1e-3, (measure, departures(values))


def purposes() -> set[str]:
    """Return the purposes of all random streams of nulls in protocols and in the package."""
    files = [path for folder in ("protocols", "cortex_sim") for path in (ROOT / folder).rglob("*.py")]
    return {purpose for path in files for purpose in re.findall(r'(?:stream|seed_of)\b[^\n]*"null", "([^"]+)"', path.read_text(encoding="utf-8"))}


def test_every_null_is_listed_with_a_test_or_with_the_reason_why_it_gives_no_p_value() -> None:
    tested = {purpose for one in NOTHING.values() for purpose in one.purposes}
    assert tested | set(ELSEWHERE) | set(NO_P) == purposes()
    assert not tested & set(NO_P) and all(module.__doc__ for module in LISTED)
    for place in ELSEWHERE.values():
        path, name = place.split("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")


def test_the_page_on_nulls_names_all_data_without_an_effect_and_no_others() -> None:
    page = (ROOT / "docs" / "nulls.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \|$", page.split("## Comparisons")[0], re.MULTILINE)[1:]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])}
    elsewhere = {place.split("::")[1] for place in ELSEWHERE.values() if "calibration" in place}
    assert named == set(NOTHING) | elsewhere
