"""Response to a perturbation: does a student change under a push as its teacher does?"""

from jaxtyping import Float
from numpy import ndarray


def response_r2(teacher: Float[ndarray, "condition time unit"], student: Float[ndarray, "condition time unit"]) -> float:
    r"""Explained share of the teacher's response, :math:`1 - \sum(\Delta - \hat\Delta)^2/\sum\Delta^2`.

    Both arguments are differences from the same system's unperturbed run, in the unit of the rates. Predicting no response at all
    scores 0; a response of the wrong sign or size scores less.
    """
    return float(1 - ((teacher - student) ** 2).sum() / (teacher**2).sum())
