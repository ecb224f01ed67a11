"""What has nothing to do with neurons: files written whole, keys, random streams, work in parallel, progress."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
