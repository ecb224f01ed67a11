"""A run as requested on the command line, or in the record of an earlier one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cortex_sim.cards import Model, SpikingModel, catalogue
from cortex_sim.errors import OptionError
from cortex_sim.report import Report
from cortex_sim.runtime import check_new, run_folder
from cortex_sim.simulation import VARIABLE, device_of
from cortex_sim.studies._run import model_of, run

OURS = ("protocol", "model", "scale", "target", "device", "seed", "smoke")
VARIABLES = {"target": "CORTEX_SIM_TARGET", "device": VARIABLE}  # that tell a run and its workers, by option


def perform(asked: Mapping[str, Any], folder: Path, *, command: str = "", resume: bool = False) -> tuple[Report, Path]:
    """Run a protocol, write its report, and return the report and the path of its page.

    Args:
        asked: ``protocol``, ``model``, ``scale``, ``target``, ``device``, ``seed``, ``smoke`` and the protocol's own options, by name.
        folder: new folder; reserved from the start.
        command: the command that was typed.
        resume: whether to resume a killed run in this folder, if there is one.

    Raises:
        OptionError: an option does not apply.
        FileProblem: the folder exists, is held by another process, or cannot be written.
    """
    check_new(folder, resume=resume)
    options: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items() if name not in OURS}
    protocol = str(asked["protocol"])
    circuit = _sized(model_of(protocol, asked.get("model"), options), asked.get("scale"))
    known = dict(asked)
    if circuit is not None and "model" not in asked:
        known["model"] = catalogue.protocol(protocol).MODEL
    if target := asked.get("target"):
        _refuse_target(target, circuit)
    if device := asked.get("device"):
        device_of(device)
    os.environ |= {variable: asked[name] for name, variable in VARIABLES.items() if asked.get(name)}
    with run_folder(folder, asked=known, resume=resume):
        report = run(protocol, circuit, seed=asked.get("seed", 0), smoke=asked.get("smoke", False), **options)
        return report, report.write(folder, command=command, protocol=catalogue.find(protocol), asked=known)


def _sized(model: Model | SpikingModel | None, scale: float | None) -> Model | SpikingModel | None:
    """Return the model, with the scale of a spiking circuit changed if one is given."""
    if scale is None:
        return model
    if model is None:
        raise OptionError("--scale applies to spiking circuits; the recording takes the circuit's place.")
    if isinstance(model, Model):
        raise OptionError(f"--scale applies to spiking circuits; {model.name} is of kind {model.kind!r}.")
    return model.changed(scale=scale)


def _refuse_target(target: str, circuit: Model | SpikingModel | None) -> None:
    if circuit is None:
        raise OptionError(f"--target {target} chooses the code of spiking circuits; the recording takes the circuit's place. Leave it out.")
    if isinstance(circuit, Model):
        raise OptionError(f"--target {target} chooses the code of spiking circuits; {circuit.name} is of kind {circuit.kind!r}. Leave it out.")
