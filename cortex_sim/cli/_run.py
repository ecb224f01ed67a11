"""run, rerun, report: a protocol, the same once more, and many runs on one page."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cortex_sim.cli._choices import (
    Align,
    Area,
    Bin,
    Condition,
    Dims,
    Json,
    Open,
    Scheduler,
    Step,
    Table,
    Unless,
    Where,
    Window,
    chosen,
    names,
)  # fmt: skip
from cortex_sim.cli._output import FAILED, INTERRUPTED, folder_for, had_finished, interrupted, open_page, tell, typed
from cortex_sim.errors import OptionError
from cortex_sim.runtime import say, warn

Students = StrEnum("Students", ["default", "all"])
Target = StrEnum("Target", ["numpy", "cython", "standalone"])
Device = StrEnum("Device", ["cpu", "cuda"])


def run(
    protocol: Annotated[str, typer.Argument(help="a shipped protocol, or a path that ends in .py", autocompletion=names("protocols"))],
    model: Annotated[
        str | None,
        typer.Option(help="a shipped model or a path that ends in .toml; the protocol's own if omitted", autocompletion=names("models")),
    ] = None,
    recording: Annotated[str | None, typer.Option(help="file of spikes or condition averages; averages can be matched in place of a model")] = None,
    perturbed: Annotated[str | None, typer.Option(help='which trials of the recording are perturbed, such as "opto == 1"')] = None,
    pushed: Annotated[tuple[float, float] | None, typer.Option(help="start and stop of that perturbation, s, if the file does not say")] = None,
    networks: Annotated[Path | None, typer.Option(help="folder of networks that match the recording, such as models/ of a run of match")] = None,
    rig: Annotated[Path | None, typer.Option(help="TOML file with what the rig can do: docs/discriminate.md")] = None,
    muscles: Annotated[Path | None, typer.Option(help="file of recorded muscles, to use instead of the hand of the recording")] = None,
    align: Align = None,
    window: Window = None,
    condition: Condition = None,
    where: Where = None,
    unless: Unless = None,
    table: Table = None,
    bin: Bin = None,
    dims: Dims = None,
    area: Area = None,
    step: Step = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random choice")] = 0,
    scale: Annotated[float | None, typer.Option(help="fraction of a spiking circuit's neurons, above 0 to 1; needs a card with [scaling]")] = None,
    target: Annotated[Target | None, typer.Option(help="code that Brian2 generates for spiking circuits; the fastest if omitted")] = None,
    device: Annotated[Device | None, typer.Option(help="where torch trains and simulates networks; the CPU if omitted")] = None,
    students: Annotated[Students, typer.Option(help="the cheapest that answer the question, or all")] = Students.default,
    smoke: Annotated[bool, typer.Option("--smoke", help="small and short: shows that everything runs; its numbers mean nothing")] = False,
    check: Annotated[bool, typer.Option("--check", help="exit 1 if a claim of the report fails")] = False,
    out: Annotated[Path | None, typer.Option(help="folder of the report; must not exist. Default: runs/PROTOCOL-TIME")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="resume a killed run in --out, if there is one")] = False,
    scheduler: Scheduler = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="print when each stage begins, and its duration")] = False,
    as_json: Json = False,
    opened: Open = False,
) -> None:
    """Run a protocol and write its report.

    Example: cortex-sim run match --model hennequin_2014 --seed 1 --out my_run
    """
    from cortex_sim.report import claims_hold
    from cortex_sim.runtime import cluster, finished, show_stages
    from cortex_sim.studies import perform

    folder = folder_for(out, Path(protocol).stem, resume)
    if resume and finished(folder):
        had_finished(folder, as_json)
        raise typer.Exit(FAILED if check and not claims_hold(folder) else 0)
    if scheduler and device:
        raise OptionError("--device is of this machine; workers of a cluster compute where CORTEX_SIM_DEVICE, set where they were started, says.")
    show_stages(verbose)
    files = {"model": model, "scale": scale, "recording": recording, "muscles": muscles and str(muscles), "target": target and target.value}
    files |= {"networks": networks and str(networks), "rig": rig and str(rig), "perturbed": perturbed, "device": device and device.value}
    asked: dict[str, Any] = {name: value for name, value in files.items() if value is not None}
    asked |= {"protocol": protocol, "seed": seed, "smoke": smoke} | ({} if pushed is None else {"pushed": pushed})
    asked |= {} if students is Students.default else {"students": students.value}
    asked |= chosen(
        align=align, window=window, condition=condition, where=where, unless=unless, table=table, bin=bin, dims=dims, area=area, step=step
    )
    try:
        with cluster(scheduler):
            report, page = perform(asked, folder, command=typed(), resume=resume)
    except KeyboardInterrupt:
        interrupted(folder)
    tell(report, page, as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)


def report_(
    runs: Annotated[list[Path], typer.Argument(help="folders of runs, or folders that hold some, such as runs")],
    out: Annotated[Path, typer.Option(help="page to write; must not exist")] = Path("runs.html"),
    opened: Open = False,
) -> None:
    """Write one page of many runs: to search, sort and compare, without a server.

    Example: cortex-sim report runs --out runs.html --open
    """
    from cortex_sim.report import browse

    page = browse([str(run) for run in runs], out)
    say(f"report: {page}")
    if opened:
        open_page(page)


def rerun(
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    out: Annotated[Path | None, typer.Option(help="folder to keep the repetition in; must not exist. If omitted, it is not kept")] = None,
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
    say("\n".join(found.lines))
    if not found.same:
        raise typer.Exit(FAILED)
