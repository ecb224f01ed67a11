"""Hand paths, static and animated."""

import html
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._plain import LONGEST
from cortex_sim.report.figures._style import GREY, TEACHER, WIDTH, figure
from cortex_sim.runtime import visible
from cortex_sim.tasks.body import Arm, Movement

ROWS = 2  # of panels of hand paths

FRAME, PIXELS = 0.02, 300  # s between frames of an animation; width of a panel


@figure
def hand_paths(hand: Float[ndarray, "trial time 2"], wanted: Float[ndarray, "trial time 2"], condition: Shaped[ndarray, " trial"]) -> Figure:
    """Draw hand paths in cm, beside both coordinates over time, one colour per condition; dashed: the target."""
    figure = Figure(figsize=(WIDTH, 3.6))
    paths, *courses = figure.subplots(1, 3, width_ratios=(1, 1.1, 1.1))
    labels = np.unique(condition)
    shades = dict(zip(labels, matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(labels))), strict=True))
    bins = np.arange(hand.shape[1])
    for found, aim, label in zip(hand, wanted, condition, strict=True):
        paths.plot(*found.T, color=shades[label], lw=1)
        paths.plot(*aim.T, color=TEACHER, lw=0.8, ls="--", alpha=0.5)
        for axis, ax in enumerate(courses):
            ax.plot(10 * bins, found[:, axis], color=shades[label], lw=0.9)
            ax.plot(10 * bins, aim[:, axis], color=TEACHER, lw=0.8, ls="--", alpha=0.5)
    paths.set(xlabel="x (cm)", ylabel="y (cm)", aspect="equal")
    for ax, name in zip(courses, "xy", strict=True):
        ax.set(xlabel="time from the go cue (ms)", ylabel=f"{name} (cm)")
    return figure


@figure
def hand_paths_by_rule(paths: Mapping[str, Float[ndarray, "trial time 2"]], wanted: Float[ndarray, "trial time 2"]) -> Figure:
    """Draw hand paths, one panel per rule, one colour per direction; dashed: the target."""
    columns = -(-len(paths) // ROWS)
    figure = Figure(figsize=(WIDTH, ROWS * WIDTH / columns + 0.3))
    axes = figure.subplots(ROWS, columns, sharex=True, sharey=True, squeeze=False)
    shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(wanted)))
    for ax in axes.flat[len(paths) :]:
        ax.set_axis_off()
    for ax, (name, hand) in zip(axes.flat, paths.items(), strict=False):
        for found, aim, shade in zip(hand, wanted, shades, strict=True):
            ax.plot(*aim.T, color=TEACHER, lw=0.8, ls="--", alpha=0.5)
            ax.plot(*found.T, color=shade, lw=1.2)
        ax.set(title=name, aspect="equal")
    reach = 1.5 * float(np.abs(wanted).max())
    axes[0, 0].set(xlim=(-reach, reach), ylim=(-reach, reach))
    for ax in axes[:, 0]:
        ax.set_ylabel("y (cm)")
    for ax in axes[-1]:
        ax.set_xlabel("x (cm)")
    return figure


@figure
def side_by_side(
    moved: Mapping[str, Movement], wanted: Float[ndarray, "reach time 2"], time: Float[ndarray, " time"], muscles: Sequence[str]
) -> Figure:
    """Draw one column per system: paths, speeds, torques at both joints, and the activity of each muscle; one colour per reach.

    Args:
        moved: the same reaches of each system.
        wanted: target hand positions, cm.
        time: s from the go cue.
        muscles: their names.
    """
    figure = Figure(figsize=(WIDTH, 3.2 + 1.35 * (3 + len(muscles))))
    rows = 4 + len(muscles)
    axes = figure.subplots(rows, len(moved), sharey="row", squeeze=False, height_ratios=[2.6, *[1.0] * (rows - 1)])
    shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(wanted)))
    speed = np.linalg.norm(np.gradient(wanted, time, axis=1), axis=2)
    for column, (name, movement) in zip(axes.T, moved.items(), strict=True):
        _paths(column[0], movement, wanted, shades)
        column[0].set_title(name)
        fast = np.linalg.norm(movement.velocity, axis=2)
        traces = [fast, *np.moveaxis(movement.torque, 2, 0), *np.moveaxis(movement.activation, 2, 0)]
        for ax, trace in zip(column[1:], traces, strict=True):
            for one, shade in zip(trace, shades, strict=True):
                ax.plot(time, one, color=shade, lw=0.9)
            ax.axvline(0, color=GREY, lw=0.6, ls=":")
            ax.set_xlim(time[0], time[-1])
            ax.tick_params(labelbottom=ax is column[-1])
        column[1].plot(time, speed[0], color=TEACHER, lw=0.8, ls="--", alpha=0.5)
        column[-1].set_xlabel("time from the go cue (s)")
    active = ["\n".join([*muscle.split(), "(activation)"]) for muscle in muscles]
    labels = ["y (cm)", "speed (cm/s)", "shoulder\n(N m)", "elbow\n(N m)", *active]
    for ax, label in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(label, fontsize=8)
    figure.align_ylabels(axes[:, 0])
    return figure


@figure
def pushed(moved: Mapping[str, Mapping[str, Movement]], wanted: Float[ndarray, "reach time 2"]) -> Figure:
    """Draw hand paths, one row per perturbation and one column per system; dashed: the target."""
    rows, columns = len(moved), len(next(iter(moved.values())))
    figure = Figure(figsize=(WIDTH, 0.85 * WIDTH * rows / columns + 0.3))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(wanted)))
    for number, (row, (circumstance, systems)) in enumerate(zip(axes, moved.items(), strict=True)):
        for ax, (name, movement) in zip(row, systems.items(), strict=True):
            _paths(ax, movement, wanted, shades)
            ax.set_title(f"{name}\n{circumstance}", fontsize=8.5)
            ax.set_xlabel("x (cm)" if number == rows - 1 else "")
        row[0].set_ylabel("y (cm)")
    return figure


def in_motion(moved: Mapping[str, Movement], arm: Arm, time: Float[ndarray, " time"], names: Sequence[str]) -> str:
    """Return an animated SVG: one panel per system, all reaches at once as stick figures, repeated in real time.

    Args:
        moved: reaches by system.
        arm: the moving arm.
        time: s from the go cue.
        names: of the reaches, for the record in the file.
    """
    step = max(1, round(FRAME / (time[1] - time[0])))
    reach = sum(arm.length)
    scale = PIXELS / (2 * reach)
    shades = [matplotlib.colors.to_hex(c) for c in matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(names)))]
    seconds, height = len(time[::step]) * FRAME, 1.25 * reach * scale + 60
    parts = []
    for place, (name, movement) in enumerate(moved.items()):
        q = movement.angle[:, ::step]
        elbow = arm.length[0] * np.stack([np.cos(q[..., 0]), np.sin(q[..., 0])], axis=-1)
        joints = np.stack([np.zeros_like(elbow), elbow, arm.hand(q)], axis=2) * scale * np.array([1, -1])
        lines = [_stick(one, shade, label, seconds) for one, shade, label in zip(joints, shades, names, strict=True)]
        shoulder = f"translate({PIXELS * (place + 0.5):.0f} {height - 30:.0f})"
        shown = html.escape(visible(name, LONGEST))
        title = f'<text y="{-1.25 * reach * scale - 8:.0f}" text-anchor="middle" font-size="14" font-weight="bold">{shown}</text>'
        parts.append(f'<g transform="{shoulder}">{title}<circle r="4" fill="{TEACHER}"/>{"".join(lines)}</g>')
    clock = _clock(time[::step], seconds, PIXELS * len(moved), height)
    size = f'viewBox="0 0 {PIXELS * len(moved)} {height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" fill="{TEACHER}">{"".join(parts)}{clock}</svg>\n'


def _paths(ax: matplotlib.axes.Axes, movement: Movement, wanted: Float[ndarray, "reach time 2"], shades: ndarray) -> None:
    for made, aim, shade in zip(movement.made, wanted, shades, strict=True):
        ax.plot(*aim.T, color=TEACHER, lw=0.8, ls="--", alpha=0.4)
        ax.plot(*aim[-1], "o", color=TEACHER, ms=6, mfc="none", mew=0.8, alpha=0.6)
        ax.plot(*made.T, color=shade, lw=1.3)
    ax.set(aspect="equal", xlabel="x (cm)")


def _stick(joints: Float[ndarray, "frame 3 2"], shade: str, label: str, seconds: float) -> str:
    frames = ";".join(" ".join(f"{x:.1f},{y:.1f}" for x, y in frame) for frame in joints)
    first = frames.split(";", 1)[0]
    moving = f'<animate attributeName="points" dur="{seconds:.2f}s" repeatCount="indefinite" values="{frames}"/>'
    style = f'fill="none" stroke="{shade}" stroke-width="3" stroke-linejoin="round" stroke-linecap="round" opacity="0.75"'
    return f'<polyline points="{first}" {style}><title>{html.escape(visible(label, LONGEST))}</title>{moving}</polyline>'


def _clock(time: Float[ndarray, " frame"], seconds: float, width: float, height: float) -> str:
    """Return a bar that fills over time, with a mark at the go cue."""
    go = width * (0.0 - time[0]) / (time[-1] - time[0])
    bar = f'<rect x="0" y="{height - 6:.0f}" height="6" width="0" fill="{GREY}">'
    bar += f'<animate attributeName="width" dur="{seconds:.2f}s" repeatCount="indefinite" from="0" to="{width:.0f}"/></rect>'
    mark = f'<rect x="{go:.0f}" y="{height - 12:.0f}" width="2" height="12"/>'
    return f'{bar}{mark}<text x="{go + 6:.0f}" y="{height - 9:.0f}" font-size="11">go</text>'
