"""Analyses of one system: its modes, fixed points, rotations, subspaces, preparation, and the statistics of its spikes."""
