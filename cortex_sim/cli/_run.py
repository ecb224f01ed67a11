"""run, rerun, report: a protocol, the same once more, and many runs on one page."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from cortex_sim.cli._choices import Json, Open, chosen
from cortex_sim.cli._described import Described
from cortex_sim.cli._output import FAILED, INTERRUPTED, answer, folder_for, had_finished, interrupted, open_page, tell, typed
from cortex_sim.cli._run_options import RECORDED, SPIKING, Run, signature
from cortex_sim.errors import OptionError
from cortex_sim.runtime import warn

OURS = ("scheduler", "verbose", "out", "resume", "check", "as_json", "opened")  # options of the command that its run need not know


def _perform(given: dict[str, Any], protocol: Described) -> None:
    """Run a protocol with the options that were given, and write its report."""
    from cortex_sim.report import claims_hold
    from cortex_sim.runtime import cluster, finished, show_stages
    from cortex_sim.studies import perform

    scheduler, verbose, out, resume, check, as_json, opened = (given[name] for name in OURS)
    folder = folder_for(out, Path(given["protocol"]).stem, resume)
    if resume and finished(folder):
        had_finished(folder, as_json)
        raise typer.Exit(FAILED if check and not claims_hold(folder) else 0)
    if scheduler and given["device"]:
        raise OptionError("--device is of this machine; workers of a cluster compute where CORTEX_SIM_DEVICE, set where they were started, says.")
    show_stages(verbose)
    try:
        with cluster(scheduler):
            report, page = perform(_asked(given, protocol), folder, command=typed(), resume=resume)
    except KeyboardInterrupt:
        interrupted(folder)
    tell(report, page, as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)


def _asked(given: dict[str, Any], protocol: Described) -> dict[str, Any]:
    """Return what a run is asked for, by name; what was not given is left out."""
    of_file = RECORDED.keys() - {option.name for option in protocol.own}
    read = chosen(**{name: value for name, value in given.items() if name in of_file})
    others = {name: _plain(value) for name, value in given.items() if name not in of_file and name not in OURS}
    return read | {name: value for name, value in others.items() if value not in (None, [])}


def _plain(value: Any) -> Any:
    """Return a value as the record of a run holds it."""
    return value.value if isinstance(value, Enum) else str(value) if isinstance(value, Path) else value


Run.perform = _perform


def run(**given: Any) -> None:  # noqa: ARG001 - its signature is given below
    """Run a protocol and write its report; cortex-sim run PROTOCOL --help shows the options that it has.

    Example: cortex-sim run match --model hennequin_2014 --seed 1 --out my_run
    """
    raise OptionError("run: name a protocol; cortex-sim list protocols lists them.")  # the command of a named one takes the place of this


signature(run, SPIKING)


def report_(
    runs: Annotated[list[Path], typer.Argument(help="folders of runs, or folders that hold some, such as runs")],
    out: Annotated[Path, typer.Option(help="page to write; must not exist")] = Path("runs.html"),
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Write one page of many runs: to search, sort and compare, without a server.

    Example: cortex-sim report runs --out runs.html --open
    """
    from cortex_sim.report import browse

    page = browse([str(run) for run in runs], out)
    answer({"report": str(page)}, f"report: {page}", as_json)
    if opened:
        open_page(page)


def rerun(
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    out: Annotated[Path | None, typer.Option(help="folder to keep the repetition in; must not exist. If omitted, it is not kept")] = None,
    as_json: Json = False,
) -> None:
    """Repeat a run and report whether its results are the same; exit 1 if not, with the differences and what has changed.

    Example: cortex-sim rerun my_run
    """
    from cortex_sim.studies import repeat

    try:
        found = repeat(run, out, command=typed())
    except KeyboardInterrupt:
        warn("\ncortex-sim: interrupted; nothing was compared.")
        raise typer.Exit(INTERRUPTED) from None
    answer({"same": found.same, "lines": list(found.lines)}, "\n".join(found.lines), as_json)
    if not found.same:
        raise typer.Exit(FAILED)
