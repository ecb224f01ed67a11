"""Rates of units, and population trajectories on principal components."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.analysis import Point, observed_rates
from cortex_sim.cards import Model
from cortex_sim.report.figures._style import GREY, TEACHER, WIDTH, broken, colours, figure, trajectories


@figure
def example_units(
    teacher: Float[ndarray, "condition time unit"],
    students: Mapping[str, Float[ndarray, "condition time unit"]],
    time: Float[ndarray, " time"],
    units: Sequence[int],
    conditions: Sequence[int],
    *,
    ylabel: str,
    event: str,
) -> Figure:
    """Draw rates of a few units in a few held-out conditions: the teacher thick and pale, students thin.

    Args:
        teacher: rates.
        students: rates by name.
        time: s.
        units: columns of panels.
        conditions: rows of panels.
        ylabel: quantity and unit.
        event: the event at time 0.
    """
    figure = Figure(figsize=(WIDTH, 1.55 * len(conditions) + 0.6))
    axes = figure.subplots(len(conditions), len(units), sharex=True, sharey="col", squeeze=False)
    ink = colours(list(students))
    for row, condition in enumerate(conditions):
        for column, unit in enumerate(units):
            ax = axes[row, column]
            ax.plot(time * 1e3, teacher[condition, :, unit], color=TEACHER, lw=4, alpha=0.25, label="teacher")
            for name, rates in students.items():
                ax.plot(time * 1e3, rates[condition, :, unit], color=ink[name], lw=1.2, label=name)
            ax.axvline(0, color=GREY, lw=0.6, ls=":")
            if row == 0:
                ax.set_title(f"unit {unit}")
            if column == 0:
                ax.set_ylabel(f"condition {condition + 1}\n{ylabel}")
            if row == len(conditions) - 1:
                ax.set_xlabel(f"time from {event} (ms)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(students) + 1)
    return figure


@figure
def components(teacher: Float[ndarray, "condition time unit"], students: Mapping[str, Float[ndarray, "condition time unit"]], *, unit: str) -> Figure:
    """Draw all conditions on the teacher's first two principal components, one panel per system; dots mark initial states."""
    flat = teacher.reshape(-1, teacher.shape[2])
    axes_ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:2].T if teacher.shape[2] > 1 else np.eye(1, 2)
    panels = {"teacher": teacher, **students}
    figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(panels)) + 0.35))
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (name, rates) in zip(row, panels.items(), strict=True):
        trajectories(ax, (rates - flat.mean(axis=0)) @ axes_)
        ax.set_title(name)
        ax.set_xlabel(f"PC 1 ({unit})")
    row[0].set_ylabel(f"PC 2 ({unit})")
    return figure


@figure
def responses(
    teacher: Mapping[str, Float[ndarray, "condition time unit"]],
    students: Mapping[str, Mapping[str, Float[ndarray, "condition time unit"]]],
    time: Float[ndarray, " time"],
    spans: Mapping[str, tuple[float, float]],
    *,
    ylabel: str,
) -> Figure:
    """Draw, for each perturbation, the size of the response over time and the distance of each student's response from the teacher's.

    Args:
        teacher: maps a perturbation to the difference from the unperturbed run.
        students: maps a student to the same.
        time: s.
        spans: when each perturbation acts, s.
        ylabel: quantity and unit.
    """
    figure = Figure(figsize=(WIDTH, 3.3))
    row = figure.subplots(1, 2 * len(teacher), squeeze=False)[0]
    ink = colours(list(students))
    for number, (name, wanted) in enumerate(teacher.items()):
        size, error = row[2 * number], row[2 * number + 1]
        size.plot(time * 1e3, _rms(wanted), color=TEACHER, lw=4, alpha=0.25, label="teacher")
        for student, found in students.items():
            size.plot(time * 1e3, _rms(found[name]), color=ink[student], lw=1.3, label=student)
            error.plot(time * 1e3, _rms(found[name] - wanted), color=ink[student], lw=1.3)
        error.plot(time * 1e3, _rms(wanted), color=TEACHER, lw=1, ls="--")
        top = 1.6 * float(_rms(wanted).max())
        for ax, title in ((size, broken(f"{name}: response", len(row))), (error, broken("error of it", len(row)))):
            ax.axvspan(*(moment * 1e3 for moment in spans[name]), color="#f2d8a7", lw=0)
            ax.set(title=title, xlabel="time (ms)", ylim=(0, top))
    row[0].set_ylabel(ylabel)
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(students) + 1)
    return figure


def _rms(rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, " time"]:
    return np.sqrt((rates**2).mean(axis=(0, 2)))


def fixed_point_portraits(
    paths: Mapping[str, Float[ndarray, "condition time unit"]], systems: Mapping[str, Model], points: Mapping[str, Sequence[Point]], *, unit: str
) -> Figure:
    """Draw trajectories of systems, and their fixed points in the space of observed rates; see :func:`portraits`.

    Args:
        paths: rates, the teacher's first.
        systems: models by the same names.
        points: of each system.
        unit: of the rates.
    """
    marks = {name: [(observed_rates(system, at.state), at.unstable) for at in points[name]] for name, system in systems.items()}
    return portraits(paths, marks, unit=unit)


@figure
def portraits(
    paths: Mapping[str, Float[ndarray, "condition time unit"]], points: Mapping[str, Sequence[tuple[Float[ndarray, " unit"], int]]], *, unit: str
) -> Figure:
    """Draw each system's trajectories and fixed points on the first two principal components of the first system.

    Args:
        paths: rates.
        points: rates at each fixed point and its number of unstable directions.
        unit: of the rates.
    """
    first = next(iter(paths.values()))
    flat = first.reshape(-1, first.shape[2])
    middle, axes = flat.mean(axis=0), np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:2].T
    figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(paths)) + 0.7))
    row = figure.subplots(1, len(paths), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (name, rates) in zip(row, paths.items(), strict=True):
        for path in (rates - middle) @ axes:
            ax.plot(path[:, 0], path[:, 1], color=GREY, lw=0.6)
        for place, unstable in points[name]:
            x, y = (place - middle) @ axes
            ax.plot(x, y, "o", mfc="none" if unstable else TEACHER, mec=TEACHER, ms=6)
        stable = sum(not unstable for _, unstable in points[name])
        ax.set_title(f"{name}\n{stable} stable, {len(points[name]) - stable} unstable")
        ax.set_xlabel(f"PC 1 ({unit})")
    reach = 1.4 * np.abs((flat - middle) @ axes).max(axis=0)
    row[0].set(xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]), ylabel=f"PC 2 ({unit})")
    return figure
