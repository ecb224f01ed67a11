"""What a motor cortex moves: arms, muscles and the body that both make, on NumPy arrays and torch tensors alike."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
