"""The Brian2 backend, the only folder that imports Brian2."""

import sys

hook = sys.excepthook
import brian2  # noqa: E402, F401 - it takes the hook, and answers any error with how to report a fault of Brian2's

sys.excepthook = hook

from cortex_sim.runtime.doors import opened  # noqa: E402

__getattr__, __dir__, __all__ = opened(__name__, __file__)
