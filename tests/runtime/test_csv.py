"""Fields come back from comma-separated text as they went in, whatever they hold."""

import csv
import io

import numpy as np

from cortex_sim.runtime import csv_text

PIECES = ["a", ",", '"', "\n", "\r", "\r\n", " ", "é", ";", "'", "\t", ""]


def test_random_fields_come_back_from_another_reader() -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        rows = [["".join(rng.choice(PIECES, rng.integers(0, 5))) for _ in range(3)] for _ in range(4)]
        assert list(csv.reader(io.StringIO(csv_text(rows), newline=""))) == rows


def test_plain_rows_are_written_plainly_and_numbers_with_every_digit() -> None:
    assert csv_text([["a", "b"], [0.1 + 0.2, 3], [None, "x y"]]) == "a,b\n0.30000000000000004,3\n,x y\n"
    assert csv_text([["a"], ["u\rv"]]) == 'a\n"u\rv"\n'
