"""Checks of memory before allocation, since a file or card may ask for more than there is."""

import contextlib
import os

SHARE = 0.5  # of the machine's memory, or of what this process is allowed, that one thing may take
USUAL = 8e9  # bytes, where the machine does not say


def memory() -> float:
    """Return the bytes of memory that this process may use: those of the machine, or its limit."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        whole = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        return whole if limit == resource.RLIM_INFINITY else min(whole, float(limit))
    return USUAL


def too_large(bytes_: float, what: str) -> str | None:
    """Return a sentence if something would take more than half of the memory; None if it fits.

    Args:
        bytes_: required bytes.
        what: name of the object.
    """
    there = memory()
    if bytes_ <= SHARE * there:
        return None
    size = f"{bytes_ / 1e9:,.{1 if bytes_ < 1e10 else 0}f} GB"
    return f"{what} would take {size} of memory; {SHARE:.0%} of the {there / 1e9:.3g} GB there are is the most. Ask for less"
