"""reproduce(names) -> Reproduction: published results beside ours, read off the claims of the protocols that make them."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cortex_sim.errors import NotFound, OptionError, suggestion
from cortex_sim.report import Report
from cortex_sim.runtime import check_new, cluster, read_toml, write_text
from cortex_sim.studies._sweep import Result, items_of, performed_all

REGISTRY = Path(__file__).with_name("published.toml")
CLASSES = {
    "A": "a number of a model that its parameters give", "B": "a method on data whose answer is known",
    "C": "recorded data: a band for reference, not a reproduction",
}  # fmt: skip
KNOWN = {
    "read": "in the authors' files or the paper", "verified": "by an independent implementation", "remembered": "with confidence, not looked up",
    "unverified": "remembered without confidence: shown, never tested",
}  # fmt: skip
Holds = Literal["holds", "does not hold", "not tested", "in the band", "outside the band"]


@dataclass(frozen=True)
class Row:
    """A published result and where ours stands.

    Attributes:
        name: paper and result, ``hennequin_2014.mean_energy``.
        paper: citation.
        figure: of the paper; empty if the number stands in no figure.
        group: A, B or C; see :data:`CLASSES`.
        known: how the published value is known; see :data:`KNOWN`.
        protocol: whose claim it is.
        claim: the text of the claim, or how it begins.
        published: the published value, in words.
        value: the same as a number; None if it is none.
    """

    name: str
    paper: str
    figure: str
    group: str
    known: str
    protocol: str
    claim: str
    published: str
    value: float | None


@dataclass(frozen=True)
class Found:
    """What a protocol found for a row.

    Attributes:
        row: the published result.
        compares: the quantity, as the claim words it; the row's own words if the claim was not made.
        ours: the number, mean over seeds; None if the claim was not made.
        span: smallest and largest over seeds; None with one seed.
        low: lower end of what the claim allows; None without.
        high: upper end.
        tolerance: source of these bounds.
        holds: how ours stands to them, in words.
        why: why there is no number; empty if there is.
        seconds: that the protocol took; shared by all its rows.
    """

    row: Row
    compares: str
    ours: float | None
    span: tuple[float, float] | None
    low: float | None
    high: float | None
    tolerance: str
    holds: Holds
    why: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the row as in ``rows.json``."""
        found = asdict(self)
        return found.pop("row") | found


@dataclass(frozen=True)
class Reproduction:
    """Published results beside ours.

    Attributes:
        rows: what was found.
        seeds: of the runs.
        smoke: whether runs were small and short.
        seconds: that all took.
    """

    rows: Sequence[Found]
    seeds: Sequence[int]
    smoke: bool
    seconds: float

    def report(self) -> Report:
        """Return the report, with a small figure for each row."""
        from cortex_sim.studies._reproduced_page import report_of

        return report_of(self)

    def markdown(self) -> str:
        """Return the table in Markdown."""
        from cortex_sim.studies._reproduced_page import markdown

        return markdown(self.rows)


@cache
def published() -> tuple[Row, ...]:
    """Return every registered result."""
    return read(REGISTRY)


def read(path: Path) -> tuple[Row, ...]:
    """Return the results that a file registers.

    Raises:
        OptionError: it is not well formed; the message says where.
    """
    rows = []
    for name, part in read_toml(path, OptionError).items():
        for field, allowed in (("class", CLASSES), ("known", KNOWN)):
            if part.get(field) not in allowed:
                raise OptionError(f"{path.name}: [{name}] {field} = {part.get(field)!r} is unknown. {suggestion(str(part.get(field)), allowed)}")
        for label, row in part["rows"].items():
            value = row.get("value")
            rows.append(Row(f"{name}.{label}", part["paper"], part.get("figure", ""), part["class"], part["known"], part["protocol"], row["claim"],
                            row["published"], None if value is None else float(value)))  # fmt: skip
    return tuple(rows)


def chosen(names: Sequence[str]) -> list[Row]:
    """Return the rows of these names: a row, or all of a paper; all rows if there are none.

    Raises:
        NotFound: a name is neither; a close one is suggested.
    """
    rows = published()
    papers = {row.name.split(".")[0] for row in rows}
    known = {row.name for row in rows} | papers
    for name in names:
        if name not in known:
            raise NotFound(f"reproduce: {name!r} is no paper or row. {suggestion(name, known if '.' in name else papers)}")
    return [row for row in rows if not names or row.name in names or row.name.split(".")[0] in names]


def reproduce(
    names: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (0,),
    smoke: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    out: str | Path | None = None,
    command: str = "",
) -> Reproduction:
    """Run the protocols that make published results, and compare ours with them.

    Runs are kept in the cache by all that affects them, so that a call that was killed goes on where it was, and a row costs only its own protocol.

    Args:
        names: rows or papers; all if there are none.
        seeds: of every protocol; with several, the span over them is the interval.
        smoke: small and short: shows that everything runs; its numbers mean nothing, and some claims are not made.
        jobs: number of processes; the number of cores if omitted.
        scheduler: address of a running Dask scheduler; its workers run the protocols.
        out: new folder for the page, ``rows.json`` and ``rows.md``; not written if omitted.
        command: the command that was typed.

    Raises:
        NotFound: a name is no row or paper.
        OptionError: a seed is below 0 or given twice.
        FileProblem: the folder exists.
    """
    began, rows = time.monotonic(), chosen(names)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise OptionError(f"seeds {list(seeds)} should be different whole numbers from 0, at least one.")
    if out is not None:
        check_new(Path(out))
    items = [item for name in dict.fromkeys(row.protocol for row in rows) for item in items_of(name, {}, list(seeds), smoke)]
    label = f"published results, {len(items)} runs"
    with cluster(scheduler, jobs=jobs):
        results = performed_all(items, jobs, local=not scheduler, label=label)
    by_protocol: dict[str, list[Result]] = {}
    for item, result in zip(items, results, strict=True):
        by_protocol.setdefault(item.protocol, []).append(result)
    found = Reproduction([_found(row, by_protocol[row.protocol]) for row in rows], list(seeds), smoke, time.monotonic() - began)
    if out is not None:
        found.report().write(out, command=command)
        write_text(Path(out) / "rows.json", json.dumps([row.as_json() for row in found.rows], indent=1, ensure_ascii=False) + "\n")
        write_text(Path(out) / "rows.md", found.markdown())
    return found


def _found(row: Row, results: Sequence[Result]) -> Found:
    """Return what the runs of a protocol, one a seed, say of a row."""
    failed = [str(result["failed"]) for result in results if "failed" in result]
    seconds = float(sum(result.get("seconds", 0.0) for result in results))
    if failed:
        return Found(row, row.claim, None, None, None, None, "", "not tested", failed[0], seconds)
    claims = [claim for result in results for claim in result["claims"] if claim["text"].startswith(row.claim)]
    exact = [claim for claim in claims if claim["text"] == row.claim] or claims
    texts = {claim["text"] for claim in exact}
    if len(texts) != 1:
        why = "the protocol did not claim it" if not texts else f"{len(texts)} claims begin so: {', '.join(sorted(texts))}"
        return Found(row, row.claim, None, None, None, None, "", "not tested", why, seconds)
    numbers = [np.inf if claim["found"] is None else float(claim["found"]) for claim in exact]
    span = (min(numbers), max(numbers)) if len(numbers) > 1 else None
    holds = all(claim["holds"] for claim in exact)
    words: Holds = ("in the band" if holds else "outside the band") if row.group == "C" else "holds" if holds else "does not hold"
    if row.known == "unverified":
        words = "not tested"
    first = exact[0]
    return Found(row, texts.pop(), float(np.mean(numbers)), span, first["low"], first["high"], first["source"], words, "", seconds)
