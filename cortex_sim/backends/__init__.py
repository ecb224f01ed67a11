"""Backends: where circuits and networks run."""

import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning, module="brian2|pyparsing")  # Brian2 calls pyparsing by its old names
