"""Time courses that movements and their inputs are made of."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import erf

Course = Float[ndarray, " time"]
JITTER = 1e-9  # variance added at every time, without which the covariance of many times has no Cholesky factor


def bell_shaped_path(time: Course, *, distance: float, lasts: float, width: float) -> Course:
    r"""Return the distance travelled by a hand whose speed follows :math:`(t/w)^2 e^{-(t/w)^2/2}`, in the unit of ``distance``.

    Args:
        time: from the start of the movement, s.
        distance: travelled by the time ``lasts``.
        lasts: duration, s.
        width: w, s; the speed is highest at :math:`\sqrt 2 w`.

    Source:
        Kao, Sadabadi & Hennequin (2021) Neuron 109:1567, for the speed; the path is its integral in closed form.
    """
    return distance * _gone(time / width) / _gone(np.array(lasts / width))


def rise_and_decay(time: Course, *, rise: float, decay: float, size: float) -> Course:
    r"""Return an input that is 0 before time 0 and then follows :math:`e^{-t/\text{decay}} - e^{-t/\text{rise}}`, scaled to a peak of this size.

    Args:
        time: s.
        rise: time constant, s, shorter than that of the decay.
        decay: time constant, s.
        size: of the peak.
    """
    course = np.where(time >= 0, np.exp(-np.maximum(time, 0) / decay) - np.exp(-np.maximum(time, 0) / rise), 0.0)
    peak = np.log(decay / rise) * rise * decay / (decay - rise)
    return size * course / (np.exp(-peak / decay) - np.exp(-peak / rise))


def smooth_root(time: Course, width: float) -> Float[ndarray, "time time"]:
    r"""Return the Cholesky factor of the covariance :math:`e^{-(t-s)^2/2w^2}`: times white noise it is a draw from that Gaussian process.

    Args:
        time: s.
        width: w, s.
    """
    return np.linalg.cholesky(np.exp(-(np.subtract.outer(time, time) ** 2) / (2 * width**2)) + JITTER * np.eye(len(time)))


def smooth_courses(time: Course, count: int, *, width: float, rng: np.random.Generator) -> Float[ndarray, "course time"]:
    """Return random courses drawn from a Gaussian process (:func:`smooth_root`), each scaled to s.d. 1 over time.

    Args:
        time: s.
        count: number of courses.
        width: time over which they are correlated, s.
        rng: of the draw.
    """
    root = smooth_root(time, width)
    found = [root @ rng.standard_normal(len(time)) for _ in range(count)]
    return np.array([course / course.std() for course in found])


def _gone(s: ndarray) -> ndarray:
    return np.sqrt(np.pi / 2) * erf(s / np.sqrt(2)) - s * np.exp(-(s**2) / 2)
