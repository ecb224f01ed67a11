"""What acts on a circuit from outside: currents, silencing, light, blocked channels, cut senses, loads."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
