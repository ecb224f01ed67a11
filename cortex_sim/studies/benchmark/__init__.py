"""The benchmark of mechanism: what tells how a circuit works, and not only what it does; measures and fitting methods alike."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
