"""What is asked of a model: one file a task, the body it may move, and what perturbs it."""

from cortex_sim.runtime.doors import opened

__getattr__, __dir__, __all__ = opened(__name__, __file__)
