"""A network whose connections are known up to a factor for each unit: the factors, in closed form."""

from dataclasses import replace

import numpy as np

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError
from cortex_sim.fitting._options import TrainingData
from cortex_sim.fitting._regression import bias_of, normal_equations, recurrent_of, unregressed
from cortex_sim.fitting._start import unit_scale
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials


def with_fitted_gains(model: Model, trials: Trials, task: Task) -> Model:
    r"""Return a network with each row of its recurrent weights times the factor that fits rates best, and with the biases that go with it.

    Of the regression of a student's own equation under teacher forcing, with regressors r and 1, sums of products G and moments :math:`m_i` of unit
    i, only the direction :math:`w_i` of its known weights is left: the factor and the bias solve the two normal equations of :math:`(w_i, 0)` and
    :math:`(0, 1)`. A unit to which no connection is known has a bias alone.

    Args:
        model: sized to the trials, with a readout that fits them and the known weights.
        trials: rates to reproduce, one trial per condition or several.
        task: the task that produced them.

    Raises:
        OptionError: the weights of such a model have no closed-form solution.
    """
    data = TrainingData(replace(task, initial=trials.rate[:, 0]), trials.rate, unit_scale(trials.rate))
    if reason := unregressed(model, data):
        raise OptionError(f"{model.name}: its gains have no closed form, since {reason}.")
    recurrent = recurrent_of(model)
    bias, W = bias_of(model, recurrent), model.arrays()[recurrent]
    gram, moments = normal_equations(model, recurrent, data, bias)
    found, offsets = W.copy(), np.zeros(len(W))
    for unit, known in enumerate(W):
        design = np.zeros((len(gram), 1 + (bias is not None)))
        design[: len(known), 0] = known
        design[len(known) :, 1:] = 1.0
        design = design[:, design.any(axis=0)]
        if not design.size:
            continue
        solved = np.linalg.solve(design.T @ gram @ design, design.T @ moments[:, unit])
        found[unit] = solved[0] * known if known.any() else known
        offsets[unit] = solved[-1]
    return model.with_arrays({recurrent: found} | ({bias: offsets} if bias else {}))
