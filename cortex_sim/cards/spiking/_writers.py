"""Conflicting assignments in a spiking circuit: two statements that write the same variable of neurons, one of which undoes the other, are refused.

In a step, Brian2 runs ``each_step``, sums continuous coupling, updates the states, detects spikes, runs ``on_pre`` and ``on_post``, and resets.
Increments (``+=``, or anything computed from the variable itself) therefore add up in that order, on every code target. A statement that sets a
variable regardless of its value erases earlier writes, and between two such statements of different synapses the order would be arbitrary.
"""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from cortex_sim.cards._grammar import read_statements
from cortex_sim.cards._trees import names_in
from cortex_sim.cards.spiking._text import declared, summed
from cortex_sim.errors import CardError

if TYPE_CHECKING:
    from cortex_sim.cards.spiking._model import Neurons, SpikingModel


class Write(NamedTuple):
    """A statement that writes a variable.

    Attributes:
        name: of the variable, as in the text.
        sets: whether the new value is independent of the old one.
        constant: whether the value is a literal number.
        reads: names that it uses.
        text: the statement.
    """

    name: str
    sets: bool
    constant: bool
    reads: frozenset[str]
    text: str


def check_writers(model: "SpikingModel") -> None:
    """Check that no variable is written at two places of which one undoes the other.

    Raises:
        CardError: the variable, both places, and what would be right.
    """
    for kind, part in model.neurons.items():
        _check_block(f"neurons.{kind}.each_step", part.each_step)
        arriving, sums = list(_arriving(model, kind)), list(_sums(model, kind))
        for number, (name, place) in enumerate(sums):
            if other := next((there for that, there in sums[:number] if that == name), None):
                cure = "give each a variable of its own and add them up in the equations"
                raise CardError(f"[{other}] and [{place}] both sum into {name!r} of the neurons {kind!r}; {cure}.")
        steps = [(write._replace(sets=name_set), f"neurons.{kind}.each_step") for write, name_set in _begun(part)]
        for name, place in sums:
            if found := next((there for write, there in (*steps, *arriving) if write.name == name), None):
                cure = f"give what [{found}] writes a variable of its own"
                raise CardError(f"[{place}] sums into {name!r} of the neurons {kind!r} at every step, which erases what [{found}] writes; {cure}.")
        for write, place in steps:
            lost = [there for other, there in arriving if other.name == write.name]
            if write.sets and lost and write.name not in {name for said in _writes(part.reset or "") for name in said.reads}:
                cure = f"write '{write.name} += …' there, or use it before it is set"
                raise CardError(f"[{place}] sets {write.name!r} at every step ({write.text!r}), which erases what [{lost[0]}] writes; {cure}.")
        _check_arriving(kind, arriving)


def _check_arriving(kind: str, arriving: list[tuple[Write, str]]) -> None:
    """Check that no statement run by spikes sets what another writes, unless both set the same number."""
    for number, (write, place) in enumerate(arriving):
        for other, there in arriving[:number]:
            alike = write.constant and other.constant and write.text.split("=")[1].strip() == other.text.split("=")[1].strip()
            if write.name == other.name and place != there and (write.sets or other.sets) and not alike:
                sets, set_at = (write, place) if write.sets else (other, there)
                found = f"[{there}] and [{place}] both write {write.name!r} of the neurons {kind!r}, and {sets.text!r} in [{set_at}] erases the other"
                raise CardError(f"{found}; write '{write.name}_post += …', or give each a variable of its own.")


def _check_block(place: str, text: str) -> None:
    """Check that no line sets what an earlier line wrote before it was used, which would leave the earlier line without effect."""
    waiting: dict[str, str] = {}
    for write in _writes(text):
        for name in write.reads:
            waiting.pop(name, None)
        if write.sets and write.name in waiting:
            raise CardError(f"[{place}] {write.text!r} erases {waiting[write.name]!r}, which nothing has used; leave one out, or add them up.")
        waiting[write.name] = write.text


def _begun(part: "Neurons") -> Iterator[tuple[Write, bool]]:
    """Yield the writes of ``each_step``, and whether each sets a variable before anything has used it."""
    used: set[str] = set()
    for write in _writes(part.each_step):
        used |= write.reads
        yield write, write.sets and write.name not in used
        used.add(write.name)


def _arriving(model: "SpikingModel", kind: str) -> Iterator[tuple[Write, str]]:
    """Yield the writes of spikes into neurons of a kind, once for each type of synapse and pair of connected kinds."""
    met: set[tuple[str, str, str]] = set()
    for projection in model.projections.values():
        synapse = model.synapses[projection.synapse]
        ends = model.populations[projection.sources[0]].neurons, model.populations[projection.targets[0]].neurons
        own = declared(synapse.equations, projection.synapse)[0] | {"w"}
        if (projection.synapse, *ends) in met:
            continue
        met.add((projection.synapse, *ends))
        for key in ("on_pre", "on_post"):
            for write in _writes(getattr(synapse, key) or ""):
                if write.name not in own and ends[not write.name.endswith("_pre")] == kind:
                    yield write._replace(name=_bare(write.name)), f"synapses.{projection.synapse}.{key}"


def _sums(model: "SpikingModel", kind: str) -> Iterator[tuple[str, str]]:
    """Yield the variables of a kind that continuous coupling sums into, and the first projection of each set of synapses that does so."""
    met: set[tuple[str, str]] = set()
    for label, projection in model.projections.items():
        pre, post = (model.populations[side[0]].neurons for side in (projection.sources, projection.targets))
        if (projection.synapse, pre) not in met and post == kind:
            yield from ((_bare(name), f"projections.{label}") for name in summed(model.synapses[projection.synapse].equations))
            met.add((projection.synapse, pre))


def _bare(name: str) -> str:
    return name.removesuffix("_post").removesuffix("_pre")


def _writes(text: str) -> Iterator[Write]:
    """Yield the statements of a checked text, in their order."""
    for statement in read_statements(text, "statements"):
        reads = names_in(statement.right)
        sets = statement.sign == "=" and statement.name not in reads
        yield Write(statement.name, sets, isinstance(statement.right, ast.Constant), reads, statement.written)
