"""Connectivity: rules that draw the synapses between two populations, one function each, and the blocks of synapses they return.

Synapses are drawn in NumPy from one seed for each projection and pair of populations, and sorted by source neuron. The network is therefore
the same on every code target, and the synapses of a spiking neuron are contiguous. Weights and delays are rounded to single precision, for
same reason and to halve the memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Int32
from numpy import ndarray

from cortex_sim.cards import weights
from cortex_sim.errors import CardError, suggestion
from cortex_sim.runtime import shown, stream, too_large

if TYPE_CHECKING:
    from cortex_sim.cards.spiking._model import SpikingModel

SYNAPSE = 24  # bytes while it is drawn: two ends, a weight, a delay and what they are sorted by


@dataclass(frozen=True)
class Block:
    """Synapses from one population to another, indexed by the neurons of their kinds.

    Attributes:
        source: name of the population it starts from.
        target: name of the population it ends at.
        pre: source neuron of each synapse, in ascending order.
        post: target neuron.
        weight: in SI units.
        delay: s; empty if there is none, of length 1 if all are equal.
    """

    source: str
    target: str
    pre: Int32[ndarray, " synapse"]
    post: Int32[ndarray, " synapse"]
    weight: Float32[ndarray, " synapse"]
    delay: Float32[ndarray, " delay"]


@dataclass(frozen=True)
class Pair:
    """Two populations to be connected: simulated neurons, the scale, pairs at full scale, the link of the source, and the random stream."""

    sources: int
    targets: int
    scale: float
    full: int
    each: int | None
    first: int
    rng: np.random.Generator


Drawn = tuple[Int32[ndarray, " synapse"], Int32[ndarray, " synapse"]]


def fixed_indegree(pair: Pair, *, indegree: float) -> Drawn:
    """Draw the same number of synapses for every target, from sources with replacement; autapses and multapses are allowed.

    Independent, uniform sources for every slot of every target are equivalent to multinomial numbers of synapses per source with all slots
    in random order, which is sorted as drawn.
    """
    each = round(indegree * pair.scale)
    _check_fits(each * pair.targets)
    slots = np.repeat(np.arange(pair.targets, dtype=np.int32), each)
    return _sources(pair, slots.size), pair.rng.permutation(slots)


def fixed_total(pair: Pair, *, probability: float) -> Drawn:
    """Draw the number of synapses that leaves a pair unconnected with probability 1 - p; both ends are uniform, multapses allowed.

    With N pairs, K = ln(1 - p)/ln(1 - 1/N) at full scale (Potjans & Diesmann 2014); K scales with the square of the scale.
    """
    if probability == 0:
        return _nothing()
    count = round(np.log1p(-probability) / np.log1p(-1.0 / pair.full) * pair.scale**2)
    _check_fits(count)
    return _sources(pair, count), pair.rng.integers(0, pair.targets, count, dtype=np.int32)


def bernoulli(pair: Pair, *, probability: float) -> Drawn:
    """Connect every pair independently with one probability; the gaps between connected pairs are geometrically distributed."""
    pairs = pair.sources * pair.targets
    if probability == 0:
        return _nothing()
    expected = int(pairs * probability + 6 * np.sqrt(pairs * probability) + 16)
    _check_fits(expected)
    place = np.cumsum(pair.rng.geometric(probability, expected)) - 1
    while place[-1] < pairs:
        place = np.append(place, place[-1] + np.cumsum(pair.rng.geometric(probability, 1024)))
    place = place[: np.searchsorted(place, pairs)]
    return (place // pair.targets).astype(np.int32), (place % pair.targets).astype(np.int32)


def all_to_all(pair: Pair) -> Drawn:
    """Connect every source to every target."""
    _check_fits(pair.sources * pair.targets)
    pre = np.repeat(np.arange(pair.sources, dtype=np.int32), pair.targets)
    return pre, np.tile(np.arange(pair.targets, dtype=np.int32), pair.sources)


def to_linked(pair: Pair) -> Drawn:
    """Connect every neuron to the unit that it reads."""
    pre = np.arange(pair.sources, dtype=np.int32)
    return pre, (pair.first + pre // (pair.each or pair.sources)).astype(np.int32)


RULES: dict[str, Callable[..., Drawn]] = {
    rule.__name__: rule for rule in (fixed_indegree, fixed_total, bernoulli, all_to_all, to_linked)
}  # fmt: skip
ARGUMENTS: dict[str, str | None] = {
    "fixed_indegree": "indegree", "fixed_total": "probability", "bernoulli": "probability", "all_to_all": None, "to_linked": None,
}  # fmt: skip


def check_rule(rule: str, arguments: set[str], place: str) -> None:
    """Check that a rule exists and takes these arguments; rules for weight matrices are allowed too.

    Raises:
        CardError: the unknown rule or argument, with a suggestion.
    """
    if rule not in RULES:
        if rule not in weights.rules():
            raise CardError(f"[{place}] rule {shown(rule)} is unknown. {suggestion(rule, {*RULES, *weights.rules()})}")
        try:
            weights.check(rule, arguments)
        except CardError as problem:
            raise CardError(f"[{place}] {problem}") from None
        return
    takes = {ARGUMENTS[rule]} - {None}
    for name in sorted(arguments ^ takes):  # type: ignore[type-var]
        state = "is missing" if name in takes else "is no argument of it"
        raise CardError(f"[{place}] rule {rule!r}: arguments.{name} {state}; it takes {', '.join(map(str, takes)) or 'none'}.")


def blocks(model: "SpikingModel", name: str) -> Iterator[Block]:
    """Yield the synapses of a projection, one block for each pair of populations.

    Args:
        model: the circuit; its ``scale`` and ``seed`` determine the draw.
        name: the projection.
    """
    projection, number = model.projections[name], list(model.projections).index(name)
    shape = (len(projection.targets), len(projection.sources))
    weight = projection.weight.spread(shape, "weight") / np.sqrt(model.scale)
    delay = None if projection.delay is None else projection.delay.spread(shape, "delay")
    for row, target in enumerate(projection.targets):
        for column, source in enumerate(projection.sources):
            place = (number, row, column)
            arguments = {key: float(table.spread(shape, key)[row, column]) for key, table in projection.arguments.items()}
            pre, post, entry = _drawn(model, projection.rule, (source, target), arguments, place)
            rng = stream(model.seed, "circuit", "weights and delays of synapses", *place)
            w = _spread(weight[row, column] * entry, projection.weight.sd, len(pre), rng)
            sd = projection.delay.sd if projection.delay else 0.0
            d = np.empty(0, np.float32) if delay is None else _delays(delay[row, column], sd, len(pre), model.dt.si, rng)
            yield Block(source, target, pre + np.int32(offset(model, source)), post + np.int32(offset(model, target)), w, d)


def indegree(model: "SpikingModel", rule: str, ends: tuple[str, str], arguments: Mapping[str, float]) -> float:
    """Return the mean number of synapses that a neuron of the second population receives from the first, at full scale."""
    source, target = (model.populations[end].size for end in ends)
    match rule:
        case "fixed_indegree":
            return arguments["indegree"]
        case "fixed_total":
            p = arguments["probability"]
            return float(np.log1p(-p) / np.log1p(-1.0 / (source * target)) / target)
        case "bernoulli":
            return arguments["probability"] * source
        case "all_to_all":
            return source
    raise CardError(f"{model.name}: rule {rule!r} has no in-degree that scaling could use; choose another, or leave [scaling] out.")


def coupling(model: "SpikingModel", kind: str) -> Float[ndarray, "post pre"]:
    """Return the weights among the units of one kind of neuron, in the unit of their synapses.

    Args:
        model: the circuit.
        kind: of neuron; indices run over its populations, in their order.
    """
    size = sum(model.size(name) for name in model.members(kind))
    weights = np.zeros((size, size))
    for name, part in model.projections.items():
        if {model.populations[end].neurons for end in (*part.sources, *part.targets)} == {kind}:
            for block in blocks(model, name):
                np.add.at(weights, (block.post, block.pre), block.weight)
    return weights


def _drawn(
    model: "SpikingModel", rule: str, ends: tuple[str, str], arguments: dict[str, float], place: tuple[int, int, int]
) -> tuple[ndarray, ndarray, Any]:
    """Return the synapses of one pair of populations, and the matrix entry of each if the rule makes a matrix, else 1."""
    source, target = (model.populations[end] for end in ends)
    sizes = (model.size(ends[0]), model.size(ends[1]))
    if rule in RULES:
        rng = stream(model.seed, "circuit", "synapses", *place)
        pair = Pair(*sizes, model.scale, source.size * target.size, source.each, source.first, rng)
        return *RULES[rule](pair, **arguments), 1.0
    matrices = [part.rule for part in model.projections.values() if part.rule not in RULES]
    W = weights.weights(rule, sizes[::-1], arguments, (model.seed, "circuit", matrices.index(rule)))  # as the rate card draws it
    pre, post = (axis.astype(np.int32) for axis in np.nonzero(W.T))
    return pre, post, W[post, pre]


def _check_fits(synapses: int) -> None:
    if problem := too_large(SYNAPSE * synapses, f"{synapses} synapses between two populations"):
        raise CardError(f"{problem}.")


def _sources(pair: Pair, count: int) -> Int32[ndarray, " synapse"]:
    numbers = pair.rng.multinomial(count, np.full(pair.sources, 1.0 / pair.sources))
    return np.repeat(np.arange(pair.sources, dtype=np.int32), numbers)


def _nothing() -> Drawn:
    return np.empty(0, np.int32), np.empty(0, np.int32)


def _spread(value: Any, sd: float, count: int, rng: np.random.Generator) -> Float32[ndarray, " synapse"]:
    """Return weights: the value, or draws around it; draws that would change sign are 0."""
    if not sd:
        return np.broadcast_to(value, count).astype(np.float32)
    drawn = value * np.maximum(1 + sd * rng.standard_normal(count, dtype=np.float32), 0)
    return drawn.astype(np.float32)


def _delays(value: float, sd: float, count: int, dt: float, rng: np.random.Generator) -> Float32[ndarray, " synapse"]:
    """Return delays in whole steps: the value, or draws around it, at least one step; a single number if all are equal."""
    if not sd:
        return np.full(min(count, 1), round(value / dt) * dt, np.float32)
    steps = np.maximum(np.rint(value / dt * (1 + sd * rng.standard_normal(count, dtype=np.float32))), 1)
    return (steps * dt).astype(np.float32)


def same_delay(model: "SpikingModel", projections: Sequence[str]) -> bool:
    """Return whether all synapses of these projections have one delay, or none, so that a single number suffices."""
    tables = [model.projections[name].delay for name in projections]
    single = all(table is None or (isinstance(table.value, float) and not table.sd) for table in tables)
    return single and len({None if table is None else table.si for table in tables}) == 1


def delays(block: Block, same: bool) -> Float32[ndarray, " synapse"]:
    """Return the delays of a block, s: a single number if all of the wire are equal, else one per synapse; 0 if there is none."""
    number = block.delay[:1] if block.delay.size else np.zeros(1, np.float32)
    if same:
        return number
    return block.delay if block.delay.size == block.pre.size else np.full(block.pre.size, number[0])


def offset(model: "SpikingModel", population: str) -> int:
    """Return the index of a population's first neuron among those of its kind."""
    before = model.members(model.populations[population].neurons)
    return sum(model.size(name) for name in before[: before.index(population)])
