"""Comparison of two systems by measures of similarity; one file per family of measures."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
