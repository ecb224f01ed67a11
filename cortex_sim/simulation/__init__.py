"""The verb simulate: one problem for every backend, and the backends that run it."""

import warnings

from cortex_sim.simulation._simulate import move, simulate

__all__ = ["move", "simulate"]

warnings.filterwarnings("ignore", category=DeprecationWarning, module="brian2|pyparsing")  # Brian2 calls pyparsing by its old names
