"""Results of the benchmark as files, and the command line."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cortex_sim.errors import ComparisonError, CortexSimError
from cortex_sim.studies import benchmark
from cortex_sim.studies.benchmark import _run
from cortex_sim.studies.benchmark._circuits import KINDS, Place
from cortex_sim.studies.benchmark._results import read_result
from cortex_sim.studies.benchmark._run import HELD, check_held, put_to_test
from cortex_sim.studies.benchmark._sizes import FULL, HELD_DRAWS, SMOKE, UNSOUND, VERSION

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "benchmarks" / "examples"


def command(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "cortex_sim", "benchmark", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "benchmark run: give either a file or --all."), (["run", "x.py", "--all"], "benchmark run: give either a file or --all."),
        (["run", "none.py"], "none.py: there is no such file. Give a file that ends in .py; write alike"),
        (["run", "bad.py"], "line 2: ValueError: no."), (["run", "--all", "--jobs", "0"], "--jobs 0 should be 1 or more; leave --jobs out."),
        (["table", "none.json"], "none.json: there is no such file; give a result that cortex-sim benchmark run wrote."),
        (["table", "bad.py"], "bad.py: is not JSON; give a result"), (["run", "bad.py", "--out", "."], "exists"),
    ],
)  # fmt: skip
@pytest.mark.long
def test_faults_end_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def alike(a, b):\n    raise ValueError('no')\n")
    done = command(*arguments, folder=tmp_path)
    lines = [line for line in done.stderr.splitlines() if line.startswith("cortex-sim: ")]
    assert done.returncode == 2 and len(lines) == 1 and said in lines[0], done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.glob("runs/*"))


BROKEN = {
    "list": ("[]", "is no result of this benchmark"), "text": ("{", "is not JSON"), "deep": ("[" * 100_000, "is not JSON"),
    "other": ('{"benchmark": "speed-1"}', "is no result of this benchmark"),
    "version": ('{"benchmark": "mechanism-0.9"}', "is of 'mechanism-0.9', whose numbers are not comparable with those of 'mechanism-1.0'"),
    "part": (json.dumps({"benchmark": VERSION, "set": 3}), "set should be str, not 3"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_file_that_is_no_result_is_refused(fault: str, tmp_path: Path) -> None:
    text, said = BROKEN[fault]
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(CortexSimError) as problem:
        read_result(tmp_path / "r.json")
    assert str(problem.value).startswith(str(tmp_path / "r.json")) and said in str(problem.value)


def test_the_data_of_this_version_are_held_for_both_sets_and_a_change_is_told() -> None:
    held = json.loads(HELD.read_text(encoding="utf-8"))
    for of in ("development", "test"):
        assert set(held[of]) == {str(place) for place in replace(FULL, draws=HELD_DRAWS).places(of)}
        check_held(held[of], of)
    name = "chaotic 2"
    changed = {name: held["development"][name] | {"rates": held["development"][name]["rates"] * (1 + 1e-5)}}
    with pytest.raises(ComparisonError, match=r"^benchmark: rates of chaotic 2 is .*; in mechanism-1\.0 it is .*these data are of another version"):
        check_held(changed, "development")


def test_results_do_not_depend_on_how_many_circuits_there_are_and_the_test_set_is_asked_for() -> None:
    assert replace(FULL, draws=3).key == FULL.key != replace(FULL, trials=3).key
    assert {place.of for place in FULL.places("development")} == {"development"}
    assert put_to_test.__kwdefaults__["of"] == "development"
    for of in ("development", "test"):
        places = FULL.places(of)
        assert len(places) == len(set(places)) == 20 * 7 and [place.kind for place in places[:7]] == list(KINDS)
        assert not any(place.draw in UNSOUND.get((place.kind, place.of), ()) for place in places)
    assert [place.draw for place in FULL.places("development") if place.kind == "layered"] == [*range(18), 19, 20]


@pytest.mark.long
def test_a_measure_and_a_method_are_put_to_the_test_and_share_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    small = replace(SMOKE, units=12, training=10)
    monkeypatch.setattr(_run, "SMOKE", small)
    monkeypatch.setattr(type(small), "places", lambda self, of: [Place(kind, 0, of) for kind in ("chaotic", "balanced amplification")])
    results = [one for name in ("shape_in_ten_lines.py", "tanh_network.py") for one in put_to_test(EXAMPLES / name, smoke=True, jobs=1)]
    assert [result["kind"] for result in results] == ["measure", "method"] and all(result["benchmark"] == VERSION for result in results)
    assert results[0]["numbers"]["chance"]["exact"] < 1e-6 and results[0]["data"] == results[1]["data"]
    again = put_to_test(EXAMPLES / "shape_in_ten_lines.py", smoke=True, jobs=1)  # kept by key, and the same bits
    assert again == results[:1]
    report = benchmark.report_of(results)
    assert report.holds and "tanh_network" in report.findings["Methods"] and report.answer.count("d′") >= 2
    page = benchmark.write(report, results, tmp_path / "out", command="test")
    back = [read_result(path) for path in sorted((tmp_path / "out" / "results").glob("*.json"))]
    assert page.is_file() and sorted(back, key=lambda one: one["name"]) == sorted(results, key=lambda one: one["name"])
