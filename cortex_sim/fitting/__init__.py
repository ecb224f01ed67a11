"""The verb fit: a student learns by one of many rules, each a file of ``rules/``."""

from cortex_sim.fitting._fit import Fitted, fit, split, train
from cortex_sim.fitting.options import Options

__all__ = ["Fitted", "Options", "fit", "split", "train"]
