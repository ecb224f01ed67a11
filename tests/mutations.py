"""Damage to files, at random: bytes and lines that are changed, lost, doubled or exchanged, and what breaks readers put in."""

import numpy as np

NASTY = (
    "nan", "inf", "-inf", "1e999", "-1", "0", "1e9", "1e-300", "9" * 30,
    "true", "[]", "{}", "''", '"', "'''", '"""', "\\u0000", "\\ud800", "\x00", "\r",
    "é", "[[", "]]", "=", "#", "\n[x]\n", "units", "dt", "exec", "exp(", "mV**-9999", "V", "ms", "1979-05-27",
    "0x7f", "[1, [2, 3]]", "../x", "/dev/null",
)  # fmt: skip


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the content of a file with one to three random changes."""
    for _ in range(rng.integers(1, 4)):
        size = max(1, len(data))
        at, other = sorted(int(place) for place in rng.integers(0, size, 2))
        stop = min(len(data), at + int(rng.integers(1, 40)))
        match int(rng.integers(7)):
            case 0:
                data = data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[stop:]
            case 2:
                data = data[:at] + data[at:stop] + data[at:]
            case 3:
                data = data[:at] + NASTY[int(rng.integers(len(NASTY)))].encode("utf-8", "surrogatepass") + data[at:]
            case 4:
                data = data[:at] + data[other : other + stop - at] + data[stop:]
            case 5:
                data = data[:at] + NASTY[int(rng.integers(len(NASTY)))].encode("utf-8", "surrogatepass") + data[stop:]
            case _:
                data = data[:at] if rng.random() < 0.2 else data[:at] + data[at:].replace(b"1", b"7", 1)
    return data
