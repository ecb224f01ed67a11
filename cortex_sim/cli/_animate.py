"""animate: trials in motion."""

from pathlib import Path
from typing import Annotated

import typer

from cortex_sim.cli._choices import Json
from cortex_sim.cli._output import answer
from cortex_sim.errors import NotFound, OptionError, suggestion
from cortex_sim.runtime import check_new


def animate(
    source: Annotated[Path, typer.Argument(help="trials (.nc, .nwb, .csv, .npz or .mat), or the folder of a run")],
    out: Annotated[Path, typer.Option(help="file to write: .gif, or .mp4 where ffmpeg is present; must not exist")],
    trials: Annotated[str | None, typer.Option(help="of a run that keeps several trials: the name of the file, without .nc")] = None,
    hand: Annotated[bool, typer.Option("--hand", help="the recorded hand instead of activity on its principal components")] = False,
    speed: Annotated[float, typer.Option(help="of the clock; 1 is real time")] = 0.25,
    as_json: Json = False,
) -> None:
    """Write an animation of trials: averages of each condition on their principal components, or the hand.

    Example: cortex-sim animate my_run --trials cortex --out cortex.gif
    """
    from cortex_sim.report import figures
    from cortex_sim.trials import hand as hand_of
    from cortex_sim.trials import read

    check_new(out)
    path = _found(source, trials)
    found = read(path)
    if hand:
        figures.animate_hand(hand_of(path), found.time, out, unit="unit of the file", speed=speed)
    else:
        figures.animate_trajectories(found, out, speed=speed)
    answer({"written": str(out)}, f"{out}: {found!r}", as_json)


def _found(source: Path, asked: str | None) -> Path:
    """Return the file that is meant: the source itself, or one of the trials that a run keeps."""
    if not (source / "run.json").is_file():
        if asked is not None:
            raise OptionError(f"--trials {asked} is of the folder of a run; {source} is none. Leave it out.")
        return source
    kept = {path.stem: path for path in sorted(source.glob("*.nc"))}
    if asked is None and len(kept) == 1:
        return next(iter(kept.values()))
    if asked in kept:
        return kept[asked]
    said = f"{source}: which trials are meant (--trials)?" if asked is None else f"{source}: keeps no trials {asked!r}."
    raise NotFound(f"{said} {suggestion(asked or '', kept)}")
