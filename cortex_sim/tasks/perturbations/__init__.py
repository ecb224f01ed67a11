"""Perturbations from outside a circuit: currents, silencing, light, blocked channels, blocked senses, loads."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
