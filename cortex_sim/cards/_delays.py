"""Delays of projections: what a card may write, and how many steps they last."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cortex_sim.cards._equations import Equations
from cortex_sim.cards._fields import Projection
from cortex_sim.errors import CardError, TaskError

if TYPE_CHECKING:
    from cortex_sim.cards._model import Model

WHOLE = 1e-6  # of a step, by which a delay may miss a whole number of them


def check_delay(name: str, projection: Projection, text: Equations) -> None:
    """Check the delay of a projection.

    Raises:
        CardError: it is negative or not a single number, or the equations do not call the projection exactly once.
    """
    if (delay := projection.delay) is None:
        return
    written = f"{delay.value!r} {delay.unit}"
    if delay.shape:
        raise CardError(f"delay {written} should be one number: all synapses of a projection of rates share it. Write a projection for each delay.")
    if delay.si < 0:
        raise CardError(f"delay {written} should be 0 or more.")
    if (places := text.times_called(name)) != 1:
        found = f"the equations call {name!r} at {places} places" if places else f"the equations do not call {name!r}"
        cure = (
            f"give its result a line of its own ('name = {name}(...) : unit')"
            if places
            else "inputs, readouts and encoders act at once; leave it out"
        )
        raise CardError(f"delay {written} is that of what one call carries, but {found}; {cure}.")


def lags(projections: Mapping[str, Projection], dt: float) -> dict[str, int]:
    """Return the delay of each projection in steps (dt in s), rounded to the nearest whole number; projections without delay are omitted."""
    found = {name: int(np.rint(part.delay.si / dt)) for name, part in projections.items() if part.delay is not None}
    return {name: lag for name, lag in found.items() if lag}


def rounded_lags(model: "Model") -> list[str]:
    """Return, for each delay that is not a whole number of steps, a sentence that says what it is rounded to."""
    said, step = [], model.dt.si
    for name, part in model.projections.items():
        delay = 0.0 if part.delay is None else part.delay.si
        if abs(delay / step - np.rint(delay / step)) > WHOLE:
            whole = f"no whole number of steps of {step * 1e3:g} ms; rates take {model.lags.get(name, 0) * step * 1e3:g} ms"
            said.append(f"{model.name}: delay of {delay * 1e3:g} ms of projection {name!r} is {whole}")
    return said


def refuse_delays(model: "Model", what: str) -> None:
    """Refuse a model with delays, whose future does not follow from its present state alone.

    Args:
        model: circuit or network.
        what: the analysis that needs this, as the subject of a sentence.

    Raises:
        TaskError: a projection has a delay.
    """
    for name, lag in model.lags.items():
        found = f"but projection {name!r} has a delay of {lag * model.dt.si * 1e3:g} ms, so that its past decides too"
        cure = "Simulate it instead, or take cs.edit.undelayed(model), which has the same fixed points but another stability"
        raise TaskError(f"{model.name}: {what} needs a model whose state decides what it does next, {found}. {cure}.")
