"""The verb compare: how alike two systems are; one file a family of measures."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
