"""Splits, null distributions, intervals, paired tests and the score that combines them; nothing here depends on neurons."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
