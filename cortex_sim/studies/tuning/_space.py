"""The search space: a TOML file with one table for each parameter of a student or of its training."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cortex_sim.cards import Model, catalogue
from cortex_sim.errors import CortexSimError, NotFound, OptionError, suggestion
from cortex_sim.fitting import Options
from cortex_sim.runtime import read_toml

STUDENT = {"card": str, "units": int, "layers": int}
FIXED = {"loss": "scores of different losses do not compare", "start": "the protocol says where students start"}
TAUGHT = {f.name: type(f.default) for f in dataclasses.fields(Options) if f.name not in FIXED}
KNOWN = STUDENT | TAUGHT
RANGE, CHOICES = ("low", "high", "log", "step"), ("choices",)
Value = str | int | float | bool
Setting = Mapping[str, Value]


@dataclass(frozen=True)
class Parameter:
    """A range or a list of choices.

    Attributes:
        low: lower end of the range, included.
        high: upper end of the range, included.
        log: whether to search the logarithm uniformly.
        step: distance between values, counted from ``low``.
        choices: list of choices, instead of a range.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()

    def suggest(self, trial: Any, name: str) -> Value:
        """Return a value that an Optuna trial suggests."""
        if self.choices:
            return trial.suggest_categorical(name, list(self.choices))
        if KNOWN.get(name, float) is int:
            return trial.suggest_int(name, int(self.low or 0), int(self.high or 0), log=self.log, step=int(self.step or 1))
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)


def read_space(path: Path) -> dict[str, Parameter]:
    """Return a search space, read from a file.

    Raises:
        NotFound: the file does not exist.
        OptionError: where, what was found and what would be right.
    """
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file; a space is a TOML file, see docs/tuning.md.")
    tables = read_toml(path, OptionError)
    if not tables:
        raise OptionError(f"{path}: names no parameter; write for example [rate] with low, high and log.")
    return {name: _parameter(f"{path}, [{name}]", name, table) for name, table in tables.items()}


def apply(setting: Setting, model: Model, options: Options) -> tuple[Model, Options]:
    """Return a student and its training options, changed by a setting.

    Args:
        setting: a value for each parameter of a space.
        model: initial student; another card gets its number of units.
        options: initial options.

    Raises:
        CortexSimError: the student is impossible, or the options are incompatible.
    """
    if "card" in setting:
        loaded = catalogue.load(str(setting["card"]))
        assert isinstance(loaded, Model)
        model = loaded.with_arrays({}, units=model.units)
    if "units" in setting:
        model = model.with_arrays({}, units=int(setting["units"]))
    if "layers" in setting:
        from cortex_sim.cards.edit import stacked

        model = stacked(model, int(setting["layers"]))
    changes: dict[str, Any] = {name: value for name, value in setting.items() if name in TAUGHT}
    return model, dataclasses.replace(options, **changes)


def _parameter(where: str, name: str, table: Any) -> Parameter:
    if name in FIXED:
        raise OptionError(f"{where}: cannot be tuned: {FIXED[name]}.")
    if name not in KNOWN:
        raise OptionError(f"{where}: the parameter is unknown. {suggestion(name, KNOWN)}")
    if not isinstance(table, dict):
        raise OptionError(f"{where}: found {table!r}; a parameter is a table with low and high, or with choices.")
    for key in table:
        if key not in RANGE + CHOICES:
            raise OptionError(f"{where}: key {key!r} is unknown. {suggestion(key, RANGE + CHOICES)}")
    if "choices" in table:
        return _choices(where, name, table)
    return _range(where, name, table)


def _choices(where: str, name: str, table: Mapping[str, Any]) -> Parameter:
    found = table["choices"]
    if len(table) > 1:
        raise OptionError(f"{where}: has choices and {', '.join(sorted(set(table) - {'choices'}))}; give a range or choices, not both.")
    if not isinstance(found, list) or not found or len({repr(value) for value in found}) < len(found):
        raise OptionError(f"{where}: choices {found!r} should be a list of different values, at least one.")
    return Parameter(choices=tuple(_value(f"{where}, choices", name, value) for value in found))


def _range(where: str, name: str, table: Mapping[str, Any]) -> Parameter:
    if KNOWN[name] in (str, bool):
        raise OptionError(f"{where}: has no order, so it takes choices = [...], no range.")
    for key in ("low", "high"):
        if key not in table:
            raise OptionError(f"{where}: {key} is missing; a range has low and high.")
    low, high = (_value(f"{where}, {key}", name, table[key]) for key in ("low", "high"))
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if low >= high:
        raise OptionError(f"{where}: low {low!r} should be below high {high!r}.")
    log, step = table.get("log", False), table.get("step")
    if not isinstance(log, bool):
        raise OptionError(f"{where}: log {log!r} should be true or false.")
    if log and (low <= 0 or step is not None):
        raise OptionError(f"{where}: with log = true, low should be above 0 and step be left out; found low {low!r}, step {step!r}.")
    if step is not None and (not _is(step, KNOWN[name]) or not 0 < step <= high - low):
        raise OptionError(f"{where}: step {step!r} should be above 0, at most {high - low:g} and of the kind of low.")
    return Parameter(low, high, log, step)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind | int if kind is float else kind) and (kind is bool or not isinstance(value, bool))


def _value(where: str, name: str, value: Any) -> Value:
    """Return one value, checked by what it would be used for."""
    kind = KNOWN[name]
    if not _is(value, kind):
        words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise OptionError(f"{where}: {value!r} should be {words[kind]}.")
    if kind is int and name in STUDENT and value < 1:
        raise OptionError(f"{where}: {value!r} should be 1 or more.")
    try:
        if name == "card" and catalogue.load(value).kind != "rnn":
            raise OptionError(f"{value!r} is no card of kind 'rnn'; students are networks.")
        if name in TAUGHT:
            Options(**{name: value})
    except CortexSimError as problem:
        raise OptionError(f"{where}: {problem}") from None
    return float(value) if kind is float else value
