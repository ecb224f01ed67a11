"""Reports: a page that stands alone with its numbers beside it, written whole or not at all."""

import base64
import csv
import errno
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

import cortex_sim as cs
from cortex_sim.cards._model import Model
from cortex_sim.cards._reading import read_card
from cortex_sim.errors import ComparisonError, FileProblem
from cortex_sim.report import _page as page
from cortex_sim.report._page import file_names
from cortex_sim.report._report import Claim, Picture, Report
from cortex_sim.report.figures._style import save_svg
from cortex_sim.statistics._score import Score
from cortex_sim.trials._trials import Trials

Build = Callable[..., Model]
NASTY = "<script>alert('1 < 2 & 3')</script>"
CLAIM = {"text", "found", "low", "high", "source", "holds"}
SCORE = {"measure", "student", "split", "estimate", "null_mean", "null_sd", "null", "ceiling", "interval", "better"}


def picture() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0])
    return figure


def score(**changes: Any) -> Score:
    whole: dict[str, Any] = {
        "measure": "likeness", "student": "gru", "split": "held out", "estimate": np.float64(0.25), "better": "higher", "identical": 1.0,
        "null": np.array([0.0, 0.1, 0.2, 0.3]), "surrogate": "labels permuted", "interval": (0.2, 0.3), "interval_over": "conditions",
        "ceiling_reason": "no repeats", "settings": {"axes": np.int64(6), "at_rest": np.bool_(True), "window_s": (0.0, np.float64(0.2))},
    }  # fmt: skip
    return Score(**(whole | changes))


@pytest.fixture
def report(linear_circuit: Build) -> Report:
    trials = Trials.from_arrays(np.random.default_rng(0).normal(size=(3, 5, 2)), 0.01 * np.arange(5))
    return Report(
        f"Title {NASTY}", f"Question {NASTY}", f"Answer {NASTY}", findings={f"Heading {NASTY}": f"Finding {NASTY}"},
        claims=[Claim(f"a claim {NASTY}", 0.5, 0.4, 0.6, "paper & <b>"), Claim("another", np.float64(0.7), -np.inf, 0.6, "paper")],
        scores=[score(), score(student="silent", estimate=0.0, null=None, surrogate="no null", interval=None, interval_over="one network")],
        pictures={"curve": Picture(picture(), f"A curve {NASTY}", "It falls.")}, trials={"teacher": trials},
        models={"circuit": linear_circuit(np.array([[0.0, 2.0], [-1.0, 0.5]]), title=f"Circuit {NASTY}")},
        methods=f"Method {NASTY}\n\n    Method two,\n    in two lines.\n", facts={"units": f"2 {NASTY}"}, absent=[f"Nothing {NASTY}"], smoke=True,
        seed=7, seconds={"all": 1.23456},
    )  # fmt: skip


def test_a_report_is_a_folder_of_the_agreed_files(report: Report, tmp_path: Path) -> None:
    written = report.write(tmp_path / "runs" / "one", command="cortex-sim run one --seed 7")
    folder = tmp_path / "runs" / "one"
    assert written == folder / "report.html"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    tables = {"claims.json", "scores.json", "scores.csv", "references.bib", "run.json", "ro-crate-metadata.json"}
    assert files == {"report.html", "figures/curve.svg", "teacher.nc", "models/circuit.toml", "models/circuit.safetensors"} | tables
    assert list(folder.parent.iterdir()) == [folder]  # no temporary folder stays behind
    assert folder.stat().st_mode & 0o777 == 0o755


def test_claims_and_scores_are_written_by_contract(report: Report, tmp_path: Path) -> None:
    folder = report.write(tmp_path / "one").parent
    claims, scores = (json.loads((folder / f"{name}.json").read_text("utf-8"), parse_constant=pytest.fail) for name in ("claims", "scores"))
    assert all(set(claim) == CLAIM for claim in claims)
    assert claims[0] == {"text": f"a claim {NASTY}", "found": 0.5, "low": 0.4, "high": 0.6, "source": "paper & <b>", "holds": True}
    assert (claims[1]["low"], claims[1]["found"], claims[1]["holds"]) == (None, 0.7, False)  # JSON has no infinity
    assert all(set(found) >= SCORE for found in scores)
    assert (scores[0]["null_mean"], scores[0]["null_sd"]) == pytest.approx((0.15, np.sqrt(0.05 / 3)))
    assert scores[0]["settings"] == {"axes": 6, "at_rest": True, "window_s": [0.0, 0.2]}
    assert scores[1]["estimate"] == 0.0 and scores[1]["null"] is None and scores[1]["interval"] is None
    assert scores[1]["reasons"] == {"null": "no null", "interval": "one network", "ceiling": "no repeats"}


def test_the_run_record_says_how_to_repeat_it(report: Report, tmp_path: Path) -> None:
    run = json.loads((report.write(tmp_path / "one", command="cortex-sim run one").parent / "run.json").read_text("utf-8"))
    assert (run["command"], run["seed"], run["seconds"]) == ("cortex-sim run one", 7, {"all": 1.23})
    assert run["cards"] == {"circuit": report.models["circuit"].key} and re.fullmatch("[0-9a-f]{64}", run["code"])
    assert {"cortex-sim", "python", "brian2", "numpy", "torch"} <= run["versions"].keys()


def test_cards_and_trials_come_back_as_they_were(report: Report, tmp_path: Path) -> None:
    folder = report.write(tmp_path / "one").parent
    card, trials = read_card(folder / "models" / "circuit.toml"), Trials.load(folder / "teacher.nc")
    assert card.arrays()["W"].tobytes() == report.models["circuit"].arrays()["W"].tobytes() and card.key == report.models["circuit"].key
    assert trials.rate.tobytes() == report.trials["teacher"].rate.tobytes()


class Page(HTMLParser):
    """Every attribute and all visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_shows_its_figures(report: Report, tmp_path: Path) -> None:
    path = report.write(tmp_path / "one")
    found = Page(path.read_text("utf-8"))
    addresses = [value for _, attributes in found.tags for name, value in attributes.items() if name in ("src", "href", "data", "srcset", "action")]
    assert addresses and all(str(address).startswith(("data:", "#")) for address in addresses)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in found.tags}
    assert not re.search(r"@import|url\(\s*['\"]?http", path.read_text("utf-8"))
    image = next(str(attributes["src"]) for tag, attributes in found.tags if tag == "img")
    drawn = base64.b64decode(image.removeprefix("data:image/svg+xml;base64,"))
    assert drawn == (path.parent / "figures" / "curve.svg").read_bytes() and ElementTree.fromstring(drawn).tag.endswith("svg")


def test_the_page_says_how_sure_how_to_repeat_it_and_holds_its_scores_as_csv(report: Report, tmp_path: Path) -> None:
    path = report.write(tmp_path / "one", command="cortex-sim run mine --seed 3")
    text, found = path.read_text("utf-8"), Page(path.read_text("utf-8"))
    held = sum(claim.holds for claim in report.claims)
    above = text[: text.index("<h2>")]
    assert f"{held} of {len(report.claims)} claims hold in this run" in above and "cortex-sim run mine --seed 3" in above
    (table,) = [str(attributes["href"]) for tag, attributes in found.tags if tag == "a" and attributes.get("download") == "scores.csv"]
    assert base64.b64decode(table.removeprefix("data:text/csv;base64,")) == (path.parent / "scores.csv").read_bytes()
    assert "prefers-color-scheme: dark" in text


def test_text_is_escaped_everywhere(report: Report, tmp_path: Path) -> None:
    text = report.write(tmp_path / "one").read_text("utf-8")
    assert NASTY not in text
    shown = Page(text).text
    for part in ("Title", "Question", "Answer", "Heading", "Finding", "a claim", "A curve", "Method", "2", "Nothing", "circuit: Circuit"):
        assert f"{part} {NASTY}" in shown
    assert "paper & <b>" in shown and "dx/dt = (-x + W(r) + drive(t, i))/tau : Hz" in shown


def test_methods_are_paragraphs_and_a_smoke_run_says_so(report: Report, tmp_path: Path) -> None:
    path = report.write(tmp_path / "one")
    text, facts = path.read_text("utf-8"), json.loads((path.parent / "run.json").read_text("utf-8"))["facts"]
    assert "<p>Method two, in two lines.</p>" in text and "its numbers mean nothing" in text and facts["smoke run"]
    full = replace(report, smoke=False).write(tmp_path / "two")
    assert "its numbers mean nothing" not in full.read_text("utf-8")


def test_the_page_tells_what_holds_and_what_is_absent(report: Report, tmp_path: Path) -> None:
    found = Page(report.write(tmp_path / "one").read_text("utf-8"))
    marks = [attributes.get("class") for tag, attributes in found.tags if tag == "td"]
    assert [mark for mark in marks if mark in ("holds", "fails")] == ["holds", "fails"]
    assert not report.holds and replace(report, claims=report.claims[:1]).holds and replace(report, claims=()).holds
    for sentence in ("no repeats", "one network", "0.250", "0.200 to 0.300", "0.150 ± 0.129", "75%", "−∞ to 0.600", "200", "time constant"):
        assert sentence in found.text


@pytest.mark.parametrize("estimate", [float("nan"), float("inf"), np.float64("nan")])
def test_a_score_that_is_no_number_fails_the_run_and_says_why(estimate: float) -> None:
    bad = score(student="gru", estimate=estimate)
    why = r"held out; interval over conditions; null: labels permuted"
    with pytest.raises(ComparisonError, match=rf"^Q: score 'likeness' of 'gru' is (nan|inf) \({why}\)\."):
        Report("Q", "", "", scores=[score(), bad])


@pytest.mark.parametrize(("found", "holds"), [(0.4, True), (0.6, True), (0.39999, False), (0.60001, False), (float("nan"), False)])
def test_a_claim_holds_inside_its_closed_interval(found: float, holds: bool) -> None:
    assert Claim("a", found, 0.4, 0.6, "b").holds is holds


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (-2.5, "−2.500"), (0.99912, "0.9991"), (1234.5, "1234"), (None, "–"), (float("nan"), "–"), (float("-inf"), "−∞")],
)  # fmt: skip
def test_numbers_are_set_with_few_digits_and_a_proper_minus(value: float | None, text: str) -> None:
    assert page.number(value) == cs.report.number(value) == text  # through the door, which refuses NaN elsewhere


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        save_svg(picture(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_an_existing_folder_is_never_touched(report: Report, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(tmp_path))}: exists already, and a finished run is never overwritten\."):
        report.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "place",
    [
        "cortex_sim.report.figures._style.save_svg", "cortex_sim.report._report.Trials.save", "cortex_sim.cards._model.save_arrays",
        "cortex_sim.cards._model.write_text", "cortex_sim.report._report._write_json", "cortex_sim.report._page.render",
        "xarray.Dataset.to_netcdf", "pathlib.Path.rename",
    ],
)  # fmt: skip
def test_a_full_disk_leaves_nothing(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(place, full)
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(tmp_path / 'one'))}: the report (was not|cannot be) written.*No space left on device"):
        report.write(tmp_path / "one")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_nothing(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: type[BaseException]) -> None:
    def stop(*_: object) -> str:
        raise stopped("stopped")

    monkeypatch.setattr(page, "render", stop)
    with pytest.raises(stopped, match="stopped"):
        report.write(tmp_path / "one")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["gain +1", "gain -1"], ["gain_plus_1", "gain_minus_1"]),
        (["leaky_tanh", "own class"], ["leaky_tanh", "own_class"]),
        (["a b", "a_b", "A b"], [r"a_b_[0-9a-f]{8}"] * 3),
        (["!", "?"], [r"_[0-9a-f]{8}"] * 2),
        (["x/y", "../x"], ["x_y", "x"]),
        (["R²", "a-b"], ["r²", "a_b"]),
    ],
)
def test_no_two_names_get_one_file(names: list[str], files: list[str]) -> None:
    found = list(file_names(names).values())
    assert len({name.casefold() for name in found}) == len(names)
    assert all(re.fullmatch(wanted, name) for wanted, name in zip(files, found, strict=True)), found


def test_what_was_read_of_a_recording_and_noticed_stands_in_the_report(report: Report, tmp_path: Path) -> None:
    time = 0.01 * np.arange(-5, 15)
    trials = Trials.from_arrays(np.ones((8, 20, 3)), time, provenance={"recording": "r.npz", "findings": ["3 trials <left out>."]})
    page = replace(report, trials={"recorded": trials.window(0.0, 0.1), "other": report.trials["teacher"]}).write(tmp_path / "r").read_text()
    assert "<dt>recorded, as read</dt><dd>r.npz, 0 to 100 ms, 8 trials, 3 units. 3 trials &lt;left out&gt;.</dd>" in page
    assert "other, as read" not in page


def test_tables_are_written_as_csv_that_comes_back_whatever_is_in_it(report: Report, tmp_path: Path) -> None:
    rows = [{"unit": 3, "said, by": f'{NASTY}, "quoted"\nanother line'}, {"unit": 0.1 + 0.2, "said, by": "\ud800é"}]
    page = replace(report, tables={"a plan": rows, "none": []}).write(tmp_path / "run")
    files = {path.name: path for path in page.parent.glob("*.csv")}
    assert set(files) == {f"{name}.csv" for name in file_names(["a plan", "none"]).values()} | {"scores.csv"}
    with pytest.raises(ComparisonError, match="table 'Scores' would take the place of scores.csv"):
        replace(report, tables={"Scores": rows})
    with files[f"{file_names(['a plan', 'none'])['a plan']}.csv"].open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert found[0] == {"unit": "3", "said, by": rows[0]["said, by"]} and float(found[1]["unit"]) == rows[1]["unit"]
    assert found[1]["said, by"] == "\\ud800é"
    assert set(json.loads((page.parent / "run.json").read_text(encoding="utf-8"))["outputs"]) >= set(files)
