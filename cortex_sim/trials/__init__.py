"""The noun Trials, and every file format it is read from and written to."""

from cortex_sim.trials._trials import BIN, Spikes, Trials, derangement, smoothed_over_time

__all__ = ["BIN", "Spikes", "Trials", "derangement", "smoothed_over_time"]
