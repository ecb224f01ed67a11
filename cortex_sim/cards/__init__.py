"""The noun Model: card fields, equations with units, weight rules, the catalogue of shipped cards, and edits that make one model of another."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
