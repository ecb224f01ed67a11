"""Animations as GIF or MP4: population activity on its principal components, hands and arms in motion."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.errors import FileProblem, OptionError, TrialsError
from cortex_sim.report.figures._plain import LONGEST
from cortex_sim.report.figures._style import TEACHER, figure
from cortex_sim.runtime import visible, whole_file
from cortex_sim.tasks.body import Arm, Movement
from cortex_sim.trials import Trials

SIZE, DOTS = (4.8, 4.4), 100  # inches, and pixels an inch: even numbers of pixels, which MP4 needs
FRAME, TICK, HELD = 0.04, 0.01, 1.0  # s that a frame is shown, at most; GIF counts in hundredths; that the last is shown
MOST = 600  # frames
SMOOTHED = 0.02  # s, standard deviation of the Gaussian for spikes
LISTED = 8  # conditions that a legend names
CM = 100.0
FORMATS = (".gif", ".mp4")


@figure
def animate_trajectories(trials: Trials, path: Path, *, speed: float = 0.25) -> Path:
    """Write averages over the trials of each condition as they move on their two leading principal components; return the path.

    Args:
        trials: rates, or spikes, which are smoothed with a Gaussian of 20 ms.
        path: of the file, ``.gif`` or, where ffmpeg is present, ``.mp4``. Equal trials give equal bytes.
        speed: of the clock; 1 is real time.

    Raises:
        OptionError: the suffix is another, ffmpeg is absent, or the speed is not positive.
        TrialsError: there are fewer than two units, or nothing varies.
        FileProblem: the file cannot be written; nothing is left of it.
    """
    step, shown = _pace(trials.bin, trials.shape[1], speed, path)
    averages = (trials if "rate" in trials.dataset else trials.smoothed(SMOOTHED)).averaged()
    states, shares = _leading(averages.rate)
    unit = averages.dataset["rate"].attrs.get("units", "Hz")
    drawn, ax = _panel(states)
    ax.set(xlabel=f"PC 1 ({unit}), {shares[0]:.0%} of the variance", ylabel=f"PC 2 ({unit}), {shares[1]:.0%} of the variance")
    names = [visible(str(label), LONGEST) for label in averages.condition]
    lines = _paths(ax, states, names)

    def draw(frame: int) -> None:
        for (path_, dot), state in zip(lines, states, strict=True):
            path_.set_data(*state[: frame + 1].T)
            dot.set_data(*state[frame : frame + 1].T)
        ax.set_title(f"{1e3 * averages.time[frame]:.0f} ms")

    return _write(drawn, draw, range(0, len(averages.time), step), path, shown)


@figure
def animate_hand(hand: Float[ndarray, "trial time 2"], time: Float[ndarray, " time"], path: Path, *, unit: str = "cm", speed: float = 0.25) -> Path:
    """Write paths of the hand in the plane as they are made, all trials at once; return the path.

    Args:
        hand: positions.
        time: s.
        path: as for :func:`animate_trajectories`.
        unit: of the positions.
        speed: of the clock; 1 is real time.

    Raises:
        OptionError: as :func:`animate_trajectories`.
        TrialsError: positions and times do not fit.
        FileProblem: the file cannot be written; nothing is left of it.
    """
    step, shown = _pace(_bin(hand, time), len(time), speed, path)
    drawn, ax = _panel(hand)
    ax.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})")
    lines = _paths(ax, hand, [])

    def draw(frame: int) -> None:
        for (path_, dot), position in zip(lines, hand, strict=True):
            path_.set_data(*position[: frame + 1].T)
            dot.set_data(*position[frame : frame + 1].T)
        ax.set_title(f"{1e3 * time[frame]:.0f} ms")

    return _write(drawn, draw, range(0, len(time), step), path, shown)


@figure
def animate_arm(movement: Movement, arm: Arm, time: Float[ndarray, " time"], path: Path, *, speed: float = 0.25) -> Path:
    """Write an arm in motion: upper arm, forearm and the path of the hand, all trials at once; return the path.

    Args:
        movement: of the arm, as :func:`cortex_sim.move` returns it.
        arm: that moves, such as the ``arm`` of a task's body.
        time: s, of the bins of the movement.
        path: as for :func:`animate_trajectories`.
        speed: of the clock; 1 is real time.

    Raises:
        OptionError: as :func:`animate_trajectories`.
        TrialsError: movement and times do not fit.
        FileProblem: the file cannot be written; nothing is left of it.
    """
    q = movement.angle
    step, shown = _pace(_bin(q, time), len(time), speed, path)
    elbow = CM * arm.length[0] * np.stack([np.cos(q[..., 0]), np.sin(q[..., 0])], axis=-1)
    joints = np.stack([np.zeros_like(elbow), elbow, CM * arm.hand(q)], axis=2)
    drawn, ax = _panel(joints.reshape(len(q), -1, 2))
    ax.set(xlabel="x from the shoulder (cm)", ylabel="y from the shoulder (cm)")
    ax.plot(0, 0, "o", color=TEACHER, ms=6)
    lines = _paths(ax, joints[:, :, 2], [])
    sticks = [ax.plot([], [], color=path_.get_color(), lw=3, alpha=0.6, solid_capstyle="round")[0] for path_, _ in lines]

    def draw(frame: int) -> None:
        for (path_, dot), stick, places in zip(lines, sticks, joints, strict=True):
            path_.set_data(*places[: frame + 1, 2].T)
            dot.set_data(*places[frame, 2:].T)
            stick.set_data(*places[frame].T)
        ax.set_title(f"{1e3 * time[frame]:.0f} ms")

    return _write(drawn, draw, range(0, len(time), step), path, shown)


def _bin(course: ndarray, time: ndarray) -> float:
    if course.ndim != 3 or course.shape[1] != len(time) or len(time) < 2:
        raise TrialsError(f"the movement has shape {course.shape} for {len(time)} times; it should be (trial, time, 2), two times at least.")
    return float(time[1] - time[0])


def _pace(bin: float, bins: int, speed: float, path: Path) -> tuple[int, float]:
    """Return how many bins a frame goes on, and how long it is shown, s; check what can be checked before anything is drawn."""
    if path.suffix not in FORMATS:
        raise OptionError(f"{path}: suffix {path.suffix!r} is unknown; an animation is {' or '.join(FORMATS)}.")
    if path.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise OptionError(f"{path}: MP4 is written by ffmpeg, which is not there; install it, or write .gif.")
    if not speed > 0:
        raise OptionError(f"speed {speed:g} should be above 0; 1 is real time.")
    step = max(1, round(FRAME * speed / bin), -(-bins // MOST))
    return step, max(2 * TICK, round(step * bin / speed / TICK) * TICK)


def _leading(rates: Float[ndarray, "condition time unit"]) -> tuple[Float[ndarray, "condition time 2"], Float[ndarray, " 2"]]:
    """Return activity on its two leading principal components, and their shares of the variance; the largest loading of each is positive."""
    flat = rates.reshape(-1, rates.shape[2]) - rates.mean(axis=(0, 1))
    _, lengths, axes = np.linalg.svd(flat, full_matrices=False)
    if len(axes) < 2 or not lengths[0] > 0:
        raise TrialsError(f"{rates.shape[2]} units, the activity of which has {int((lengths > 0).sum())} dimensions; two are drawn.")
    axes = axes[:2] * np.sign(axes[:2][[0, 1], np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return (flat @ axes.T).reshape(*rates.shape[:2], 2), lengths[:2] ** 2 / (lengths**2).sum()


def _panel(paths: Float[ndarray, "trial place 2"]) -> tuple[Figure, Axes]:
    """Return a figure with a panel that holds all paths, at one scale."""
    drawn = Figure(figsize=SIZE, dpi=DOTS)
    ax = drawn.subplots()
    low, high = np.nanmin(paths, axis=(0, 1)), np.nanmax(paths, axis=(0, 1))
    middle, half = (low + high) / 2, 0.55 * max(float((high - low).max()), 1e-9)
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    return drawn, ax


def _paths(ax: Axes, paths: Float[ndarray, "trial time 2"], names: Sequence[str]) -> list[tuple[matplotlib.lines.Line2D, matplotlib.lines.Line2D]]:
    """Draw whole paths pale; return for each the line and the dot that move along it."""
    shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(paths)))
    lines = []
    for number, (path, shade) in enumerate(zip(paths, shades, strict=True)):
        ax.plot(*path.T, color=shade, lw=0.8, alpha=0.25)
        label = names[number] if 1 < len(names) <= LISTED else None
        lines.append((ax.plot([], [], color=shade, lw=1.6, label=label)[0], ax.plot([], [], "o", color=shade, ms=5)[0]))
    if 1 < len(names) <= LISTED:
        ax.legend(title="condition", fontsize=7, title_fontsize=7, loc="upper right")
    return lines


def _write(drawn: Figure, draw: Callable[[int], None], frames: Sequence[int], path: Path, shown: float) -> Path:
    """Draw frame after frame and write them, whole or not at all."""
    canvas = FigureCanvasAgg(drawn)
    draw(frames[-1])
    canvas.draw()
    drawn.set_layout_engine("none")  # axes stay where they are for all that is written in them
    pictures = []
    for frame in frames:
        draw(frame)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    with whole_file(path) as temporary:
        (_write_gif if path.suffix == ".gif" else _write_mp4)(pictures, temporary, shown)
    return path


def _write_gif(pictures: Sequence[UInt8[ndarray, "y x 3"]], path: Path, shown: float) -> None:
    from PIL import Image

    palette = Image.fromarray(pictures[-1]).quantize(
        256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )  # of the frame that has everything
    first, *others = (Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    lasting = [round(1e3 * shown)] * len(others) + [round(1e3 * HELD)]
    first.save(path, format="GIF", save_all=True, append_images=others, duration=lasting, loop=0)


def _write_mp4(pictures: Sequence[UInt8[ndarray, "y x 3"]], path: Path, shown: float) -> None:
    height, width, _ = pictures[0].shape
    held = [pictures[-1]] * round(HELD / shown)
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{1 / shown:.6f}", "-i", "-"]
    exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
    command = ["ffmpeg", "-y", "-loglevel", "error", *source, "-an", "-pix_fmt", "yuv420p", *exact, "-f", "mp4", str(path)]
    done = subprocess.run(command, input=b"".join(picture.tobytes() for picture in (*pictures, *held)), capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        said = visible(done.stderr.decode(errors="replace").strip().splitlines()[-1:][0] if done.stderr.strip() else "no message", 300)
        raise FileProblem(f"{path.name}: ffmpeg could not write it ({said}); write .gif.")
