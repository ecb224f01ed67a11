"""tune, sweep, reproduce: many runs of protocols."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cortex_sim.cards import catalogue
from cortex_sim.cli._choices import Json, Open, Scheduler, names, seeds_of
from cortex_sim.cli._output import FAILED, folder_for, had_finished, interrupted, stopped, tell, typed
from cortex_sim.runtime import warn


def tune(
    protocol: Annotated[str, typer.Argument(help="a protocol with training data, or a path that ends in .py", autocompletion=names("protocols"))],
    space: Annotated[Path, typer.Option(help="TOML file with the search space; see docs/tuning.md")],
    model: Annotated[
        str | None, typer.Option(help="a shipped model or a path that ends in .toml; the protocol's own if omitted", autocompletion=names("models"))
    ] = None,
    trials: Annotated[int, typer.Option(help="total number of settings to try")] = 30,
    folds: Annotated[int, typer.Option(help="number of folds of the cross-validation over conditions")] = 5,
    nested: Annotated[int, typer.Option(help="number of outer folds that score the whole procedure")] = 0,
    test: Annotated[float, typer.Option(help="fraction of the conditions held out before anything else")] = 0.2,
    jobs: Annotated[int, typer.Option(help="number of processes")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random choice")] = 0,
    smoke: Annotated[bool, typer.Option("--smoke", help="small and short: its numbers mean nothing")] = False,
    study: Annotated[Path | None, typer.Option(help="folder of the journal, to share or resume; in the cache if omitted")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the report; must not exist. Default: runs/PROTOCOL-tune-TIME")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="resume a killed tuning in --out, if there is one")] = False,
    scheduler: Scheduler = None,
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Search for the best construction and training of a protocol's student.

    Example: cortex-sim tune match --space match.space.toml --trials 30 --folds 5
    """
    from cortex_sim.runtime import check_new, cluster, finished, run_folder, workers
    from cortex_sim.studies import tuning

    folder = folder_for(out, f"{Path(protocol).stem}-tune", resume)
    if resume and finished(folder):
        had_finished(folder, as_json)
        return
    check_new(folder, resume=resume)
    searched, module = tuning.read_space(space), catalogue.protocol(protocol)
    plan = tuning.Plan(trials, folds, nested, test, jobs, seed, smoke)
    tuning.check_installed()
    name = model or getattr(module, "MODEL", "")
    material = tuning.training_data_of(module, protocol, catalogue.load(name) if name else None, seed=seed, smoke=smoke)
    kept = study or tuning.study_folder(material, searched, plan)
    asked = {"tuned": protocol, "study": tuning.study_folder(material, searched, plan).name, "trials": trials}
    try:
        with run_folder(folder, asked=asked, resume=resume), workers.one_thread(), cluster(scheduler):
            report = tuning.report_of(tuning.tune(material, searched, plan, kept), Path(protocol).stem)
            page = report.write(folder, command=typed(), protocol=catalogue.find(protocol))
    except KeyboardInterrupt:
        interrupted(folder, f"The trials done are kept in {kept}; the same command goes on from there.")
    tell(report, page, as_json, opened)


def sweep(
    protocol: Annotated[str, typer.Argument(help="a shipped protocol, or a path that ends in .py", autocompletion=names("protocols"))],
    grid: Annotated[Path | None, typer.Option(help="TOML file with a list of values for each axis; only seeds if omitted")] = None,
    seeds: Annotated[str, typer.Option(help="0:20 for seeds 0 to 19, or 0,3,7")] = "0",
    jobs: Annotated[int | None, typer.Option(help="number of processes (the cores if omitted), or of workers asked of the queue (two)")] = None,
    scheduler: Scheduler = None,
    slurm: Annotated[str | None, typer.Option(help="queue of SLURM whose jobs do the work")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="small and short: shows that everything runs; its numbers mean nothing")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the report; must not exist. Default: runs/PROTOCOL-sweep-TIME")] = None,
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Run a protocol at every combination of a grid's values and of seeds. What was computed before is not computed again.

    A grid is a TOML file: model = ["hennequin_2014", "kao_2021"], options of the protocol likewise, and in a table [card] parameters of the card, in
    its units: tau = [100, 200].

    Example: cortex-sim sweep rotations --grid grid.toml --seeds 0:20
    """
    from cortex_sim.studies import read_grid
    from cortex_sim.studies import sweep as swept

    folder = folder_for(out, f"{Path(protocol).stem}-sweep", False)
    axes = {} if grid is None else read_grid(grid)
    how: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "slurm": slurm, "smoke": smoke, "out": folder, "command": typed()}
    with stopped("runs"):
        found = swept(protocol, axes, seeds=seeds_of(seeds), **how)
    tell(found.report(), folder / "report.html", as_json, opened)
    if found.failed:
        warn(f"{len(found.failed)} runs failed; the same command with another --out tries them alone.")
        raise typer.Exit(FAILED)


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(help="papers or single rows, such as hennequin_2014; all if omitted")] = None,
    seeds: Annotated[str, typer.Option(help="0:3 for seeds 0 to 2, or 0,3,7; with several, the span over them is shown")] = "0",
    jobs: Annotated[int | None, typer.Option(help="number of processes; the cores if omitted")] = None,
    scheduler: Scheduler = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="small and short: shows that everything runs; its numbers mean nothing")] = False,
    check: Annotated[bool, typer.Option("--check", help="exit 1 if a tested result does not hold")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the page, rows.json and rows.md; must not exist. Default: runs/reproduce-TIME")] = None,
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Compare published results with ours: one table, read off the protocols that make them. What was computed before is not computed again.

    Example: cortex-sim reproduce hennequin_2014 kao_2021
    """
    from cortex_sim.studies import reproduce as reproduced

    folder = folder_for(out, "reproduce", False)
    how: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "smoke": smoke, "out": folder, "command": typed()}
    with stopped("protocols"):
        found = reproduced(names or [], seeds=seeds_of(seeds), **how)
    report = found.report()
    tell(report, folder / "report.html", as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)
