"""Learning rules, one file each: from a student, training and validation data to a training history."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError, suggestion
from cortex_sim.fitting._options import Options, TrainingHistory

COMMON = {"options", "seed", "checkpoint", "report"}
# Options that count before a rule begins; rules say themselves which loss they minimise.
ALWAYS = ("validation", "closed_form", "hidden_start", "start", "loss")


def names() -> tuple[str, ...]:
    """Return the names of the rules."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])))


def find(rule: str, how: Mapping[str, float]) -> Callable[..., TrainingHistory]:
    """Return a rule's ``learn(model, data, check, *, options, seed, report)``, with its parameters set; it takes a checkpoint if it :func:`resumes`.

    Raises:
        OptionError: the rule or one of its parameters does not exist.
    """
    if rule not in names():
        raise OptionError(f"rule {rule!r} is unknown. {suggestion(rule, names())}")
    learn = _module(rule).learn
    takes = {p.name for p in inspect.signature(learn).parameters.values() if p.kind is p.KEYWORD_ONLY} - COMMON
    for name in how:
        if name not in takes:
            what = f"it takes {', '.join(sorted(takes))}" if takes else "it takes none"
            raise OptionError(f"rule {rule!r} takes no number {name!r}; {what}.")
    return functools.partial(learn, **how)


def resumes(rule: str) -> bool:
    """Return whether a run of this rule writes checkpoints and resumes from them; runs of the other rules take seconds."""
    return "checkpoint" in inspect.signature(_module(rule).learn).parameters


def _module(rule: str) -> Any:
    return importlib.import_module(f"{__name__}.{rule}")


def refuse_delays(rule: str, model: Model) -> None:
    """Check that a student has no delays, unless the rule learns through them.

    Raises:
        TaskError: the rule, the projection, and the rules that do.
    """
    if (late := [name for name, part in model.projections.items() if part.delay and part.delay.si]) and not _module(rule).DELAYS:
        others = " or ".join(repr(name) for name in names() if _module(name).DELAYS)
        delay = f"projection {late[0]!r} has a delay of {model.projections[late[0]].delay.si * 1e3:g} ms"  # type: ignore[union-attr]
        raise TaskError(f"{model.name}: {delay}, which rule {rule!r} cannot learn through; use {others}, or take cs.edit.undelayed(model).")


def refuse_ignored(rule: str, options: Options) -> None:
    """Check that a rule ignores none of the options.

    Raises:
        OptionError: the rule, the ignored option, and what the rule takes.
    """
    takes = (*_module(rule).ACCEPTS, *ALWAYS)
    for name, usual in vars(Options()).items():
        if name not in takes and (given := getattr(options, name)) != usual:
            raise OptionError(f"rule {rule!r} does not use {name} (got {given!r}); it takes {', '.join(sorted(takes))}.")
