"""Splits, nulls, intervals, paired tests and the score that carries them; no neuron in it."""
