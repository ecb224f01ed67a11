"""benchmark run, benchmark table: measures and methods put to the test."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cortex_sim.cli._choices import Json, Open, Scheduler
from cortex_sim.cli._output import FAILED, folder_for, stopped, tell, typed
from cortex_sim.errors import OptionError


def benchmark_run(
    file: Annotated[Path | None, typer.Argument(help="a file of Python with alike(a, b) -> float, or fit(trials, task); it is run")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every measure of this package")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="small and short: shows that everything runs; its numbers mean nothing")] = False,
    check: Annotated[bool, typer.Option("--check", help="exit 1 if a claim of the report fails")] = False,
    test_set: Annotated[bool, typer.Option("--test-set", help="circuits of the test set: for the last run of a study, not for choosing")] = False,
    jobs: Annotated[int | None, typer.Option(help="number of processes; the number of cores if omitted")] = None,
    scheduler: Scheduler = None,
    out: Annotated[Path | None, typer.Option(help="folder of the report; must not exist. Default: runs/benchmark-NAME-TIME")] = None,
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Put a measure of similarity or a method of fitting to the test on circuits whose mechanism is known; docs/benchmark.md says how.

    Circuits that are done are kept: after Ctrl-C the same command goes on. The report's folder holds a JSON file for each measure.

    Example: cortex-sim benchmark run my_measure.py --smoke --out my_result
    """
    if (file is None) is not everything:
        raise OptionError("benchmark run: give either a file or --all.")
    from cortex_sim.runtime import check_new
    from cortex_sim.studies import benchmark

    folder = folder_for(out, f"benchmark-{file.stem if file else 'all'}", False)
    check_new(folder)
    with stopped("circuits"):
        results = benchmark.put_to_test(file, smoke=smoke, of="test" if test_set else "development", jobs=jobs, scheduler=scheduler)
    _page(results, folder, check, as_json, opened)


def benchmark_table(
    results: Annotated[list[Path], typer.Argument(help="results of cortex-sim benchmark run: JSON files")],
    check: Annotated[bool, typer.Option("--check", help="exit 1 if a claim of the report fails")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the page; must not exist. Default: runs/benchmark-table-TIME")] = None,
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Write the page that compares measures and methods by their results.

    Example: cortex-sim benchmark table results/*.json --out leaderboard
    """
    from cortex_sim.runtime import check_new
    from cortex_sim.studies import benchmark

    folder = folder_for(out, "benchmark-table", False)
    check_new(folder)
    _page([benchmark.read_result(path) for path in results], folder, check, as_json, opened)


def _page(results: list[dict[str, Any]], folder: Path, check: bool, as_json: bool, opened: bool) -> None:
    from cortex_sim.studies import benchmark

    report = benchmark.report_of(results)
    page = benchmark.write(report, results, folder, command=typed())
    tell(report, page, as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)
