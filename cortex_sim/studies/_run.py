"""run(protocol) -> Report: a protocol on a circuit, from Python or the command line."""

import inspect
from pathlib import Path
from typing import Any

from cortex_sim.cards import Model, SpikingModel, catalogue
from cortex_sim.errors import OptionError, suggestion
from cortex_sim.report import Report, check_new


def run(
    protocol: str,
    model: Model | SpikingModel | str | None = None,
    *,
    seed: int = 0,
    smoke: bool = False,
    out: str | Path | None = None,
    **options: Any,
) -> Report:
    """Run a protocol and return its report.

    Args:
        protocol: a shipped protocol, or a path that ends in ``.py``.
        model: circuit, a shipped name or a path that ends in ``.toml``; the protocol's own if left out.
        seed: of every random choice.
        smoke: small and short: shows that everything runs, its numbers mean nothing.
        out: new folder that the report is written to; it is not written if left out.
        **options: what this protocol takes beside, for example ``recording="averages.npz"``.

    Raises:
        OptionError: the protocol takes no such option, or names no model and none is given.
        NotFound: there is no such protocol or model; a close name is suggested.
        FileProblem: the folder exists or cannot be written.
    """
    if out is not None:
        check_new(Path(out))
    module = catalogue.protocol(protocol)
    takes = inspect.signature(module.run).parameters
    for name in options:
        if name not in takes:
            raise OptionError(f"{name} does not apply to protocol {protocol!r}; it takes {', '.join(takes)}. {suggestion(name, takes)}")
    if model is None and (model := getattr(module, "MODEL", None)) is None:
        raise OptionError(f"protocol {protocol!r} names no MODEL of its own; give one.")
    circuit = catalogue.load(model) if isinstance(model, str) else model
    report: Report = module.run(circuit, seed=seed, smoke=smoke, **options)
    if out is not None:
        report.write(out, command=f"cs.run({protocol!r}, {circuit.name!r}, seed={seed})", protocol=catalogue.find(protocol))
    return report
