"""The Brian2 backend, the only folder that imports Brian2."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
