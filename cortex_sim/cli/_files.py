"""import, convert, doctor: files of others, and this machine."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cortex_sim.cli._choices import Align, Area, Behaviour, Bin, Condition, Dims, Json, Step, Table, Unless, Where, Window, chosen
from cortex_sim.cli._output import FAILED, answer
from cortex_sim.errors import OptionError


def import_(
    weights: Annotated[Path, typer.Argument(help="state dict of a network of PyTorch, .pt (weights only) or .safetensors")],
    out: Annotated[Path, typer.Option(help="card to write, .toml; must not exist")],
    bin: Annotated[float, typer.Option(help="duration of a step of the network, s")] = 0.01,
    as_json: Json = False,
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
    found = {"written": str(out), "title": card.title, "channels": card.channels, "outputs": card.size("observed")}
    text = f"{out}: {card.title}, {card.channels} channels to {card.size('observed')} outputs; an output has seen the input of its bin."
    answer(found, text, as_json)


def convert(
    recording: Annotated[Path, typer.Argument(help="spikes or rates: .nwb, .npz, .mat, .csv, or .nc as in reports")],
    out: Annotated[Path, typer.Argument(help="file to write: .nwb, .csv or .nc; must not exist")],
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
    behaviour: Behaviour = None,
    as_json: Json = False,
) -> None:
    """Convert a recording or simulated trials to NWB, netCDF or CSV.

    Example: cortex-sim convert my_run/simulated.nc session.nwb
    """
    from cortex_sim.runtime import check_new
    from cortex_sim.trials import read, write_csv, write_nwb

    check_new(out)
    options = chosen(
        align=align, window=window, condition=condition, where=where, unless=unless, table=table, bin=bin, dims=dims, area=area, step=step,
        behaviour=behaviour,
    )  # fmt: skip
    trials = read(recording, **options)
    match out.suffix:
        case ".nwb":
            write_nwb(trials, out)
        case ".csv":
            write_csv(trials, out)
        case ".nc":
            trials.save(out)
        case suffix:
            raise OptionError(f"{out}: suffix {suffix!r} is unknown; write .nwb, .csv or .nc.")
    answer({"written": str(out)} | dict(zip(("trials", "bins", "units"), trials.shape, strict=True)), f"{out}: {trials!r}", as_json)


def doctor(
    clear_cache: Annotated[bool, typer.Option("--clear-cache", help="remove what the cache can rebuild; studies and rescued reports stay")] = False,
    as_json: Json = False,
) -> None:
    """Report what is installed, which versions clash, which compiler works, threads, cache and GPU, and what to do.

    Example: cortex-sim doctor
    """
    from cortex_sim.studies import examine

    lines, sound = examine(clear_cache=clear_cache)
    answer({"sound": sound, "lines": lines}, "\n".join(lines), as_json)
    if not sound:
        raise typer.Exit(FAILED)
