"""Simulation: one problem for every backend, and the backends that run it."""

import warnings

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)

warnings.filterwarnings("ignore", category=DeprecationWarning, module="brian2|pyparsing")  # Brian2 calls pyparsing by its old names
