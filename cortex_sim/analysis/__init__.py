"""Analyses of one system: its modes, fixed points, rotations, subspaces, preparation, and the statistics of its spikes."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
