"""sweep(protocol, grid) -> Sweep: a protocol at every combination of models, parameters, options and seeds; nothing is computed twice."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cortex_sim.cards import catalogue
from cortex_sim.errors import CortexSimError, FileProblem, OptionError
from cortex_sim.report import Report
from cortex_sim.runtime import check_new, cluster, code_key, content_key, passed_on, warn, workers, write_text
from cortex_sim.studies._grid import Value, check_axes, combinations, prepared, unit_of
from cortex_sim.studies._run import run

if TYPE_CHECKING:
    import xarray as xr

ATTEMPTS = 2  # at all that is left, after a process was lost; then one item at a time
LOST = "its process ended before it did, as when memory is short or it is killed"
Result = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One run of a sweep: a combination of values by axis, a seed, and a hash of everything that affects the result."""

    protocol: str
    values: tuple[tuple[str, Value], ...]
    seed: int
    smoke: bool
    key: str

    @property
    def setting(self) -> dict[str, Value]:
        """Return the value on each axis."""
        return dict(self.values)

    def __str__(self) -> str:
        return ", ".join([*(f"{name} = {value}" for name, value in self.values), f"seed {self.seed}"])


@dataclass(frozen=True)
class Sweep:
    """Results of a sweep.

    Attributes:
        protocol: that was run.
        axes: values of each axis of the grid.
        units: of the axes that are quantities of a card.
        seeds: of every combination.
        smoke: whether the runs were small and short.
        done: what was found, by item: scores, claims and seconds.
        failed: why the others failed, by item.
        computed: number of items that were computed now and not found in the cache.
        seconds: that the sweep took.
    """

    protocol: str
    axes: Mapping[str, Sequence[Value]]
    units: Mapping[str, str]
    seeds: Sequence[int]
    smoke: bool
    done: Mapping[Item, Result]
    failed: Mapping[Item, str]
    computed: int
    seconds: float

    @property
    def dataset(self) -> "xr.Dataset":
        """Return all scores and claims, with the axes of the grid and the seeds as dimensions; NaN where an item failed or has no such number."""
        from cortex_sim.studies._gathered import gathered

        return gathered(self)

    def report(self) -> Report:
        """Return the report, with curves over numbers and heat maps."""
        from cortex_sim.studies._gathered import report_of

        return report_of(self)

    def __repr__(self) -> str:
        return f"Sweep of {self.protocol}: {len(self.done)} of {len(self.done) + len(self.failed)} items, {self.computed} computed now"


def sweep(
    protocol: str,
    grid: Mapping[str, Any] | None = None,
    *,
    seeds: Sequence[int] = (0,),
    smoke: bool = False,
    jobs: int | None = None,
    scheduler: str | None = None,
    slurm: str | None = None,
    out: str | Path | None = None,
    command: str = "",
) -> Sweep:
    """Run a protocol at every combination of the values of a grid and of seeds, and gather scores and claims.

    Items are kept in the cache by all that affects them: a sweep that was killed, or that is repeated with a longer grid, computes what is not
    there. Items that fail are listed with their message and are not kept, so that the same call runs them alone.

    Args:
        protocol: a shipped protocol, or a path that ends in ``.py``.
        grid: lists of values by axis: ``model``, ``scale``, options of the protocol, ``card.NAME`` for a parameter of the card (in the unit of the
            card), ``card.PROJECTION.ARGUMENT``, ``card.units``, ``card.seed``. Only seeds if omitted.
        seeds: of every combination.
        smoke: small and short: shows that everything runs; its numbers mean nothing.
        jobs: number of processes, the number of cores if omitted; or of workers asked of a queue, two if omitted.
        scheduler: address of a running Dask scheduler; its workers do the items.
        slurm: queue of a SLURM cluster whose jobs do the items.
        out: new folder for the report and ``sweep.nc``; not written if omitted.
        command: the command that was typed.

    Raises:
        OptionError: an axis means nothing here, a seed is below 0 or given twice, or a combination is impossible.
        FileProblem: the folder exists, or the cluster was lost; what was done is kept.
    """
    axes, began = check_axes(grid or {}), time.monotonic()
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise OptionError(f"seeds {list(seeds)} should be different whole numbers from 0, at least one.")
    if jobs is not None and jobs < 1:
        raise OptionError(f"--jobs {jobs} should be 1 or more.")
    if jobs is not None and scheduler is not None:
        raise OptionError(f"--jobs {jobs}: a scheduler has the workers that were begun for it; leave --jobs out.")
    if out is not None:
        check_new(Path(out))
    where = protocol if not protocol.endswith(".py") else str(Path(protocol).absolute())
    items = items_of(where, axes, [int(seed) for seed in seeds], smoke)
    known = sum(_kept().path((item,)).exists() for item in items)
    with cluster(scheduler, slurm=slurm, jobs=jobs):
        results = performed_all(items, jobs, local=not (scheduler or slurm), label=f"{len(items)} runs of {Path(where).stem}")
    done = {item: result for item, result in zip(items, results, strict=True) if "failed" not in result}
    failed = {item: result["failed"] for item, result in zip(items, results, strict=True) if "failed" in result}
    for item, why in failed.items():
        warn(f"{item}: {why}")
    units = {name: unit for name in axes if (unit := unit_of(where, combinations(axes)[0], name))}
    found = Sweep(where, axes, units, list(seeds), smoke, done, failed, len(items) - known, time.monotonic() - began)
    if out is not None:
        found.report().write(out, command=command, protocol=catalogue.find(where))
    return found


def items_of(protocol: str, axes: Mapping[str, Sequence[Value]], seeds: Sequence[int], smoke: bool) -> list[Item]:
    """Return the runs of a sweep; the circuit of every combination is built, so that what cannot be run is refused before anything runs."""
    text, items = catalogue.find(protocol).read_text(encoding="utf-8"), []
    for setting in combinations(axes):
        values = tuple(setting.items())
        try:
            circuit, options = prepared(protocol, setting)
        except CortexSimError as problem:
            said = ", ".join(f"{name} = {value!r}" for name, value in values)
            raise OptionError(f"{said}: {problem}" if said else str(problem)) from None
        known = content_key("item of a sweep", text, circuit and circuit.key, options, smoke, code_key())
        items += [Item(protocol, values, seed, smoke, content_key(known, seed)) for seed in seeds]
    return items


def _kept() -> workers.Kept:
    return workers.Kept(lambda item: item.key, _write, _read, "sweeps", ".json", shared=True)


def performed_all(items: Sequence[Item], jobs: int | None, *, local: bool, label: str) -> list[Result]:
    """Return the result of every item; a process that is lost costs what it was doing, and an item that loses it again fails.

    Args:
        items: of one protocol or several.
        jobs: number of processes; the number of cores if omitted.
        local: whether processes are of this machine.
        label: of the progress.

    Raises:
        FileProblem: the cluster was lost, or the work broke off; what was done is kept.
    """
    several = len({item.protocol for item in items}) > 1
    names = {item: f"{Path(item.protocol).stem}, {item}" if several else str(item) for item in items}
    asked = {name: (item,) for item, name in names.items()}
    found: dict[str, Result] = {}
    kept, lost = _kept(), False
    for each in [asked] * ATTEMPTS + [{name: job} for name, job in asked.items()]:
        part = {name: job for name, job in each.items() if name not in found}
        if not part:
            continue
        try:
            found |= workers.map(label, _performed, part, workers=jobs, tells=local, apart=lost, kept=kept)
        except CortexSimError:
            raise
        except Exception as problem:
            if not _lost(problem):
                why = f"{type(problem).__name__}: {' '.join(str(problem).split()).rstrip('.')}"
                what = "the work broke off" if local else "the cluster was lost"
                raise FileProblem(f"sweep: {what} ({why}). {_kept_so_far(items, kept)}") from None
            lost = True
            warn(f"sweep: a process was lost; what it did not finish is done again. {_kept_so_far(items, kept)}")
            if len(part) == 1:
                found |= {name: {"failed": LOST} for name in part}
    return [found[names[item]] for item in items]


def _lost(problem: Exception) -> bool:
    """Return whether a worker died, rather than the scheduler or the network."""
    return type(problem).__name__ in ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")


def _kept_so_far(items: Sequence[Item], kept: workers.Kept) -> str:
    done = sum(kept.path((item,)).exists() for item in items)
    return f"{done} of {len(items)} items are kept; the same call does the others."


def _performed(item: Item, report: Callable[[float, str], None] | None = None) -> Result:
    """Run an item and return its scores and claims, or why it failed."""
    began = time.monotonic()
    try:
        with passed_on(report or (lambda done, text: None)):
            circuit, options = prepared(item.protocol, item.setting)
            found = run(item.protocol, circuit, seed=item.seed, smoke=item.smoke, **options)
    except CortexSimError as problem:
        return {"failed": str(problem)}
    except Exception as problem:  # of a protocol of the user's, or a fault of ours: the other items go on
        return {"failed": f"{type(problem).__name__}: {problem}"}
    scores = [score.as_json() for score in found.scores]
    named = ("measure", "student", "split", "estimate", "interval", "null_mean", "null_sd", "better", "identical")
    return {
        "scores": [{name: _plain(score[name]) for name in named} for score in scores],
        "claims": [claim.as_json() for claim in found.claims], "seconds": time.monotonic() - began,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def _write(path: Path, result: Result) -> None:
    if "failed" not in result:
        write_text(path, json.dumps(result, ensure_ascii=False, allow_nan=False))


def _read(path: Path) -> Result:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(result["scores"], list) or not isinstance(result["claims"], list):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        raise FileProblem(f"{path}: is damaged") from None
    return dict(result)
