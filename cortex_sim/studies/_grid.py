"""The grid of a sweep: lists of values of a protocol's options and of what stands on its card; every combination is an item."""

import inspect
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from cortex_sim.cards import Model, SpikingModel, catalogue
from cortex_sim.cards.edit import with_argument, with_values
from cortex_sim.errors import NotFound, OptionError, suggestion
from cortex_sim.runtime import read_toml
from cortex_sim.studies._run import model_of

Value = str | int | float | bool
Axes = Mapping[str, Sequence[Value]]
Setting = Mapping[str, Value]
CARD, OURS = "card.", ("model", "scale")
FIELDS = ("units", "seed")  # of a card, that an axis may change
MOST = 100_000  # items of one grid


def read_grid(path: Path) -> dict[str, list[Value]]:
    """Return the axes of a grid file: each key a list of values, those of the card in a table ``[card]``, by the unit that the card gives them.

    Raises:
        NotFound: the file does not exist.
        OptionError: where, what was found and what would be right.
    """
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file; a grid is a TOML file, for example: model = ['hennequin_2014', 'kao_2021'].")
    return check_axes(dict(_flat(read_toml(path, OptionError))), str(path))


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        found += _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else [(f"{before}{key}", value)]
    return found


def check_axes(axes: Mapping[str, Any], where: str = "grid") -> dict[str, list[Value]]:
    """Return axes that are lists of different plain values, at least one each.

    Raises:
        OptionError: an axis is none, or there are too many items.
    """
    checked: dict[str, list[Value]] = {}
    for name, values in axes.items():
        plain = list(values) if isinstance(values, Sequence) and not isinstance(values, str | bytes) else None
        known = bool(plain) and all(isinstance(value, Value) and (isinstance(value, str) or math.isfinite(value)) for value in plain or [])
        if plain is None or not known or len(set(plain)) < len(plain):
            raise OptionError(f"{where}: {name} = {values!r} should be a list of different finite numbers or texts, at least one.")
        if len({isinstance(value, str) for value in plain}) > 1:
            raise OptionError(f"{where}: {name} = {values!r} mixes numbers and texts; give either.")
        checked[str(name)] = plain
    count = 1
    for plain in checked.values():
        count *= len(plain)
    if count > MOST:
        raise OptionError(f"{where}: makes {count} combinations; {MOST} at most.")
    return checked


def combinations(axes: Axes) -> list[dict[str, Value]]:
    """Return every combination of values, the last axis varying fastest; one, of nothing, if there are no axes."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def prepared(protocol: str, setting: Setting) -> tuple[Model | SpikingModel | None, dict[str, Any]]:
    """Return the circuit and the options of the protocol that a combination of values means.

    Args:
        protocol: a shipped protocol, or a path that ends in ``.py``.
        setting: ``model``, ``scale``, options of the protocol, and ``card.NAME`` for a parameter, ``card.PROJECTION.ARGUMENT`` for an argument of a
            projection's rule, ``card.units`` and ``card.seed``.

    Raises:
        OptionError: the protocol has no such option, or the card nothing of this name.
    """
    options = {name: value for name, value in setting.items() if name not in OURS and not name.startswith(CARD)}
    takes = inspect.signature(catalogue.protocol(protocol).run).parameters
    able = [name for name, part in takes.items() if part.kind is part.KEYWORD_ONLY and name not in ("seed", "smoke")]
    for name in options:
        if name in ("seed", "smoke"):
            raise OptionError(f"grid: {name} is no axis; seeds are given beside the grid.")
        if name not in able:
            wanted = [*able, *OURS, "card.…"]
            raise OptionError(f"grid: {name!r} is no option of protocol {protocol!r}. {suggestion(name, wanted)}")
    model = model_of(protocol, setting.get("model"), options)  # type: ignore[arg-type]
    if (scale := setting.get("scale")) is not None:
        if not isinstance(model, SpikingModel):
            raise OptionError(f"grid: scale applies to spiking circuits; {model.name if model else 'a recording'} is none.")
        model = model.changed(scale=scale)
    for name, value in setting.items():
        if name.startswith(CARD):
            model = _changed(model, name.removeprefix(CARD), value)
    return model, options


def _changed(model: Model | SpikingModel | None, name: str, value: Value) -> Model | SpikingModel:
    if not isinstance(model, Model):
        raise OptionError(f"grid: card.{name} changes the card of a rate circuit or network; {model.name if model else 'a recording'} is none.")
    projection, _, argument = name.partition(".")
    if argument:
        return with_argument(model, projection, **{argument: value})  # type: ignore[arg-type]
    if name in model.parameters:
        return with_values(model, {name: value})
    if name in FIELDS:
        return model.with_arrays({}, **{name: value})
    known = [*model.parameters, *FIELDS, *(f"{key}.{each}" for key, part in model.projections.items() for each in part.arguments)]
    raise OptionError(f"grid: {model.name} has nothing named {name!r} that can be changed. {suggestion(name, known)}")


def unit_of(protocol: str, setting: Setting, axis: str) -> str:
    """Return the unit of an axis that is a quantity of the card; empty if it has none."""
    model, _ = prepared(protocol, setting)
    if not axis.startswith(CARD) or not isinstance(model, Model):
        return ""
    name, _, argument = axis.removeprefix(CARD).partition(".")
    found = model.projections[name].arguments[argument] if argument else model.parameters.get(name)
    unit = str(getattr(found, "unit", "") or "")
    return "" if unit == "1" else unit
