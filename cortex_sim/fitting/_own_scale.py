r"""Descent in the outputs' own scale: the unit in which rates are given, and a constant added to them, change nothing that is learned.

An optimiser such as Adam moves every number by about as much. A readout C in Hz and one in kHz would so learn a thousand times apart, relative to
what they must become. The numbers that are moved are therefore those of outputs with mean 0 and standard deviation 1,

.. math:: C = s\,C',\quad d = s\,d',\quad E = E'/s,\quad e = e' - E\,m,

with each output's scale s and mean m in the training data; E and e are the encoder of the first bin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.fitting._options import Options, TrainingData

Arrays = Mapping[str, ndarray]


@dataclass(frozen=True)
class OwnScale:
    """The coordinates of a student's arrays in which an optimiser moves them.

    Attributes:
        sizes: of the arrays whose unit is that of the outputs, or its inverse, by name; of a body's commands and of logits there is none.
        encoder: names of the weights and of the offset of the encoder; None if there is none.
        mean: of each output.
    """

    sizes: dict[str, Float[ndarray, "..."]]
    encoder: tuple[str, str] | None
    mean: Float[ndarray, " output"]

    @classmethod
    def of(cls, model: Model, data: TrainingData, options: Options) -> Self:
        """Return the coordinates of a student that learns from data."""
        mean = data.rates[data.weights[:, :, 0] > 0].mean(axis=0)
        if model.readout is None or data.task.body is not None or options.loss != "squared":
            return cls({}, None, mean)
        sizes = {model.readout.weights: data.scale[:, None], model.readout.offset: data.scale}
        if (encoder := model.initial) is None:
            return cls(sizes, None, mean)
        return cls(sizes | {encoder.weights: 1 / data.scale}, (encoder.weights, encoder.offset), mean)

    def moved(self, arrays: Arrays) -> dict[str, ndarray]:
        """Return arrays as an optimiser moves them."""
        found = dict(arrays) | {name: arrays[name] / size for name, size in self.sizes.items()}
        if self.encoder:
            weights, offset = self.encoder
            found[offset] = arrays[offset] + arrays[weights] @ self.mean
        return found

    def arrays(self, moved: Arrays) -> dict[str, ndarray]:
        """Return the arrays for the numbers that an optimiser moved."""
        found = dict(moved) | {name: moved[name] * size for name, size in self.sizes.items()}
        if self.encoder:
            weights, offset = self.encoder
            found[offset] = moved[offset] - found[weights] @ self.mean
        return found

    def gradients(self, gradients: Arrays) -> dict[str, ndarray]:
        """Return the derivatives by the numbers that are moved, given those by the arrays; arrays that are not learned have none."""
        found = dict(gradients)
        if self.encoder and set(self.encoder) <= gradients.keys():
            weights, offset = self.encoder
            found[weights] = gradients[weights] - gradients[offset][:, None] * self.mean
        return found | {name: found[name] * size for name, size in self.sizes.items() if name in found}
