"""An optimiser of torch that moves arrays in the outputs' own scale; see :mod:`cortex_sim.fitting._own_scale`."""

from torch import Tensor, nn

from cortex_sim.fitting._own_scale import OwnScale
from cortex_sim.simulation.torch import Twin


class Sized(nn.Module):
    """An array that is moved in units of a size.

    Args:
        size: of each entry, or one that spreads over them.
    """

    size: Tensor

    def __init__(self, size: Tensor) -> None:
        super().__init__()
        self.register_buffer("size", size)

    def forward(self, moved: Tensor) -> Tensor:
        """Return the array for the numbers that are moved."""
        return moved * self.size

    def right_inverse(self, array: Tensor) -> Tensor:
        """Return the numbers that are moved for an array."""
        return array / self.size


class Centred(nn.Module):
    """The offset of an encoder, which is moved as if the rates had mean 0.

    Args:
        twin: that has the encoder.
        encoder: its name.
        mean: of each output.
    """

    mean: Tensor

    def __init__(self, twin: Twin, encoder: str, mean: Tensor) -> None:
        super().__init__()
        self._of = (twin, encoder)  # in a tuple, so that the twin is no part of its own part
        self.register_buffer("mean", mean)

    def forward(self, moved: Tensor) -> Tensor:
        """Return the offset for the numbers that are moved."""
        return moved - self._shift(moved)

    def right_inverse(self, array: Tensor) -> Tensor:
        """Return the numbers that are moved for an offset."""
        return (array + self._shift(array)).detach()

    def _shift(self, like: Tensor) -> Tensor:
        twin, encoder = self._of
        return twin.array(encoder).to(like.dtype) @ self.mean.to(like.dtype)


def descend_in_own_scale(twin: Twin, own: OwnScale) -> None:
    """Have an optimiser move the numbers of a twin in the outputs' own scale; its arrays stay.

    Args:
        twin: its learned arrays are parametrised.
        own: the coordinates.
    """
    for name, size in own.sizes.items():
        if twin.learns(name):
            twin.parametrise(name, Sized(twin.tensor(size)))
    if own.encoder and twin.learns(own.encoder[1]):
        twin.parametrise(own.encoder[1], Centred(twin, own.encoder[0], twin.tensor(own.mean)))


def moved(twin: Twin, name: str) -> Tensor:
    """Return a learned array as the optimiser moves it: in the outputs' own scale where it has their unit."""
    parts = twin.parametrisations(name)
    last = parts[-1] if parts else None
    return twin.array(name) / last.size if isinstance(last, Sized) else twin.array(name)
