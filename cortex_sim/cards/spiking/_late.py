"""Delays of continuous coupling: what the equations of synapses read from their source, they read as it was a delay ago."""

from typing import TYPE_CHECKING

from cortex_sim.cards._grammar import KINDS
from cortex_sim.cards.spiking._text import declared, equation_lines
from cortex_sim.errors import CardError

if TYPE_CHECKING:
    from cortex_sim.cards.spiking._model import SpikingModel

UNDELAYED = ("not_refractory", "lastspike")


def read_late(model: "SpikingModel", projection: str) -> list[str]:
    """Return the changing variables of the source that the equations of a projection's synapses read; constants are the same at any time."""
    part = model.projections[projection]
    kind = model.neurons[model.populations[part.sources[0]].neurons]
    changing = {*declared(kind.equations, "neurons")[0], *kind.linked, *UNDELAYED}
    used = declared(model.synapses[part.synapse].equations, "synapses")[1]
    return sorted(name.removesuffix("_pre") for name in used if name.endswith("_pre") and name.removesuffix("_pre") in changing)


def lag(model: "SpikingModel", projection: str) -> int:
    """Return the delay of continuous coupling, in steps; 0 if there is none, or if the synapses' equations read nothing that changes."""
    delay = model.projections[projection].delay
    return round(delay.si / model.dt.si) if delay is not None and read_late(model, projection) else 0


def check_late(model: "SpikingModel") -> None:
    """Check that continuous coupling has one delay.

    Raises:
        CardError: its delays differ between synapses, or they are those of something that is no number.
    """
    first: dict[tuple[str, str, str], str] = {}
    for label, part in model.projections.items():
        if not (names := read_late(model, label)):
            continue
        ends = part.synapse, model.populations[part.sources[0]].neurons, model.populations[part.targets[0]].neurons
        other = first.setdefault(ends, label)
        if part.delay is not None:
            _check_single(model, label, names)
        if lag(model, other) != lag(model, label):
            cure = "write a synapse for each delay, which sums into a variable of its own"
            raise CardError(f"[projections.{other}] and [projections.{label}] share continuous synapses but not their delay; {cure}.")


def _check_single(model: "SpikingModel", label: str, names: list[str]) -> None:
    part = model.projections[label]
    assert part.delay is not None
    if not isinstance(part.delay.value, float) or part.delay.sd:
        found = f"the equations of its synapses read {names[0]}_pre as it was a delay ago, so all of them share one delay"
        raise CardError(f"[projections.{label}.delay] {found}; write one number, without sd, and a synapse for each delay.")
    kind = model.populations[part.sources[0]].neurons
    others = {line.name for line in equation_lines(model.neurons[kind].equations, kind) if line.unit in KINDS} | set(UNDELAYED)
    if wrong := [name for name in names if name in others]:
        found = f"its synapses read {wrong[0]}_pre, which is no quantity that could arrive late"
        raise CardError(f"[projections.{label}.delay] {found}; let the neurons keep it as a number in a variable of their own.")
