"""cortex-sim: does an artificial recurrent network that matches motor cortex also work like it?

Models are data, protocols are code: ``simulate(model, task) -> Trials``, ``fit(model, trials, task) -> Model``,
``compare(a, b) -> Comparison``. Every notebook and protocol can be written with the names of this module; each is imported when first used.
"""

from cortex_sim.runtime.doors import opened

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = opened(__name__, __file__)
