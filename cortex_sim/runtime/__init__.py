"""Services that do not depend on the science: atomic files, keys, random streams, parallel work, progress."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
