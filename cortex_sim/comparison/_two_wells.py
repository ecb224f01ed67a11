r"""A circuit whose fixed points are known in closed form: two stable states, and a saddle between them.

.. math:: \tau \dot h = -h + W \tanh h, \quad W = g\, m m^\top / N, \; |m_i| = 1

has the fixed points :math:`h = \kappa m` with :math:`\kappa = g \tanh \kappa`: for g above 1 they are 0, where it is unstable along m, and
:math:`\pm\kappa`, where it is stable.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import brentq

from cortex_sim.cards import Model, load
from cortex_sim.cards.edit import with_values
from cortex_sim.errors import OptionError
from cortex_sim.tasks import Task, free_run

CARD, RECURRENT, TIME_CONSTANT = "sompolinsky_1988", "J", "tau"
SPREAD = 0.9  # largest rate that runs start from


def two_wells(m: Float[ndarray, " unit"], *, strength: float, tau: float, step: float) -> Model:
    """Return the circuit with the weights of one pattern.

    Args:
        m: the pattern, of 1 and -1.
        strength: g, above 1.
        tau: time constant, ms.
        step: integration step, ms.

    Raises:
        OptionError: m contains another number, or the strength is not above 1, so that there is only one well.
    """
    if not (np.abs(m) == 1).all() or not strength > 1:
        raise OptionError(f"two wells: strength {strength!r} should be above 1, and m hold 1 and -1 alone (got {np.unique(m)[:4].tolist()}).")
    card = load(CARD)
    assert isinstance(card, Model)
    circuit = card.with_arrays({RECURRENT: strength * np.outer(m, m) / len(m)}, units=len(m))
    slow = with_values(circuit, {TIME_CONSTANT: tau}, source="chosen: that of the students")
    return slow.with_arrays({}, dt=circuit.dt.model_dump() | {"value": step})


def well_depth(strength: float) -> float:
    """Return the positive kappa."""
    return float(brentq(lambda k: strength * np.tanh(k) - k, 0.5, 2 * strength))


def well_runs(m: Float[ndarray, " unit"], *, conditions: int, duration: float, rng: np.random.Generator) -> Task:
    """Return runs of this duration, s, from random states spread along m and around it, so that both wells are reached."""
    states = rng.standard_normal((conditions, len(m))) + rng.normal(size=(conditions, 1)) * m
    return free_run(SPREAD * np.tanh(states), duration)
