"""The scores of a report, read back from its table by two readers, are the scores of the report, whatever they are called."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import cortex_sim as cs

NAMES = [
    "Größe, 1", 'sagt "ja"', "Zeile\nzwei", "Wagen\rrücklauf", "\r\nbeides\r\n", "=1+1", " Rand ", "'; DROP TABLE", "über → Ω 中文", "", "NA",
    "1e5", "0x10", "a\tb", ";|;",
    "\u2028neu", '""', '"', ",", "nan",
]  # fmt: skip
NUMBERS = [0.1 + 0.2, -1 / 3, 1e-300, 5e-324, 1.7976931348623157e308, 0.0, -0.0, 1.0, 123456789.123456789, 2**53 + 1.0]
KEYS = ("measure", "student", "split", "estimate", "better", "identical", "null_mean", "null_sd", "ceiling", "low", "high")
RNG = np.random.default_rng(8)


def scores() -> list[cs.Score]:
    """Scores of every name in every place, with every number, and with what may be missing."""
    made = []
    for place, name in enumerate(NAMES):
        estimate, *others = (NUMBERS[(place + shift) % len(NUMBERS)] for shift in range(4))
        null = None if place % 3 == 0 else RNG.normal(size=1 + place)
        interval = None if place % 4 == 1 else (others[0], others[1])
        names = NAMES[place - 1], name, NAMES[place - 2]
        ceiling = None if place % 5 == 2 else others[2]
        made.append(cs.Score(*names, estimate, ("higher", "lower", "closer")[place % 3], others[0], null, "why", interval, "over", ceiling, "none"))
    return made


SCORES = scores()


def wanted(score: cs.Score) -> dict[str, Any]:
    """What a row should hold, from the score itself."""
    null = score.null
    low, high = score.interval or (None, None)
    spread = None if null is None else float(np.sqrt(((null - null.mean()) ** 2).sum() / (len(null) - 1))) if len(null) > 1 else 0.0
    values = [
        score.measure,
        score.student,
        score.split,
        score.estimate,
        score.better,
        score.identical,
        None if null is None else null.sum() / len(null),
    ]
    return dict(zip(KEYS, [*values, spread, score.ceiling, low, high], strict=True))


def same(found: Any, value: Any) -> bool:
    if value is None:
        return found == ""
    return (
        found == value
        if isinstance(value, str)
        else np.array_equal(float(found), value, equal_nan=True) or np.isclose(float(found), value, rtol=1e-12)
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Läufe, viele") / "run 1"
    cs.Report(title="t", question="q", answer="a", scores=SCORES).write(folder)
    return folder / "scores.csv"


def test_every_score_is_a_row_with_its_names_and_numbers(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == KEYS and len(rows) == len(NAMES)
    for row, score in zip(rows, SCORES, strict=True):
        for key, value in wanted(score).items():
            assert same(row[key], value), (key, row[key], value)
        for key in ("estimate", "identical"):
            exact = getattr(score, key)
            assert np.array_equal(float(row[key]), exact, equal_nan=True)  # to the last digit


def test_pandas_reads_the_same(table: Path) -> None:
    found = pandas.read_csv(table, keep_default_na=False, dtype=str)
    assert tuple(found.columns) == KEYS and len(found) == len(NAMES)
    for (_, row), score in zip(found.iterrows(), SCORES, strict=True):
        assert all(same(row[key], value) for key, value in wanted(score).items()), (row.to_dict(), wanted(score))
