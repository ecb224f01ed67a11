"""Training of networks (students) by one of many learning rules, each a file of ``rules/``."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
