"""Numbers of README.md, docs/findings.md and docs/scores.md: every block has a text, and what is written is what the runs say."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cortex_sim as cs

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def numbers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_numbers", ROOT / "docs" / "write_numbers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def finished(folder: Path, scores: list[tuple[str, str, float]], claims: list[tuple[str, float, bool]]) -> None:
    folder.mkdir()
    kept = [
        {"measure": measure, "student": student, "split": "all", "estimate": value, "null_mean": 0.0, "interval": [value - 0.1, value + 0.1]}
        for measure, student, value in scores
    ]
    bounds = [{"text": text, "found": found, "low": 0.0, "high": None, "holds": holds} for text, found, holds in claims]
    (folder / "scores.json").write_text(json.dumps(kept), encoding="utf-8")
    (folder / "claims.json").write_text(json.dumps(bounds), encoding="utf-8")


def test_every_block_of_the_pages_has_a_text_and_the_reverse(numbers: ModuleType) -> None:
    page = "".join((ROOT / name).read_text(encoding="utf-8") for name in numbers.PAGES)
    names = [found[1] for found in numbers.BLOCK.findall(page)]
    assert sorted(names) == sorted(numbers.TEXTS)
    assert page.count("<!-- numbers:") == page.count("<!-- end -->") == len(names)


def test_a_block_is_written_from_its_run_and_stays_without_one(numbers: ModuleType, tmp_path: Path) -> None:
    measure = "silhouette of the kinds of attractors"
    values = {"Procrustes angle of averages": -0.051, "DSA, as published": 0.56, "DSA of departures from averages": 0.87}
    finished(tmp_path / "attractors", [(measure, name, value) for name, value in values.items()], [("a bound", -1.0, False), ("another", 1.0, True)])
    page = "a | <!-- numbers: attractors -->old<!-- end --> |\n<!-- numbers: reach -->as it was<!-- end -->\n"
    found, absent = numbers.written(page, tmp_path)
    assert absent == ["reach"]
    assert "as it was" in found
    assert "by Procrustes −0.05); DSA of single trials does (0.56 [0.46, 0.66] as published)" in found
    assert "; claims that fail: a bound: -1, not at least 0<!-- end --> |" in found
    assert "another" not in found
    assert numbers.written(found, tmp_path) == (found, absent)


ROUNDED = [(-0.18, 2, "−0.18"), (-0.001, 2, "0.00"), (0.99976, 3, "0.9998"), (1.0, 2, "1.00"), (1 - 1e-15, 2, "1.00"), (0.9994, 2, "0.999")]


@pytest.mark.parametrize(("value", "digits", "text"), ROUNDED)
def test_a_number_is_not_rounded_to_what_it_does_not_reach(numbers: ModuleType, value: float, digits: int, text: str) -> None:
    assert numbers.number(value, digits) == text


def test_a_score_that_is_absent_is_refused(numbers: ModuleType, tmp_path: Path) -> None:
    finished(tmp_path / "reach", [("R²", "a", 1.0)], [])
    with pytest.raises(KeyError, match="'R² of rates' of 'b': 0 scores; there are"):
        numbers.Run(tmp_path / "reach").score("R² of rates", "b")


def test_it_runs_as_a_script_and_leaves_pages_without_runs_as_they_were(numbers: ModuleType, tmp_path: Path) -> None:
    before = [(ROOT / page).read_bytes() for page in numbers.PAGES]
    command = [sys.executable, str(ROOT / "docs" / "write_numbers.py"), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    assert said.count("left as it was") == len(numbers.TEXTS)
    assert [(ROOT / page).read_bytes() for page in numbers.PAGES] == before


@pytest.mark.long
@pytest.mark.parametrize(("name", "page"), [("match", "README.md"), ("preparation", "docs/findings.md"), ("few_shot", "docs/findings.md")])
def test_pages_say_what_runs_find(numbers: ModuleType, tmp_path: Path, name: str, page: str) -> None:
    """Of runs at seed 0 that need no recording and little time; on another machine the last digit may be another."""
    cs.run(name, seed=0).write(tmp_path / name, command="test")
    before = (ROOT / page).read_text(encoding="utf-8")
    after, _ = numbers.written(before, tmp_path)
    told = [re.findall(r"−?\d+(?:\.\d+)?", found[2]) for text in (before, after) for found in numbers.BLOCK.findall(text)]
    half = len(told) // 2
    for then, now in zip(told[:half], told[half:], strict=True):
        assert [float(one.replace("−", "-")) for one in now] == pytest.approx([float(one.replace("−", "-")) for one in then], abs=0.02)
