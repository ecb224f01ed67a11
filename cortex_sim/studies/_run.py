"""run(protocol) -> Report: a protocol on a circuit, from Python or the command line."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from cortex_sim.cards import Model, SpikingModel, catalogue
from cortex_sim.errors import OptionError, suggestion
from cortex_sim.report import Report
from cortex_sim.runtime import check_new, run_folder, workers
from cortex_sim.trials import OPTIONS, Recording


def run(
    protocol: str,
    model: Model | SpikingModel | str | None = None,
    *,
    seed: int = 0,
    smoke: bool = False,
    out: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> Report:
    """Run a protocol and return its report; linear algebra uses one thread, so that results do not depend on the number of threads.

    Args:
        protocol: a shipped protocol, or a path that ends in ``.py``.
        model: circuit, a shipped name or a path that ends in ``.toml``; the protocol's own if omitted.
        seed: of every random choice.
        smoke: small and short: shows that everything runs; its numbers mean nothing.
        out: new folder for the report, reserved from the start; if omitted, the report is not written.
        resume: whether to resume a killed run in ``out``, if there is one: what it simulated and trained is not repeated.
        **options: the protocol's own options, for example ``recording="averages.npz"``, and with a recording the options of
            :func:`.read`, for example ``window=(-0.05, 0.2)``.

    Raises:
        OptionError: the protocol has no such option, or names no model and none is given.
        NotFound: the protocol or model does not exist; a close name is suggested.
        FileProblem: the folder exists or cannot be written.
    """
    if out is not None:
        check_new(Path(out), resume=resume)
    module = catalogue.protocol(protocol)
    takes = inspect.signature(module.run).parameters
    shown = "".join(f", {name}={value!r}" for name, value in options.items())
    given, options = options, _read_so(options, takes)
    for name in options:
        if name not in takes:
            raise OptionError(f"{name} does not apply to protocol {protocol!r}; it takes {', '.join(takes)}. {suggestion(name, takes)}")
    missing = [name for name, part in takes.items() if part.kind is part.KEYWORD_ONLY and part.default is part.empty and name not in options]
    if missing := [name for name in missing if name not in ("seed", "smoke")]:
        raise OptionError(f"protocol {protocol!r} needs {', '.join(missing)}; give it, for example {missing[0]}=....")
    circuit = model_of(protocol, model, options)
    if out is None:
        with workers.one_thread():
            return module.run(circuit, seed=seed, smoke=smoke, **options)
    command = f"cs.run({protocol!r}, {circuit and circuit.name!r}, seed={seed}{', smoke=True' if smoke else ''}{shown})"
    asked = _asked({"protocol": protocol, "model": model, "seed": seed, "smoke": smoke} | given)
    with run_folder(Path(out), asked={"call": command, "circuit": circuit and circuit.key}, resume=resume), workers.one_thread():
        report: Report = module.run(circuit, seed=seed, smoke=smoke, **options)
        report.write(out, command=command, protocol=catalogue.find(protocol), asked=asked)
    return report


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that a file can hold, or none if one of them is a Python object."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None}
    return plain if all(map(_storable, plain.values())) else {}


def _storable(value: object) -> bool:
    return all(map(_storable, value)) if isinstance(value, tuple | list) else isinstance(value, str | int | float)


def _read_so(options: dict[str, Any], takes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a protocol, with those of its recording combined; ``step`` belongs to the muscles, if there are any.

    Raises:
        OptionError: options of a recording are given without a recording.
    """
    chosen = {name: value for name, value in options.items() if name in OPTIONS and name not in takes}
    if not chosen or "recording" not in takes:
        return options
    if options.get("recording") is None:
        raise OptionError(f"options of a recording, {', '.join(chosen)}, without one; give it with recording=...")
    kept = {name: value for name, value in options.items() if name not in chosen}
    if "muscles" in takes and options.get("muscles") is not None and "step" in chosen:
        kept["muscles"] = Recording(options["muscles"], {"step": chosen.pop("step")})
    return kept | {"recording": Recording(options["recording"], chosen)}


def model_of(protocol: str, model: Model | SpikingModel | str | None, options: Mapping[str, Any]) -> Model | SpikingModel | None:
    """Return the circuit on which a protocol runs: the given one, else its own ``MODEL``.

    If a recording may replace the circuit, which a protocol shows by accepting ``None`` as its model, a circuit that is not given is ``None``.

    Raises:
        OptionError: the protocol names no model and none is given.
        NotFound: the protocol or model does not exist.
    """
    if isinstance(model, str):
        return catalogue.load(model)
    if model is not None:
        return model
    module = catalogue.protocol(protocol)
    first = next(iter(inspect.signature(module.run).parameters.values()))
    if options.get("recording") is not None and NoneType in get_args(first.annotation):
        return None
    if (own := getattr(module, "MODEL", None)) is None:
        raise OptionError(f"protocol {protocol!r} names no MODEL of its own; give one.")
    return catalogue.load(own)
