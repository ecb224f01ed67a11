"""Runs of protocols, their repetition, and the search for the best construction and training of a student."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
