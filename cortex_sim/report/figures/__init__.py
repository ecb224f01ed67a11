"""Figures, in files named by what they draw."""
