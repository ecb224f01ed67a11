"""The errors of this package; each is also the builtin exception that a caller would expect."""

from collections.abc import Iterable
from difflib import get_close_matches


class CortexSimError(Exception):
    """Any error of this package; its message says where, what was found and what would be right."""

    def __str__(self) -> str:
        return " ".join(str(part) for part in self.args)


class CardError(CortexSimError, ValueError):
    """A card, or a model built in Python, that is not well formed."""


class TrialsError(CortexSimError, ValueError):
    """Arrays that are not well-formed trials, or a recording that cannot be converted into trials."""


class TaskError(CortexSimError, ValueError):
    """A task that is impossible, or that does not fit the model it is used with."""


class PlantError(CortexSimError, ValueError):
    """An arm or muscle that is impossible, or that cannot make the movement."""


class ComparisonError(CortexSimError, ValueError):
    """Two sides that cannot be compared, or a score that lacks a required part."""


class Undetermined(CortexSimError, ValueError):
    """The data do not determine the answer: many answers fit equally well."""


class Diverged(CortexSimError, FloatingPointError):
    """A simulation or training whose numbers diverged."""


class NotFound(CortexSimError, LookupError):
    """A name that does not exist."""


class OptionError(CortexSimError, ValueError):
    """An argument or option that is out of range or does not apply here."""


class FileProblem(CortexSimError, OSError):
    """A file or folder that exists already, cannot be written, or is damaged."""


def suggestion(found: str, options: Iterable[str]) -> str:
    """Return a sentence that says which of the options was probably meant, else lists them all."""
    names = sorted(options)
    cased = [name for name in names if name.lower() == found.lower()]
    close = cased or get_close_matches(found, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return "Choose from " + ", ".join(names) + "." if names else "There is nothing to choose from."
