"""jPCA: do neural states rotate, and how much of their flow is rotational?

Source:
    Churchland, Cunningham et al. (2012) Nature 487:51; the closed form below replaces the gradient descent of published codes.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.linalg import eigh, solve_sylvester

from cortex_sim.errors import OptionError, Undetermined
from cortex_sim.statistics import LEARNED, intervals_of, reversed_contrasts
from cortex_sim.trials import Trials

SOFT_SHARE = 0.2  # of the median range, added to the range of a unit when normalising, so that quiet units do not dominate
DEGENERATE = 1e-11  # of the largest variance: no more than round-off
JPCA_AXES = 6  # principal components analysed


@dataclass(frozen=True)
class Rotations:
    """Results of jPCA.

    Attributes:
        r2_skew: fraction of the variance of velocities that the best purely rotational flow explains.
        r2: fraction that the best linear flow explains.
        frequency: of each plane, Hz, fastest first; see ``leading`` for the plane with most rotation.
        variance: fraction of the analysed variance in each plane.
        projection: states in the planes' axes, (condition, time, axis).
        M_skew: the rotational flow, 1/s.
    """

    r2_skew: float
    r2: float
    frequency: Float[ndarray, " plane"]
    variance: Float[ndarray, " plane"]
    projection: Float[ndarray, "condition time axis"]
    M_skew: Float[ndarray, "axis axis"]

    @property
    def leading(self) -> int:
        """Return the plane with most rotation, by frequency² times variance, its squared speed. The fastest plane may hold almost no variance."""
        return int(np.argmax(self.frequency**2 * self.variance)) if self.frequency.size else 0

    @property
    def main_frequency(self) -> float:
        """Return the frequency of the plane with most rotation, Hz; 0 if nothing rotates."""
        return float(self.frequency[self.leading]) if self.frequency.size else 0.0

    @property
    def ratio(self) -> float:
        """Return the rotational fraction of the linear flow; not informative by itself, since smooth noise scores 0.5 to 0.8."""
        return self.r2_skew / self.r2 if self.r2 > 0 else float("nan")


def soft_range(spread: Float[ndarray, " unit"], constant: float | None = None) -> Float[ndarray, " unit"]:
    """Return the divisor of each unit: its range plus a constant, in the unit of the rates.

    Args:
        spread: range of each unit over the whole recording.
        constant: added to each range; if omitted, a fifth of the median range, so that the result does not depend on the unit of the rates.
            Churchland et al. (2012) used 5 Hz, a fifth for neurons with a range of 25 Hz.
    """
    return spread + (SOFT_SHARE * float(np.median(spread)) if constant is None else constant)


def soft_normalised(
    rates: Float[ndarray, "condition time unit"],
    spread: Float[ndarray, " unit"],
    constant: float | None = None,
    *,
    lasting: Bool[ndarray, "condition time"] | None = None,
) -> Float[ndarray, "condition time unit"]:
    """Return rates over their range in the whole recording plus a constant (:func:`soft_range`), with the mean over conditions removed at each time.

    Args:
        rates: any unit.
        spread: range of each unit over the whole recording.
        constant: as in :func:`soft_range`.
        lasting: at which times each condition lasts, all if omitted; the mean at a time is over those that do, and the others become 0.
    """
    scaled = rates / soft_range(spread, constant)
    if lasting is None:
        return scaled - scaled.mean(axis=0)
    there = lasting[:, :, None]
    mean = np.where(there, scaled, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(there, scaled - mean, 0.0)


def observed(states: Float[ndarray, "condition time unit"], lasting: Bool[ndarray, "condition time"] | None) -> Float[ndarray, "sample unit"]:
    """Return the states at all times at which their condition lasts, concatenated; all states if ``lasting`` is None.

    Args:
        states: in any unit.
        lasting: at which times each condition lasts.

    Raises:
        OptionError: lasting has another shape.
    """
    if lasting is not None and lasting.shape != states.shape[:2]:
        raise OptionError(f"lasting has shape {lasting.shape}; the states are {states.shape} (condition, time, unit).")
    return states.reshape(-1, states.shape[2]) if lasting is None else states[lasting]


def leading_components(
    states: Float[ndarray, "condition time unit"], axes: int = JPCA_AXES, *, lasting: Bool[ndarray, "condition time"] | None = None
) -> Float[ndarray, "condition time axis"]:
    """Return the projection of states onto their leading principal components, or onto as many as the states span.

    Args:
        states: in any unit.
        axes: maximum number of components.
        lasting: at which times each condition lasts, all if omitted; the components are those of these states alone.
    """
    flat = observed(states, lasting)
    units, mean = states.shape[2], flat.mean(axis=0)
    centred = flat - mean
    variance, directions = eigh(centred.T @ centred, subset_by_index=[max(0, units - axes), units - 1])
    axes_kept = directions[:, variance > DEGENERATE * variance[-1]][:, ::-1]
    return (states - mean) @ axes_kept if lasting is not None else (centred @ axes_kept).reshape(*states.shape[:2], -1)


def principal_components(
    states: Float[ndarray, "condition time unit"], axes: int = JPCA_AXES, *, lasting: Bool[ndarray, "condition time"] | None = None
) -> Float[ndarray, "condition time axis"]:
    """Return the projection of states onto exactly so many leading principal components.

    Args:
        states: in any unit.
        axes: number of components.
        lasting: at which times each condition lasts, all if omitted; the components are those of these states alone.

    Raises:
        Undetermined: there are fewer units than axes, or the states span fewer.
    """
    found = leading_components(states, axes, lasting=lasting)
    if found.shape[2] < axes:
        spanned = f"the states span {found.shape[2]} of {axes} axes, which leaves the flow undetermined"
        raise Undetermined(f"{spanned}; analyse at most {found.shape[2]} axes.")
    return found


def rotations_of(trials: Trials, *, spread: Float[ndarray, " unit"], window: tuple[float, float], axes: int = JPCA_AXES) -> Rotations:
    """Return the rotations of trials, one per condition: normalise, cut to the window, reduce to principal components, fit.

    Args:
        trials: rates.
        spread: range of each unit over the whole recording, in the unit of the rates.
        window: s.
        axes: number of principal components; fewer, but always even, if the states span fewer.

    Raises:
        Undetermined: the states span fewer than two axes.
    """
    return jpca_spanned(soft_normalised(trials.window(*window).rate, spread), trials.bin, axes=axes)


def jpca_spanned(
    states: Float[ndarray, "condition time unit"], dt: float, *, axes: int = JPCA_AXES, lasting: Bool[ndarray, "condition time"] | None = None
) -> Rotations:
    """Return the rotations of states in their leading principal components, of which as many are used as the states span, but an even number.

    Args:
        states: mean over conditions removed.
        dt: width of a bin, s.
        axes: maximum number of principal components.
        lasting: at which times each condition lasts, all if omitted.

    Raises:
        Undetermined: the states span fewer than two axes.
    """
    found = leading_components(states, axes, lasting=lasting)
    if found.shape[2] < 2:
        raise Undetermined(f"the states span {found.shape[2]} of 2 axes, which leaves the flow undetermined; nothing can rotate in them.")
    return jpca(found[..., : found.shape[2] // 2 * 2], dt, lasting=lasting)


def jpca(states: Float[ndarray, "condition time axis"], dt: float, *, lasting: Bool[ndarray, "condition time"] | None = None) -> Rotations:
    """Return the linear and purely rotational flows fitted to trajectories, with velocities as forward differences within each.

    Args:
        states: mean over conditions removed, few axes (see :func:`soft_normalised` and :func:`principal_components`).
        dt: width of a bin, s.
        lasting: at which times each condition lasts, all if omitted; the projection is NaN elsewhere.

    Raises:
        Undetermined: the states do not span every axis.
    """
    pairs = None if lasting is None else lasting[:, :-1] & lasting[:, 1:]
    x, velocity = observed(states[:, :-1], pairs), observed(np.diff(states, axis=1) / dt, pairs)
    M_skew, M = skew_flow(x, velocity), np.linalg.lstsq(x, velocity, rcond=None)[0].T
    total = (velocity**2).sum()
    values, vectors = np.linalg.eigh(1j * M_skew)
    order = [int(k) for k in np.argsort(-values) if values[k] > 0][: states.shape[2] // 2]
    planes = [_plane(vectors[:, k], states) for k in order]
    projection = np.concatenate([states @ plane for plane in planes] or [states[..., :0]], axis=2)
    if lasting is not None:
        states, projection = np.where(lasting[:, :, None], states, 0.0), np.where(lasting[:, :, None], projection, np.nan)
    power = (states**2).sum()
    return Rotations(
        r2_skew=float(1 - ((velocity - x @ M_skew.T) ** 2).sum() / total),
        r2=float(1 - ((velocity - x @ M.T) ** 2).sum() / total),
        frequency=values[order] / (2 * np.pi),
        variance=np.array([((states @ plane) ** 2).sum() / power for plane in planes]),
        projection=projection,
        M_skew=M_skew,
    )


def skew_flow(states: Float[ndarray, "sample axis"], velocities: Float[ndarray, "sample axis"]) -> Float[ndarray, "axis axis"]:
    r"""Return the skew-symmetric flow that best predicts velocity from state.

    Minimises :math:`\sum_s |\dot{x}_s - M x_s|^2` over :math:`M = -M^\top`. Setting the gradient to zero gives the Sylvester equation
    :math:`MC + CM = P - P^\top` with :math:`C = \sum x x^\top` and :math:`P = \sum \dot{x} x^\top`, solved exactly.

    Args:
        states: mean removed, in any one unit.
        velocities: their derivatives, in that unit per second.

    Returns:
        The flow, in 1/s.

    Raises:
        Undetermined: the states do not span every axis, so many flows fit equally well.
    """
    C, P = states.T @ states, velocities.T @ states
    rank = int(np.linalg.matrix_rank(C, tol=1e-12 * np.linalg.norm(C)))
    if rank < len(C):
        found = f"the states span {rank} of {len(C)} axes, which leaves the flow undetermined"
        raise Undetermined(f"{found}; first reduce them with principal(states, {rank}).")
    M = solve_sylvester(C, C, P - P.T)
    return (M - M.T) / 2


def _plane(vector: ndarray, states: ndarray) -> Float[ndarray, "axis 2"]:
    """Return a real orthonormal basis of a conjugate pair's plane, rotated so that initial states vary most along the first axis."""
    basis = np.stack([vector.real, vector.imag], axis=1) * np.sqrt(2)
    _, _, turn = np.linalg.svd(states[:, 0] @ basis, full_matrices=False)
    turned = basis @ turn.T
    return turned if np.linalg.det(turn) > 0 else turned * np.array([1.0, -1.0])


def rotation_intervals(
    states: Float[ndarray, "condition time unit"],
    dt: float,
    readings: Mapping[str, Callable[[Rotations], float]],
    *,
    axes: int = JPCA_AXES,
    selecting: Container[str] = (),
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval over conditions of each reading of jPCA, from subsets of them, in each of which mean, axes and flow are found anew.

    Args:
        states: at least 3 conditions.
        dt: width of a bin, s.
        readings: numbers that are read off the rotations, by name.
        axes: maximum number of principal components.
        selecting: names of the readings of one plane among several, such as the one that rotates most; their intervals hold what subsets select.

    Raises:
        ComparisonError: there are fewer than 3 conditions.
        Undetermined: the states of a subset span fewer than two axes.
    """

    def analysed(kept: Int[ndarray, " kept"]) -> Rotations:
        some = states[kept]
        some -= some.mean(axis=0)
        return jpca_spanned(some, dt, axes=axes)

    return intervals_of(analysed, len(states), readings, share=LEARNED, selecting=selecting)


def rotations_and_null(
    rates: Float[ndarray, "condition time unit"], dt: float, *, rng: np.random.Generator, draws: int
) -> tuple[Rotations, Float[ndarray, " draw"]]:
    """Return the rotations of rates about their mean over conditions, and R²(M_skew) with contrasts of the conditions reversed in time at random.

    The null is that activity is as likely forwards as backwards, so that nothing rotates in a direction that conditions share
    (:func:`.reversed_contrasts`). Units may be correlated in any way. Permuting conditions in each unit or component asks another question, whether
    these are independent of each other, which units of one population never are.

    Args:
        rates: in the analysed window.
        dt: width of a bin, s.
        rng: of the reversals.
        draws: their number.

    Raises:
        Undetermined: the rates span fewer than two axes.
    """
    states = leading_components(rates - rates.mean(axis=0))  # those of all surrogates too, whose covariance is the same
    return jpca_spanned(states, dt), np.array([jpca_spanned(reversed_contrasts(states, rng), dt).r2_skew for _ in range(draws)])
