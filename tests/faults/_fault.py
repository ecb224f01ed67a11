"""What a deliberate fault is, and folders of tests."""

from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong, where, the tests that should say so, and why they may not."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str
    argued: str = ""


COMPARISON = "tests/comparison/"
ANALYSIS = "tests/analysis/"
BENCHMARK = "tests/studies/benchmark/"
RULES = "tests/fitting/test_rules.py tests/fitting/test_learning.py"
