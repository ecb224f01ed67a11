"""Many runs: the search for how a student is best built and taught."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
