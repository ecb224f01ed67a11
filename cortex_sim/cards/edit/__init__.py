"""Edits that make one model of another: lesions and gains, layers, an interface to a body."""
