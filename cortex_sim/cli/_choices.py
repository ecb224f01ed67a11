"""Arguments and options that several commands have, and the names that complete them."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from cortex_sim.cards import catalogue
from cortex_sim.errors import OptionError
from cortex_sim.runtime import keep_output

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
Behaviour = Annotated[
    str | None, typer.Option(help="second .csv, with the hand and muscles beside a .csv of spikes or rates: trial, time, hand_x, ...")
]
Target = StrEnum("Target", ["numpy", "cython", "standalone"])
Device = StrEnum("Device", ["cpu", "cuda"])


def _as_json(asked: bool) -> bool:
    if asked:
        keep_output()
    return asked


Json = Annotated[bool, typer.Option("--json", help="print one JSON object for scripts instead of text", callback=_as_json)]
Open = Annotated[bool, typer.Option("--open", help="open the report in a browser")]


def names(*kinds: str) -> Callable[[str], list[str]]:
    """Return a function that completes the names of shipped ``"models"``, ``"protocols"`` or both."""
    return lambda incomplete: [name for kind in kinds for name in getattr(catalogue, kind)() if name.startswith(incomplete)]


def seeds_of(text: str) -> list[int]:
    """Return the seeds that ``0:20`` or ``0,3,7`` names."""
    try:
        if ":" in text:
            first, last = text.split(":")
            return list(range(int(first or 0), int(last)))
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--seeds {text!r} should be first:last, such as 0:20 for 0 to 19, or seeds with commas, such as 0,3,7.") from None


def chosen(**options: Any) -> dict[str, Any]:
    """Return the options for reading a recording, as :func:`cortex_sim.read` takes them."""
    given = {name: value for name, value in options.items() if value is not None and value != []}
    given |= {name: given[name][0] for name in ("condition", "area") if len(given.get(name, ())) == 1}
    return given | ({"dims": tuple(given["dims"].split(","))} if "dims" in given else {})
