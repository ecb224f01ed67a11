"""Executions of a model; each folder is the only one that imports its simulator."""
