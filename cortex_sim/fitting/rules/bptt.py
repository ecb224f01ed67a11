"""Back-propagation through time: the gradient of the error with respect to all weights, descended by the chosen optimiser.

Source:
    Werbos (1990) Proc IEEE 78:1550.
"""

from collections.abc import Callable
from pathlib import Path

from cortex_sim.cards import Model
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory

ACCEPTS = tuple(vars(Options()))
"""Options that are used: all of them."""
DELAYS = True
"""The rule learns through delays of projections."""


def learn(
    model: Model,
    data: TrainingData,
    check: TrainingData,
    *,
    options: Options,
    seed: int,
    checkpoint: Path | None,
    report: Callable[[float, str], None],
) -> TrainingHistory:
    """Descend in torch and return the training history; see :func:`cortex_sim.fitting._training.train`."""
    from cortex_sim.fitting import _training as training

    return training.train(model, data, check, options=options, seed=seed, checkpoint=checkpoint, report=report)
