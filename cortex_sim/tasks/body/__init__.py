"""What a motor cortex moves: arms, muscles, and bodies made of both, on NumPy arrays and torch tensors alike."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
