"""Results of sweeps: curves along an axis of the grid, heat maps over two."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from cortex_sim.report.figures._style import ABREAST, WIDTH, broken, colours, figure


@figure
def swept_curves(values: xr.DataArray, axis: str) -> Figure:
    """Draw a measure along an axis of a grid, a curve for each student: the mean over all else, with the smallest and the largest value.

    Args:
        values: of a measure, with the dimensions ``axis`` and ``student``, and others.
        axis: name of the axis; numbers are placed by size, texts side by side.
    """
    figure = Figure(figsize=(WIDTH, 3.6))
    ax = figure.subplots()
    places, names = _places(values[axis].values)
    others = [name for name in values.dims if name not in (axis, "student")]
    students = [str(name) for name in values["student"].values]
    for number, (name, colour) in enumerate(colours(students).items()):
        one = values.sel(student=name)
        if not np.isfinite(one).any():
            continue
        mean, low, high = (getattr(one, how)(others, skipna=True).values for how in ("mean", "min", "max"))
        shift = 0.0 if names is None else 0.4 * (number / max(1, len(students) - 1) - 0.5)
        ax.errorbar(
            places + shift, mean, [mean - low, high - mean], color=colour, label=name, marker="o", capsize=2, linestyle="-" if names is None else ""
        )
    if names is not None:
        ax.set_xticks(places, names)
    ax.set(xlabel=_named(values, axis), ylabel=str(values.attrs.get("measure", values.name)))
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@figure
def swept_maps(values: xr.DataArray, rows: str, columns: str) -> Figure:
    """Draw a heat map of a measure over two axes of a grid for every student.

    Args:
        values: of a measure, with the dimensions ``rows``, ``columns`` and ``student``, and others, over which the mean is taken.
        rows: axis from bottom to top.
        columns: axis from left to right.
    """
    others = [name for name in values.dims if name not in (rows, columns, "student")]
    mean = values.mean(others, skipna=True).transpose("student", rows, columns)
    shown = [student for student in mean["student"].values if np.isfinite(mean.sel(student=student)).any()]
    lines = -(-len(shown) // ABREAST)
    figure = Figure(figsize=(WIDTH, 2.6 * max(1, lines)))
    grid = figure.subplots(max(1, lines), min(ABREAST, max(1, len(shown))), squeeze=False)
    low, high = float(np.nanmin(mean)), float(np.nanmax(mean))
    for ax, student in zip(grid.ravel(), shown, strict=False):
        image = ax.imshow(mean.sel(student=student).values, cmap="viridis", vmin=low, vmax=high, aspect="auto", origin="lower")
        ax.set_xticks(range(mean.sizes[columns]), [_short(value) for value in mean[columns].values], rotation=30, ha="right")
        ax.set_yticks(range(mean.sizes[rows]), [_short(value) for value in mean[rows].values])
        ax.set(title=broken(str(student), grid.shape[1]), xlabel=_named(values, columns), ylabel=_named(values, rows))
    for ax in grid.ravel()[len(shown) :]:
        ax.set_visible(False)
    if shown:
        figure.colorbar(image, ax=list(grid.ravel()), label=str(values.attrs.get("measure", values.name)), shrink=0.9)
    return figure


def _places(labels: np.ndarray) -> tuple[np.ndarray, list[str] | None]:
    """Return where labels stand on the axis, and their names if they are no numbers."""
    if labels.dtype.kind in "fiu":
        return labels.astype(float), None
    return np.arange(len(labels), dtype=float), [_short(label) for label in labels]


def _named(values: xr.DataArray, axis: str) -> str:
    """Return the name of an axis with its unit."""
    unit = values[axis].attrs.get("units", "")
    return f"{axis} ({unit})" if unit else axis


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
