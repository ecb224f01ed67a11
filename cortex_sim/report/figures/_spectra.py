"""Rotation planes, eigenvalues and power spectra."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.analysis import Rotations, Spectrum
from cortex_sim.report.figures._style import GREY, TEACHER, WIDTH, colours, figure, inked, trajectories


@figure
def rotation_planes(found: Mapping[str, Rotations]) -> Figure:
    """Draw the jPCA plane with most rotation for each system, with its numbers."""
    figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(found)) + 0.7))
    row = figure.subplots(1, len(found), squeeze=False)[0]
    for ax, (name, rotation) in zip(row, found.items(), strict=True):
        plane = rotation.leading
        trajectories(ax, rotation.projection[..., 2 * plane : 2 * plane + 2])
        share = f"{rotation.frequency[plane]:.2f} Hz, {rotation.variance[plane]:.0%} var."
        ax.set_title(f"{name}\nR²(M_skew) {rotation.r2_skew:.2f}\nR²(M) {rotation.r2:.2f}\n{share}", fontsize=8)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xlabel("jPC 1 of it")
    row[0].set_ylabel("jPC 2 of it (normalised)")
    return figure


@figure
def spectra(teacher: Spectrum | None, students: Mapping[str, Spectrum]) -> Figure:
    """Draw eigenvalues of the flow linearised at rest, those of the teacher as rings and those of each student as dots."""
    figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(students)) + 0.4))
    row = figure.subplots(1, len(students), sharex=True, sharey=True, squeeze=False)[0]
    ink = colours(list(students))
    shown = [s.eigenvalues for s in (*students.values(), *((teacher,) if teacher else ())) if len(s.eigenvalues)]
    for ax, (name, spectrum) in zip(row, students.items(), strict=True):
        if teacher:
            ax.plot(teacher.eigenvalues.real, teacher.eigenvalues.imag / (2 * np.pi), "o", mfc="none", mec=TEACHER, ms=4, mew=0.6, alpha=0.6)
        ax.plot(spectrum.eigenvalues.real, spectrum.eigenvalues.imag / (2 * np.pi), ".", color=ink[name], ms=4)
        ax.axvline(0, color=GREY, lw=0.6, ls=":")
        ax.set_title(name + ("" if spectrum.at_rest else "\n(found no rest)"))
        ax.set_xlabel("real part (1/s)")
    if shown:
        row[0].set_xlim(min(float(np.percentile(e.real, 5)) for e in shown) - 2, max(5.0, *(float(e.real.max()) for e in shown)) + 1)
        top = 1.5 * max(float(np.percentile(np.abs(e.imag), 90)) for e in shown) / (2 * np.pi)
        row[0].set_ylim(-max(top, 0.1), max(top, 0.1))
    row[0].set_ylabel("frequency (Hz)")
    return figure


@figure
def power_spectrum(
    spectra: Mapping[str, tuple[Float[ndarray, " frequency"], Float[ndarray, " frequency"]]], *, flat: Mapping[str, float] | None = None
) -> Figure:
    """Draw power spectra of population rates on logarithmic axes.

    Args:
        spectra: frequencies in Hz, and densities in Hz²/Hz, by name.
        flat: spectral density of independent Poisson units with the same rates, 2 r/N; dashed, in the colour of its name.
    """
    figure = Figure(figsize=(0.62 * WIDTH, 3.2))
    ax = figure.subplots()
    ink = inked(spectra)
    for name, (frequency, density) in spectra.items():
        ax.loglog(frequency, density, color=ink[name], lw=1.3, label=name)
    for name, level in (flat or {}).items():
        ax.axhline(level, color=ink[name], lw=0.8, ls="--")
    if flat:
        ax.plot([], [], color=GREY, lw=0.8, ls="--", label="independent Poisson units")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="frequency (Hz)", ylabel="power of the mean rate (Hz²/Hz)")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper")
    return figure
