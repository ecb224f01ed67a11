"""Changed numbers in unchanged equations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError, suggestion


def with_values(model: Model, values: Mapping[str, Any], *, source: str | None = None) -> Model:
    """Return the model with other values of its parameters, trained ones too, and everything else unchanged.

    Args:
        model: circuit or network.
        values: by parameter, in the unit that the card gives it; a scalar, or one number for each of its entries.
        source: provenance of the values; as on the card if omitted.

    Raises:
        OptionError: a parameter does not exist.
    """
    if unknown := [name for name in values if name not in model.parameters]:
        raise OptionError(f"{model.name}: has no parameter {unknown[0]!r}. {suggestion(unknown[0], model.parameters)}")
    parameters = {name: part.model_dump() for name, part in model.parameters.items()}
    for name, value in values.items():
        parameters[name] |= {"value": np.asarray(value).tolist()} | ({} if source is None else {"source": source})
    return model.made_anew(*values).with_arrays({}, parameters=parameters)


def with_argument(model: Model, projection: str, **values: float) -> Model:
    """Return the model with other values of the arguments of a projection's weight rule, in the units of its card.

    Args:
        model: circuit or network.
        projection: whose weights are drawn again.
        values: by name of the argument.

    Raises:
        OptionError: the projection does not exist, or its rule has no such argument.
    """
    if projection not in model.projections:
        raise OptionError(f"{model.name} has no projection {projection!r}. {suggestion(projection, model.projections)}")
    projections = {name: part.model_dump() for name, part in model.projections.items()}
    arguments = projections[projection]["arguments"]
    for name, value in values.items():
        if name not in arguments:
            raise OptionError(f"{model.name}: the rule of {projection!r} has no argument {name!r}. {suggestion(name, arguments)}")
        arguments[name]["value"] = value
    return model.made_anew(projection).with_arrays({}, projections=projections)


def with_step(model: Model, ms: float) -> Model:
    """Return the model with another integration step, in ms; a trained map keeps its own."""
    return model.with_arrays({}, dt={"value": ms, "unit": "ms", "meaning": "integration step", "source": "chosen"})
