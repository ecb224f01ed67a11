"""A recording that has not been read yet: a file, and what is asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from cortex_sim.errors import OptionError, suggestion

OPTIONS = ("align", "window", "condition", "where", "table", "bin", "dims", "area", "step")


@dataclass(frozen=True)
class Recording:
    """A file and what is read of it: what protocols are given, and :func:`read` takes, in place of a path.

    Args:
        path: of the file.
        options: of :func:`read`, by name.

    Raises:
        OptionError: there is no such option.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.options:
            if name not in OPTIONS:
                raise OptionError(f"{name} does not choose from a recording. {suggestion(name, OPTIONS)}")
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def of(cls, source: "Source") -> "Recording":
        """Return a recording, of a path or as it is."""
        return source if isinstance(source, Recording) else cls(Path(source))

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def whole(self) -> "Recording":
        """The same without a window."""
        return Recording(self.path, {name: value for name, value in self.options.items() if name != "window"})

    def window(self, usual: tuple[float, float]) -> tuple[float, float]:
        """Return the window that is asked for, s, or else the usual one."""
        asked = self.options.get("window")
        return usual if asked is None else (float(asked[0]), float(asked[1]))

    def looked_at(self, usual: tuple[float, float]) -> str:
        """Say what is looked at."""
        start, stop = self.window(usual)
        return f"{self.name}, {start * 1e3:g} to {stop * 1e3:g} ms"

    def __str__(self) -> str:
        return str(self.path)


Source: TypeAlias = str | Path | Recording
"""What names a recording."""
