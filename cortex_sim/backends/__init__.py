"""Executions of a model; each folder is the only one that imports its simulator."""

import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning, module="brian2|pyparsing")  # Brian2 calls pyparsing by its old names
