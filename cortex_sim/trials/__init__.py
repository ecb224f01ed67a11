"""Trials, and every file format from which they are read or to which they are written."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
