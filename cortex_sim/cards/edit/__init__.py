"""Edits that return a changed model: lesions and gains, layers, an interface to a body."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
