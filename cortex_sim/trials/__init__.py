"""The noun Trials, and every file format it is read from and written to."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
