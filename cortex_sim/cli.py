"""cortex-sim: list, show, check and run models and protocols, and convert recordings."""

import contextlib
import datetime
import json
import shlex
import sys
import sysconfig
import traceback
import webbrowser
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cortex_sim.cards import catalogue
from cortex_sim.errors import CortexSimError, OptionError
from cortex_sim.runtime import free, keep_output, prepare_terminal, say, unread, warn

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
WIDTH = 28  # characters of a name

Align = Annotated[str | None, typer.Option(help="column of a table of trials with the event at time 0, such as idx_go_cue")]
Window = Annotated[tuple[float, float] | None, typer.Option(help="start and stop of the analysed part of the recording, s")]
Condition = Annotated[list[str] | None, typer.Option(help="column that labels conditions; give several to use their combinations")]
Where = Annotated[str | None, typer.Option(help="which trials to use, such as \"success == 1 and target != 'left'\"")]
Unless = Annotated[str | None, typer.Option(help='which trials to leave out, such as "opto == 1"')]
Table = Annotated[str | None, typer.Option(help="table of an NWB or MATLAB file that holds the trials")]
Bin = Annotated[float | None, typer.Option(help="width of the bins of spikes, s")]
Dims = Annotated[str | None, typer.Option(help="axes of averages, such as condition,time,unit")]
Area = Annotated[list[str] | None, typer.Option(help="area in a MATLAB table of trials whose spikes to read, such as M1; several are combined")]
Scheduler = Annotated[str | None, typer.Option(help="address of a running Dask scheduler, such as tcp://10.0.0.1:8786, whose workers do the work")]
Step = Annotated[float | None, typer.Option(help="sampling interval, s, of averages that store no times")]


def _as_json(asked: bool) -> bool:
    if asked:
        keep_output()
    return asked


Json = Annotated[bool, typer.Option("--json", help="print one JSON object for scripts instead of text", callback=_as_json)]
Open = Annotated[bool, typer.Option("--open", help="open the report in a browser")]

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Does an artificial recurrent network that matches motor cortex also work like it?\n\nExample: cortex-sim run match",
)  # fmt: skip


What = StrEnum("What", ["models", "protocols", "tasks", "measures"])
Kind = StrEnum("Kind", ["rate", "rnn", "spiking"])
Written = StrEnum("Written", ["protocol", "card"])
Students = StrEnum("Students", ["default", "all"])
Target = StrEnum("Target", ["numpy", "cython", "standalone"])
Device = StrEnum("Device", ["cpu", "cuda"])


@app.command("list")
def list_(
    what: Annotated[What | None, typer.Argument(help="models, protocols, tasks or measures; all if omitted")] = None,
    kind: Annotated[Kind | None, typer.Option(help="only models of this kind")] = None,
    as_json: Json = False,
) -> None:
    """List shipped models, protocols, tasks and measures.

    Example: cortex-sim list models --kind spiking
    """
    if kind and what not in (None, What.models):
        raise OptionError(f"--kind {kind} is of models; {what} have none. Leave it out.")
    from cortex_sim.comparison import listed
    from cortex_sim.tasks import known

    chosen = [path for path in catalogue.models().values() if kind in (None, path.parent.name)]
    described = {
        What.models: {f"{path.parent.name}/{path.stem}": catalogue.describe(path) for path in chosen},
        What.protocols: {name: catalogue.describe(path) for name, path in catalogue.protocols().items()},
        What.tasks: {name: about for name, (_, about) in known().items()},
        What.measures: {name: about for name, (_, about) in listed().items()},
    }
    wanted = What.models if kind else what
    shown = {title: entries for title, entries in described.items() if wanted in (None, title)}
    if as_json:
        say(_json({title.value: [_entry(title, *pair) for pair in entries.items()] for title, entries in shown.items()}))
        return
    for title, entries in shown.items():
        say(title)
        for name, text in entries.items():
            say(f"  {name:<{WIDTH}} {text}")


def _entry(title: What, name: str, about: str) -> dict[str, str]:
    """Return an entry of a list for scripts."""
    kind, _, short = name.rpartition("/")
    return {"name": short, "about": about} | ({"kind": kind, "file": str(catalogue.find(name))} if title is What.models else {})


def _names(kind: str) -> Callable[[str], list[str]]:
    """Return a function that completes the names of shipped models or protocols."""
    return lambda incomplete: [name for name in getattr(catalogue, kind)() if name.startswith(incomplete)]


def _had_finished(folder: Path, as_json: bool) -> None:
    """Print where the report of a run that had finished is, or what a script may read of it."""
    from cortex_sim.report import claims_hold

    page = folder / "report.html"
    if as_json:
        say(_json({"report": str(page), "holds": claims_hold(folder), "claims": json.loads((folder / "claims.json").read_text(encoding="utf-8"))}))
    else:
        say(f"report: {page} (this run had finished)")


def _tell(report: Any, page: Path, as_json: bool, opened: bool) -> None:
    """Print what a report says, or what a script may read of it, and open the page if that is asked for."""
    from cortex_sim.report import told

    if as_json:
        claims = [claim.as_json() for claim in report.claims]
        say(_json({"report": str(page), "holds": report.holds, "answer": report.answer, "claims": claims}))
    else:
        say(told(report, page))
    if opened:
        _open(page)


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False)


def _open(page: Path) -> None:
    if not webbrowser.open(page.absolute().as_uri()):
        warn(f"cortex-sim: no browser can be opened here; the report is {page}.")


@contextlib.contextmanager
def _stopped(kept: str) -> Iterator[None]:
    """Say after Ctrl-C what is kept, by which the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        warn(f"\ncortex-sim: interrupted; no report was written. The {kept} that came to an end are kept; the same command does the others.")
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def show(name: Annotated[str, typer.Argument(help="a shipped name, or a path that ends in .toml or .py")]) -> None:
    """Show a card or a protocol as written.

    Example: cortex-sim show hennequin_2014
    """
    say(catalogue.find(name).read_text(encoding="utf-8").rstrip())


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="a shipped model, or a path that ends in .toml")] = None,
    everything: Annotated[bool, typer.Option("--all", help="check every shipped model")] = False,
) -> None:
    """Check cards: keys, names, units, and whether Brian2 accepts and runs the equations.

    Example: cortex-sim check my_circuit.toml
    """
    if (name is None) is not everything:
        raise OptionError("check: give either a name or --all.")
    names = list(catalogue.models()) if name is None else [name]
    models = [catalogue.load(each) for each in names]
    from cortex_sim.simulation import check as checked

    for model in models:
        checked(model)
        say(f"{model.name}: well formed; Brian2 accepts its equations and units.")


@app.command()
def run(
    protocol: Annotated[str, typer.Argument(help="a shipped protocol, or a path that ends in .py", autocompletion=_names("protocols"))],
    model: Annotated[
        str | None,
        typer.Option(help="a shipped model or a path that ends in .toml; the protocol's own if omitted", autocompletion=_names("models")),
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

    folder = _folder(out, Path(protocol).stem, resume)
    if resume and finished(folder):
        _had_finished(folder, as_json)
        raise typer.Exit(FAILED if check and not claims_hold(folder) else 0)
    if scheduler and device:
        raise OptionError("--device is of this machine; workers of a cluster compute where CORTEX_SIM_DEVICE, set where they were started, says.")
    show_stages(verbose)
    files = {"model": model, "scale": scale, "recording": recording, "muscles": muscles and str(muscles), "target": target and target.value}
    files |= {"networks": networks and str(networks), "rig": rig and str(rig), "perturbed": perturbed, "device": device and device.value}
    asked: dict[str, Any] = {name: value for name, value in files.items() if value is not None}
    asked |= {"protocol": protocol, "seed": seed, "smoke": smoke} | ({} if pushed is None else {"pushed": pushed})
    asked |= {} if students is Students.default else {"students": students.value}
    asked |= _chosen(
        align=align, window=window, condition=condition, where=where, unless=unless, table=table, bin=bin, dims=dims, area=area, step=step
    )
    try:
        with cluster(scheduler):
            report, page = perform(asked, folder, command=_typed(), resume=resume)
    except KeyboardInterrupt:
        _interrupted(folder)
    _tell(report, page, as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)


@app.command("report")
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
        _open(page)


@app.command()
def rerun(
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    out: Annotated[Path | None, typer.Option(help="folder to keep the repetition in; must not exist. If omitted, it is not kept")] = None,
) -> None:
    """Repeat a run and report whether its results are the same; exit 1 if not, with the differences and what has changed.

    Example: cortex-sim rerun my_run
    """
    from cortex_sim.studies import repeat

    try:
        found = repeat(run, out, command=_typed())
    except KeyboardInterrupt:
        warn("\ncortex-sim: interrupted; nothing was compared.")
        raise typer.Exit(INTERRUPTED) from None
    say("\n".join(found.lines))
    if not found.same:
        raise typer.Exit(FAILED)


@app.command()
def doctor(
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="remove what the cache can rebuild; studies and rescued reports stay")] = False,
) -> None:
    """Report what is installed, which versions clash, which compiler works, threads, cache and GPU, and what to do.

    Example: cortex-sim doctor
    """
    from cortex_sim.studies import examine

    lines, sound = examine(clear_cache=clear_cache)
    say("\n".join(lines))
    if not sound:
        raise typer.Exit(FAILED)


def _folder(out: Path | None, name: str, resume: bool) -> Path:
    """Return the folder of a report: the one given, else a new one named after the time."""
    if resume and out is None:
        raise OptionError("--resume goes on with a run in the folder that --out names; give it.")
    return out or free(Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")


def _typed() -> str:
    return shlex.join(["cortex-sim", *sys.argv[1:]])


def _interrupted(folder: Path, on: str = "Nothing was done that could be kept.") -> NoReturn:
    if folder.exists():
        words = [word for word in sys.argv[1:] if word != "--resume"]
        given = any(word.split("=")[0] == "--out" for word in words)
        on = f"Go on with it by: {shlex.join(['cortex-sim', *words, *([] if given else ['--out', str(folder)]), '--resume'])}"
    warn(f"\ncortex-sim: interrupted; no report was written. {on}")
    raise typer.Exit(INTERRUPTED)


@app.command()
def tune(
    protocol: Annotated[str, typer.Argument(help="a protocol with training data, or a path that ends in .py")],
    space: Annotated[Path, typer.Option(help="TOML file with the search space; see docs/tuning.md")],
    model: Annotated[str | None, typer.Option(help="a shipped model or a path that ends in .toml; the protocol's own if omitted")] = None,
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

    folder = _folder(out, f"{Path(protocol).stem}-tune", resume)
    if resume and finished(folder):
        _had_finished(folder, as_json)
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
            page = report.write(folder, command=_typed(), protocol=catalogue.find(protocol))
    except KeyboardInterrupt:
        _interrupted(folder, f"The trials done are kept in {kept}; the same command goes on from there.")
    _tell(report, page, as_json, opened)


@app.command()
def sweep(
    protocol: Annotated[str, typer.Argument(help="a shipped protocol, or a path that ends in .py")],
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

    folder = _folder(out, f"{Path(protocol).stem}-sweep", False)
    axes = {} if grid is None else read_grid(grid)
    how: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "slurm": slurm, "smoke": smoke, "out": folder, "command": _typed()}
    with _stopped("runs"):
        found = swept(protocol, axes, seeds=_seeds(seeds), **how)
    _tell(found.report(), folder / "report.html", as_json, opened)
    if found.failed:
        warn(f"{len(found.failed)} runs failed; the same command with another --out tries them alone.")
        raise typer.Exit(FAILED)


def _seeds(text: str) -> list[int]:
    """Return the seeds that ``0:20`` or ``0,3,7`` names."""
    try:
        if ":" in text:
            first, last = text.split(":")
            return list(range(int(first or 0), int(last)))
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--seeds {text!r} should be first:last, such as 0:20 for 0 to 19, or seeds with commas, such as 0,3,7.") from None


bench = typer.Typer(no_args_is_help=True, help="Which measure tells how a circuit works? Put yours, or a method of fitting, to the test.")
app.add_typer(bench, name="benchmark")


@bench.command("run")
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

    folder = _folder(out, f"benchmark-{file.stem if file else 'all'}", False)
    check_new(folder)
    with _stopped("circuits"):
        results = benchmark.put_to_test(file, smoke=smoke, of="test" if test_set else "development", jobs=jobs, scheduler=scheduler)
    _benchmark_page(results, folder, check, as_json, opened)


@bench.command("table")
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

    folder = _folder(out, "benchmark-table", False)
    check_new(folder)
    _benchmark_page([benchmark.read_result(path) for path in results], folder, check, as_json, opened)


def _benchmark_page(results: list[dict[str, Any]], folder: Path, check: bool, as_json: bool, opened: bool) -> None:
    from cortex_sim.studies import benchmark

    report = benchmark.report_of(results)
    page = benchmark.write(report, results, folder, command=_typed())
    _tell(report, page, as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)


@app.command()
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

    folder = _folder(out, "reproduce", False)
    how: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "smoke": smoke, "out": folder, "command": _typed()}
    with _stopped("protocols"):
        found = reproduced(names or [], seeds=_seeds(seeds), **how)
    report = found.report()
    _tell(report, folder / "report.html", as_json, opened)
    if check and not report.holds:
        raise typer.Exit(FAILED)


@app.command()
def new(
    what: Annotated[Written, typer.Argument(help="protocol or card")],
    name: Annotated[str, typer.Argument(help="of the new file, without suffix")],
) -> None:
    """Write a commented skeleton of a protocol or a card here, which runs as it is written.

    Example: cortex-sim new protocol my_question
    """
    from cortex_sim.studies import skeleton

    path = skeleton(what.value, name, Path())
    say(f"{path}: next, cortex-sim {'run' if what is Written.protocol else 'check'} {path}{' --smoke' if what is Written.protocol else ''}")


@app.command("import")
def import_(
    weights: Annotated[Path, typer.Argument(help="state dict of a network of PyTorch, .pt (weights only) or .safetensors")],
    out: Annotated[Path, typer.Option(help="card to write, .toml; must not exist")],
    bin: Annotated[float, typer.Option(help="duration of a step of the network, s")] = 0.01,
) -> None:
    """Make a card of the weights of a network of PyTorch: one layer of RNN, GRU or LSTM, and at most one linear readout.

    Example: cortex-sim import gru.pt --out my_gru.toml
    """
    from cortex_sim.runtime import check_new
    from cortex_sim.simulation import wrap

    if out.suffix != ".toml":
        raise OptionError(f"{out}: suffix {out.suffix!r} is unknown; a card ends in .toml.")
    for path in (out, out.with_suffix(".safetensors")):  # the card's weights lie beside it
        check_new(path)
    card: Any = wrap(weights, name=out.stem, bin=bin)
    card.save(out)
    say(f"{out}: {card.title}, {card.channels} channels to {card.size('observed')} outputs; an output has seen the input of its bin.")


@app.command()
def convert(
    recording: Annotated[Path, typer.Argument(help="spikes or rates: .nwb, .npz, .mat, .csv, or .nc as in reports")],
    out: Annotated[Path, typer.Argument(help="file to write: .nwb (spikes) or .nc; must not exist")],
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
) -> None:
    """Convert a recording or simulated trials to NWB or netCDF.

    Example: cortex-sim convert my_run/simulated.nc session.nwb
    """
    from cortex_sim.runtime import check_new
    from cortex_sim.trials import read, write_nwb

    check_new(out)
    chosen = _chosen(
        align=align, window=window, condition=condition, where=where, unless=unless, table=table, bin=bin, dims=dims, area=area, step=step
    )
    trials = read(recording, **chosen)
    match out.suffix:
        case ".nwb":
            write_nwb(trials, out)
        case ".nc":
            trials.save(out)
        case suffix:
            raise OptionError(f"{out}: suffix {suffix!r} is unknown; write .nwb or .nc.")
    say(f"{out}: {trials!r}")


def _chosen(**options: Any) -> dict[str, Any]:
    """Return the options for reading a recording, as :func:`cortex_sim.read` takes them."""
    given = {name: value for name, value in options.items() if value is not None and value != []}
    given |= {name: given[name][0] for name in ("condition", "area") if len(given.get(name, ())) == 1}
    return given | ({"dims": tuple(given["dims"].split(","))} if "dims" in given else {})


def main() -> None:
    """Run the command line: every error is one message on standard error and exit code 2, never a traceback."""
    prepare_terminal(INTERRUPTED)
    with _messages():
        app()


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    try:
        yield
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        unread(sys.stdout)  # of help, which typer prints
        sys.exit(0)
    except CortexSimError as problem:
        warn(f"cortex-sim: {problem}")
        sys.exit(BAD_INPUT)
    except MemoryError as problem:
        why = f"{problem}".rstrip(".") or "no more is given"
        warn(f"cortex-sim: memory does not suffice ({why}). Take fewer units or trials; --resume goes on with what was done.")
        sys.exit(BAD_INPUT)
    except OSError as problem:
        warn(f"cortex-sim: {problem.filename or 'file'}: {problem.strerror or problem}.")
        sys.exit(BAD_INPUT)
    except Exception as problem:
        if (place := _place_outside(problem)) is None:
            raise
        warn(f"cortex-sim: {place}: {type(problem).__name__}: {problem}")
        sys.exit(BAD_INPUT)


def _place_outside(problem: BaseException) -> str | None:
    """Return the line of a file of the user's at which something went wrong, if it went wrong in one."""
    inside = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    inside += [Path(__file__).resolve().parent, catalogue.shipped("protocols").resolve()]
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        path = Path(frame.filename).resolve()
        if path.suffix == ".py" and path.exists() and not any(path.is_relative_to(root) for root in inside):
            return f"{frame.filename}, line {frame.lineno}"
    return None
