"""Reports: a page with figures, scores and claims; the only folder that imports matplotlib."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
