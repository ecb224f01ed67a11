"""A recording that has not been read yet: a file, and what to read from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from cortex_sim.errors import OptionError, suggestion

OPTIONS = ("align", "window", "condition", "where", "table", "bin", "dims", "area", "step", "unless", "behaviour")


@dataclass(frozen=True)
class Recording:
    """A file and the options to read it with; protocols and :func:`read` take it in place of a path.

    Args:
        path: of the file.
        options: of :func:`read`, by name.

    Raises:
        OptionError: an option does not exist.
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
        """Return the recording of a path; a recording is returned as it is."""
        return source if isinstance(source, Recording) else cls(Path(source))

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def whole(self) -> "Recording":
        """Return this recording without its window."""
        return Recording(self.path, {name: value for name, value in self.options.items() if name != "window"})

    def window(self, usual: tuple[float, float]) -> tuple[float, float]:
        """Return the requested window, s, or else the usual one."""
        asked = self.options.get("window")
        return usual if asked is None else (float(asked[0]), float(asked[1]))

    def looked_at(self, usual: tuple[float, float]) -> str:
        """Return the file name and the window, as text."""
        start, stop = self.window(usual)
        return f"{self.name}, {start * 1e3:g} to {stop * 1e3:g} ms"

    def __str__(self) -> str:
        return str(self.path)


Source: TypeAlias = str | Path | Recording
"""A path or a recording."""
