"""Deliberate faults for :mod:`tests.mutants`: a place in the package, what stands there, what stands instead, and the tests that should fail."""

from tests.faults import analysis, comparison, networks, studies
from tests.faults._fault import Fault as Fault

FAULTS = (*comparison.FAULTS, *analysis.FAULTS, *networks.FAULTS, *studies.FAULTS)
