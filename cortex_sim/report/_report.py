"""Report: the results of a protocol, as a page to show to colleagues, with the numbers beside it."""

import base64
import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import ComparisonError, FileProblem
from cortex_sim.report._alternative import alternative
from cortex_sim.report._record import crate, hashes, run_record
from cortex_sim.report._references import references
from cortex_sim.runtime import cache_folder, check_new, csv_text, escaped, free, html_table, run_folder
from cortex_sim.statistics import Score
from cortex_sim.trials import FINDINGS, Trials

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Claim:
    """A number with the interval in which it should lie, and the source of the interval."""

    text: str
    found: float
    low: float
    high: float
    source: str

    @property
    def holds(self) -> bool:
        """Return whether the number is in the interval."""
        return bool(self.low <= self.found <= self.high)

    def as_json(self) -> dict[str, Any]:
        """Return the claim as in ``claims.json``."""
        return {
            "text": self.text, "found": _number(self.found), "low": _number(self.low), "high": _number(self.high),
            "source": self.source, "holds": self.holds,
        }  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure with its title and caption."""

    figure: "Figure"
    title: str
    caption: str


@dataclass(frozen=True)
class Animation:
    """An animated picture, as the text of an SVG."""

    svg: str
    title: str
    caption: str


@dataclass(frozen=True)
class Report:
    """The results of a protocol.

    Attributes:
        title: of the page.
        question: the scientific question.
        answer: two sentences with numbers.
        findings: further results, a paragraph each by its heading.
        claims: numbers with intervals.
        scores: comparisons with nulls and intervals.
        pictures: by file name.
        trials: by name.
        models: circuits and networks by name; their cards and weights are written too.
        methods: paragraphs separated by an empty line.
        facts: labels with values: sizes, times, counts.
        absent: what the reader may miss, and why it is absent.
        smoke: whether the run only shows that everything works; page and record say so.
        seed: of the run.
        seconds: time of each stage.
        packages: packages whose versions are recorded beside the usual ones.
        datasets: further arrays by name, each written as netCDF.
        tables: further tables by name, each written as CSV: rows that map the same columns to values.

    Raises:
        ComparisonError: a score is not a finite number, or a table is named as that of the scores.
    """

    title: str
    question: str
    answer: str
    findings: Mapping[str, str] = field(default_factory=dict)
    claims: Sequence[Claim] = ()
    scores: Sequence[Score] = ()
    pictures: Mapping[str, Picture | Animation] = field(default_factory=dict)
    trials: Mapping[str, Trials] = field(default_factory=dict)
    models: Mapping[str, Model | SpikingModel] = field(default_factory=dict)
    methods: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    absent: Sequence[str] = ()
    smoke: bool = False
    seed: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    packages: Sequence[str] = ()
    datasets: Mapping[str, "xr.Dataset"] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.tables:
            if name.strip().lower() == "scores":
                raise ComparisonError(f"{self.title}: table {name!r} would take the place of scores.csv; give it another name.")
        for score in self.scores:
            if not math.isfinite(score.estimate):
                why = f"interval over {score.interval_over}; null: {score.surrogate}"
                found = f"score {score.measure!r} of {score.student!r} is {score.estimate:g} ({score.split}; {why})"
                raise ComparisonError(f"{self.title}: {found}. Leave out what cannot be measured, and say why it is absent.")

    @property
    def holds(self) -> bool:
        """Return whether every claim holds."""
        return all(claim.holds for claim in self.claims)

    @property
    def paragraphs(self) -> list[str]:
        """Return the paragraphs of the methods, one line each."""
        return [" ".join(paragraph.split()) for paragraph in self.methods.split("\n\n") if paragraph.strip()]

    @property
    def told(self) -> dict[str, str]:
        """Return the facts, with what was read from recordings, findings about them, and whether this is a smoke run."""
        read = {name: _recorded(trials) for name, trials in self.trials.items() if "recording" in trials.provenance}
        smoke = {"smoke run": "shows that everything runs; its numbers mean nothing"} if self.smoke else {}
        return dict(self.facts) | {f"{name}, as read": said for name, said in read.items()} | smoke

    def _repr_html_(self) -> str:
        claims = [[c.text, f"{c.found:.4g}", f"{c.low:.4g} to {c.high:.4g}", "holds" if c.holds else "FAILS"] for c in self.claims]
        found = html_table(("claim", "found", "should lie in", ""), claims) if claims else ""
        scores = html_table(Score.COLUMNS, [score.row() for score in self.scores], caption="Scores") if self.scores else ""
        texts = "".join(f"<p>{escaped(text)}</p>" for text in (self.question, self.answer))
        return f"<h3>{escaped(self.title)}</h3>{texts}{found}{scores}" + "".join(map(_figure, self.pictures.values()))

    def write(self, folder: str | Path, *, command: str = "", protocol: Path | None = None, asked: Mapping[str, Any] | None = None) -> Path:
        """Write the page and everything beside it into a new folder, completely or not at all.

        Args:
            folder: must not exist, unless this process holds it for this run (:func:`cortex_sim.runtime.run_folder`); parent folders are created.
            command: command that repeats the run.
            protocol: file of the protocol; its hash is recorded.
            asked: settings that determine the run, for ``cortex-sim rerun``.

        Returns:
            The path of the page, ``report.html``.

        Raises:
            FileProblem: the folder exists, cannot be written, or the disk is full; the report is then kept in the cache if possible, and the message
                says where.
        """
        folder = Path(folder)
        check_new(folder)
        try:
            return self._put(folder, command, protocol, asked)
        except FileProblem as problem:
            raise FileProblem(f"{folder}: the report was not written: {problem}{self._rescued(folder, command, protocol, asked)}") from None
        except OSError as problem:
            why = f"{folder}: the report cannot be written ({problem.strerror or problem})."
            raise FileProblem(f"{why}{self._rescued(folder, command, protocol, asked)}") from None

    def _put(self, folder: Path, command: str, protocol: Path | None, asked: Mapping[str, Any] | None) -> Path:
        with run_folder(folder) as place:
            place.fill(lambda staged: self._fill(staged, command, protocol, asked))
        return folder / "report.html"

    def _rescued(self, folder: Path, command: str, protocol: Path | None, asked: Mapping[str, Any] | None) -> str:
        """Write a report into the cache, for lack of another place, and return a sentence that says where it is."""
        place = free(cache_folder() / "reports" / f"{folder.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
        try:
            self._put(place, command, protocol, asked)
        except OSError:
            return f" Nothing was kept: {place} cannot be written either."
        return f" It is kept whole in {place}; move it to where there is room."

    def _fill(self, folder: Path, command: str, protocol: Path | None, asked: Mapping[str, Any] | None) -> None:
        from cortex_sim.report._page import file_names, render
        from cortex_sim.report.figures import save_svg

        (folder / "figures").mkdir()
        (folder / "models").mkdir()
        named = file_names(self.pictures)
        for name, picture in self.pictures.items():
            path = folder / "figures" / f"{named[name]}.svg"
            if isinstance(picture, Animation):
                path.write_text(picture.svg, encoding="utf-8")
            else:
                save_svg(picture.figure, path)
        named = file_names(self.trials)
        for name, trials in self.trials.items():
            trials.save(folder / f"{named[name]}.nc")
        named = file_names(self.datasets)
        for name, dataset in self.datasets.items():
            dataset.to_netcdf(folder / f"{named[name]}.nc", engine="h5netcdf")
        named = file_names(self.tables)
        for name, rows in self.tables.items():
            _write_csv(folder / f"{named[name]}.csv", rows)
        named = file_names(self.models)
        for name, model in self.models.items():
            model.save(folder / "models" / f"{named[name]}.toml")
        run = run_record(self, command, protocol, asked)
        _write_json(folder / "claims.json", [claim.as_json() for claim in self.claims])
        _write_json(folder / "scores.json", [_plain(score.as_json()) for score in self.scores])
        _write_csv(folder / "scores.csv", [_flat(score) for score in self.scores])
        papers = references(self.models, [score.measure for score in self.scores])
        (folder / "references.bib").write_text(papers, encoding="utf-8", errors="backslashreplace")
        (folder / "report.html").write_text(render(self, run, folder / "figures"), encoding="utf-8")
        _write_json(folder / "run.json", run | {"outputs": hashes(folder)})
        _write_json(folder / "ro-crate-metadata.json", crate(folder, self, run))


def _figure(picture: Picture | Animation) -> str:
    """Return a picture with its caption, for a notebook."""
    from cortex_sim.report.figures import svg_of

    drawn = picture.svg if isinstance(picture, Animation) else svg_of(picture.figure)
    data = base64.b64encode(drawn.encode()).decode()
    caption = f"<figcaption><b>{escaped(picture.title)}.</b> {escaped(picture.caption)}</figcaption>"
    return f"<figure><img style='max-width:100%' alt='{escaped(alternative(picture))}' src='data:image/svg+xml;base64,{data}'>{caption}</figure>"


def _recorded(trials: Trials) -> str:
    """Return what was read from a recording, and findings about it."""
    made, (count, _, units) = trials.provenance, trials.shape
    start, stop = float(trials.time[0]), float(trials.stop.max())
    said = f"{made['recording']}, {1e3 * start:g} to {1e3 * stop:g} ms, {count} trials, {units} units"
    return " ".join([f"{said}." if made.get(FINDINGS) else said, *made.get(FINDINGS, [])])


def _flat(score: Score) -> dict[str, Any]:
    """Return a score as a row of a table."""
    row = score.as_json()
    low, high = row["interval"] or (None, None)
    named = ("measure", "student", "split", "estimate", "better", "identical", "null_mean", "null_sd", "ceiling")
    return {name: row[name] for name in named} | {"low": low, "high": high}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = csv_text([names, *([row.get(name, "") for name in names] for row in rows)])
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _write_json(path: Path, content: Any) -> None:
    """Write JSON; lone surrogates, which UTF-8 lacks, become JSON escapes."""
    path.write_bytes((json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace"))


def _plain(value: Any) -> Any:
    """Return a value with NumPy numbers as plain ones, and null for numbers that JSON lacks."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case bool() | np.bool_():
            return bool(value)
        case float() | np.floating():
            return _number(float(value))
        case np.integer():
            return int(value)
    return value


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
