"""The verb compare: how alike two systems are; one file a family of measures."""

from cortex_sim.comparison._compare import NULLS, Comparison, Setting, compare, compare_responses, compare_rotations, compare_spectra

__all__ = ["NULLS", "Comparison", "Setting", "compare", "compare_responses", "compare_rotations", "compare_spectra"]
