"""Models as data: card fields, equations with units, weight rules, the catalogue of shipped cards, and edits that return a changed model."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
