"""Splits, nulls, intervals, paired tests and the score that carries them; no neuron in it."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
