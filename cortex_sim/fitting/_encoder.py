"""States of hidden units by a random encoder of the observed rates, and the readout that restores them: where their closed form begins."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.fitting._options import TrainingData
from cortex_sim.runtime import stream
from cortex_sim.simulation import rate_of

MEANS = 0.3  # standard deviation of the means of the states
READ_OUT, LEFT_OUT = 1e-4, 1e-3  # penalty of the readout of hidden units, of the mean variance; variance of the rates that they need not tell


def with_encoder(model: Model, data: TrainingData, spread: float) -> Model:
    """Return a student of hidden units with a random encoder of the rates, and with the readout that best restores them.

    Each unit's state is a random combination of the principal components of the rates, these in their own scale. Its standard deviation is the same
    for all units, its mean random.

    Args:
        model: with an encoder and a readout.
        data: rates to reproduce.
        spread: standard deviation of the states.
    """
    assert model.initial is not None
    assert model.readout is not None
    rng, scale = stream(model.seed, "student", "encoder of the closed form"), data.scale
    seen = data.rates[data.weights[:, :, 0] > 0]
    mean = seen.mean(axis=0)
    scores, axes = _components((seen - mean) / scale)
    directions = rng.standard_normal((model.units, axes.shape[1]))
    directions *= spread / np.maximum((scores @ directions.T).std(axis=0), np.finfo(float).tiny)[:, None]
    encoder = directions @ axes.T / scale
    offset = MEANS * rng.standard_normal(model.units) - encoder @ mean
    made = rate_of(model, seen @ encoder.T + offset)
    design = made - made.mean(axis=0)
    gram = design.T @ design
    penalty = max(READ_OUT * float(np.trace(gram)) / len(gram), np.finfo(float).tiny) * np.eye(len(gram))
    readout = np.linalg.solve(gram + penalty, design.T @ (seen - mean)).T
    return model.with_arrays({
        model.initial.weights: encoder, model.initial.offset: offset,
        model.readout.weights: readout, model.readout.offset: mean - readout @ made.mean(axis=0),
    })  # fmt: skip


def _components(samples: Float[ndarray, "sample unit"]) -> tuple[Float[ndarray, "sample axis"], Float[ndarray, "unit axis"]]:
    """Return centred samples along the leading principal axes that hold nearly all of their variance, and the axes."""
    values, axes = np.linalg.eigh(samples.T @ samples)
    kept = np.cumsum(np.maximum(values, 0.0)) > LEFT_OUT * values.sum()
    return samples @ axes[:, kept], axes[:, kept]
