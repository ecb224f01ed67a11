"""Surrogates: data that keep some structure and are otherwise random, to test which structure a result requires.

Rates are (condition, time, unit) throughout; every draw takes a generator, so that a protocol can use a stream of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.linalg import helmert

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import doored, stream
from cortex_sim.trials import Trials, smoothed_over_time

SPANNED = 1e-10  # of the largest variance of a mode: axes below are left out, as nothing varies along them
NEWTON, DECREMENT, NEAR = 200, 1e-14, 0.05  # steps at most; squared Newton decrements where it is done and where whole steps are safe
ENOUGH = 1e-4  # share of the promised decrease that a step has to bring before

Rates = Float[ndarray, "condition time unit"]


def permuted_conditions(states: Rates, rng: np.random.Generator) -> Rates:
    """Return rates with condition labels permuted separately for every unit (or axis): keeps each unit's time courses, destroys coordination."""
    return mixed_conditions(states, condition_orders(len(states), states.shape[2], rng))


def condition_orders(conditions: int, units: int, rng: np.random.Generator) -> Int[ndarray, "condition unit"]:
    """Return a random order of the conditions for every unit."""
    return np.stack([rng.permutation(conditions) for _ in range(units)], axis=1).astype(np.int32)


def mixed_conditions(states: Rates, orders: Int[ndarray, "condition unit"]) -> Rates:
    """Return rates with the conditions of every unit in an order of its own."""
    mixed = np.empty_like(states)
    for time in range(states.shape[1]):
        mixed[:, time] = np.take_along_axis(states[:, time], orders, axis=0)
    return mixed


def half_inverted(states: Rates, rng: np.random.Generator) -> Rates:
    """Return rates with half of the conditions reflected about their first state: same starting states, opposite initial directions.

    A control, and no draw from a null: the data themselves are not among its draws (see :func:`inverted_contrasts`).

    Source:
        Churchland, Cunningham et al. (2012) Nature 487:51, controls.
    """
    chosen = rng.permutation(len(states))[: len(states) // 2]
    mirrored = states.copy()
    mirrored[chosen] = 2 * states[chosen, :1] - states[chosen]
    return mirrored


def inverted_contrasts(states: Rates, rng: np.random.Generator) -> Rates:
    """Return rates with each contrast of the conditions reflected about its first state with probability 1/2 (:func:`_changed_contrasts`).

    The states at the start are kept. An exact null where, from any state, activity sets out as often in one direction as in the opposite one.
    """
    return _changed_contrasts(states, rng, lambda courses: 2 * courses[:, :1] - courses)


def reversed_contrasts(states: Rates, rng: np.random.Generator) -> Rates:
    """Return rates with each contrast of the conditions reversed in time with probability 1/2 (:func:`_changed_contrasts`).

    Covariances over units and over conditions are kept, whatever they are, and so are principal components. An exact null where activity is as
    likely forwards as backwards in draws from one normal distribution; conditions that share a few courses are not (docs/nulls.md).
    """
    return _changed_contrasts(states, rng, lambda courses: courses[:, ::-1])


def _changed_contrasts(states: Rates, rng: np.random.Generator, change: Callable[[Rates], Rates]) -> Rates:
    r"""Return rates, their mean over conditions removed, of which each contrast of the conditions is changed with probability 1/2.

    Conditions whose mean was removed depend on each other. The rows of an orthonormal matrix :math:`H` with :math:`H1 = 0` do not: if conditions
    vary about their mean as independent draws from one normal distribution, contrasts :math:`Hx` are such draws with mean 0, and
    :math:`x = H^\top Hx`. Changes that undo themselves then form a group, to which changing none belongs, as an exact test requires.
    """
    H = helmert(len(states))
    courses = np.tensordot(H, states, axes=1)
    chosen = rng.random(len(courses)) < 0.5
    return np.tensordot(H.T, np.where(chosen[:, None, None], change(courses), courses), axes=1)


def random_phases(states: Rates, rng: np.random.Generator, *, together: bool = True) -> Rates:
    """Return rates with random phases of the Fourier components of every condition: keeps means and power spectra, destroys timing.

    Args:
        states: equally spaced in time; the window is treated as one period.
        rng: of the phases.
        together: all units of a condition share their phases, which also keeps cross-spectra; otherwise every unit has its own.

    Source:
        Prichard & Theiler (1994) Phys Rev Lett 73:951.
    """
    conditions, bins, units = states.shape
    spectrum = np.fft.rfft(states, axis=1)
    angle = rng.uniform(0, 2 * np.pi, (conditions, spectrum.shape[1], 1 if together else units))
    angle[:, 0] = 0
    if bins % 2 == 0:
        angle[:, -1] = np.pi * rng.integers(0, 2, angle[:, -1].shape)  # real, as the highest component has to stay
    return np.fft.irfft(spectrum * np.exp(1j * angle), n=bins, axis=1)


def turned(states: Rates, rng: np.random.Generator) -> Rates:
    """Return rates under a random orthogonal transformation of state space: keeps all geometry and dynamics, mixes the units."""
    axes, signs = np.linalg.qr(rng.standard_normal((states.shape[2],) * 2))
    return states @ (axes * np.sign(np.diagonal(signs)))


def one_course_per_unit(states: Rates) -> Rates:
    """Return the best description of every unit by one time course, scaled by condition. No state drives the next; units peak in sequence.

    A measure of dynamics that gives a similar value for it does not require dynamics (Lebedev et al. 2019 Sci Rep 9:18978).
    """
    U, s, Vt = np.linalg.svd(np.moveaxis(states, 2, 0), full_matrices=False)
    return np.moveaxis(U[:, :, :1] * s[:, None, :1] @ Vt[:, :1], 0, 2)


def spike_averages(
    rates: Float[ndarray, "condition time unit"], bin: float, *, repeats: int, sd: float, rng: np.random.Generator
) -> Float[ndarray, "condition time unit"]:
    """Return rates as an experiment would estimate them: Poisson spikes of several trials per condition, averaged and smoothed by a Gaussian.

    Args:
        rates: Hz; negative rates count as 0.
        bin: width of a bin, s.
        repeats: trials per condition.
        sd: standard deviation of the Gaussian, s.
        rng: of the spikes.
    """
    spikes = rng.poisson(np.maximum(rates, 0.0) * bin * repeats)  # of all trials together
    return smoothed_over_time(spikes / (repeats * bin), sd / bin)


@doored("of")
@dataclass(frozen=True)
class MaximumEntropy:
    r"""The maximum-entropy normal distribution with the means and covariances over conditions, times and units of given data.

    Its principal axes are products of those of the three covariances, and the variance along axes i, j and k is
    :math:`1/(\ell_i + m_j + n_k)` with multipliers that give each mode its eigenvalues.

    Attributes:
        mean: main effects of condition, time and unit, (condition, time, unit).
        axes: principal axes of each mode, in columns.
        sd: standard deviation along each product of axes.

    Source:
        Elsayed & Cunningham (2017) Nat Neurosci 20:1310. The multipliers come from Newton's method on the convex dual,
        :math:`\sum_i \ell_i \lambda_i + \sum_j m_j \mu_j + \sum_k n_k \nu_k - \sum_{ijk} \log(\ell_i + m_j + n_k)`.
    """

    mean: Rates
    axes: tuple[ndarray, ndarray, ndarray]
    sd: Float[ndarray, "condition_axis time_axis unit_axis"]

    @classmethod
    def of(cls, states: Rates) -> "MaximumEntropy":
        """Return the distribution fitted to data.

        Raises:
            ComparisonError: nothing but main effects varies, or the fit does not converge.
        """
        mean = sum(states.mean(axis=others, keepdims=True) for others in ((1, 2), (0, 2), (0, 1))) - 2 * states.mean()
        rest = states - mean
        axes, values = [], []
        for mode in range(3):
            flat = np.moveaxis(rest, mode, 0).reshape(rest.shape[mode], -1)
            found, vectors = np.linalg.eigh(flat @ flat.T)
            kept = found > SPANNED * found[-1]
            axes.append(vectors[:, kept])
            values.append(found[kept])
        if not min(map(len, values)):
            raise ComparisonError("surrogate: nothing varies but the means of conditions, of times and of units; there is no covariance to keep.")
        return cls(np.broadcast_to(mean, states.shape), (axes[0], axes[1], axes[2]), np.sqrt(_variances(values)))

    def draw(self, rng: np.random.Generator) -> Rates:
        """Return random data of the same shape."""
        return self.mean + np.einsum("ijk,ai,bj,ck->abc", self.sd * rng.standard_normal(self.sd.shape), *self.axes, optimize=True)


def _variances(values: list[ndarray]) -> Float[ndarray, "i j k"]:
    """Return the variances that minimise the dual; multipliers are in units of each mode's own scale, which suits small and large eigenvalues."""
    values = [one * (values[0].sum() / one.sum()) for one in values]  # left-out axes are all that sums can differ by
    sizes = np.array([len(one) for one in values])
    spread = [np.prod(sizes) / (3 * size * one) for size, one in zip(sizes, values, strict=True)]
    scale, wanted = np.concatenate(spread), np.concatenate(values)
    cuts = np.cumsum(sizes)[:-1]
    x = np.ones(len(scale))

    def sums(x: ndarray) -> ndarray:
        a, b, c = np.split(x * scale, cuts)
        return a[:, None, None] + b[:, None] + c

    def objective(x: ndarray) -> float:
        total = sums(x)
        return float(wanted @ (x * scale) - np.log(total).sum()) if total.min() > 0 else np.inf

    now = objective(x)
    for _ in range(NEWTON):
        D = 1 / sums(x)
        slope = scale * (wanted - np.concatenate([D.sum(axis=others) for others in ((1, 2), (0, 2), (0, 1))]))
        step = -np.linalg.lstsq(_curvature(D**2) * np.outer(scale, scale), slope, rcond=1e-14)[0]
        promised = -float(slope @ step)
        if promised < DECREMENT:
            break
        while promised > NEAR and objective(x + step) > now + ENOUGH * float(slope @ step) and np.abs(step).max() > np.finfo(float).eps:
            step = step / 2
        x = x + step
        now = objective(x)
    else:
        if promised > NEAR:
            raise ComparisonError(f"surrogate: maximum entropy has not settled after {NEWTON} steps; leave out units that hardly vary.")
    return 1 / sums(x)


def _curvature(E: Float[ndarray, "i j k"]) -> Float[ndarray, "multiplier multiplier"]:
    ij, ik, jk = E.sum(axis=2), E.sum(axis=1), E.sum(axis=0)
    i, j, k = (np.diag(E.sum(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return np.block([[i, ij, ik], [ij.T, j, jk], [ik.T, jk.T, k]])


def poisson_surrogate(trials: Trials, *, seed: int = 0) -> Trials:
    """Return a rate-matched surrogate: in every condition, each unit fires as a Poisson process at its mean rate there.

    Args:
        trials: trials with spikes.
        seed: of the draw.
    """
    rng = stream(seed, "null", "Poisson surrogate")
    (count, _, units), start, spikes = trials.shape, trials.time[0], trials.spikes
    duration = trials.stop - start
    labels = np.unique(trials.condition, return_inverse=True)[1]
    fired = np.bincount(labels[spikes.trial] * units + spikes.unit, minlength=(labels.max() + 1) * units).reshape(-1, units)
    rate = fired / np.bincount(labels, weights=duration)[:, None]
    counts = rng.poisson(rate[labels] * duration[:, None])
    trial, unit = (np.repeat(place.ravel(), counts.ravel()) for place in np.indices((count, units)))
    when = start + rng.uniform(size=trial.size) * duration[trial]
    return Trials.from_spikes(
        (when, unit, trial), trials.time, units=units, condition=trials.condition, stop=trials.stop, population=trials.population,
        provenance=trials.provenance | {"surrogate": f"Poisson at the rate of each unit in each condition, seed {seed}"},
    )  # fmt: skip
