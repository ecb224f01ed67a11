"""Circuits of seven classes drawn at random, each with the connections of another mechanism: the two ends of a family."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, balanced_pairs, chain, load, ring, turning_plane
from cortex_sim.cards.edit import with_step, with_values
from cortex_sim.errors import Undetermined
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import driven_inputs, driven_states, recurrent_projections

OPTIMISED, LAYERED = "stability-optimised", "layered"
PLAIN = ("low rank", "balanced amplification", "feed-forward chain", "ring attractor", "chaotic")
KINDS: tuple[str, ...] = (OPTIMISED, LAYERED, *PLAIN)
CARDS = {OPTIMISED: "hennequin_2014", LAYERED: "dura_bernal_2023"}
OTHERS = "sompolinsky_1988"  # carries the plain classes
RECURRENT = {OPTIMISED: "W", LAYERED: "area"}  # projection that differs along a family; of the plain classes J
UNITS, STEP, TAU = 60, 2.0, 100.0  # of all but the layered circuits, which have 15; ms; ms, of all but the optimised circuits, which have 200
BALANCED = (4 + 2 / 7, 1.1)  # weight and ratio of balanced pairs
MIXED_IN = {"low rank": 0.3, "balanced amplification": 0.5, "feed-forward chain": 0.3, "ring attractor": 0.3}  # gain of the random part
CONVERGENCE, REWIRED = 0.2, 0.5  # s.d. of the logarithm of a layered circuit's connections: between draws, and from it to the other mechanism
ATTEMPTS = 5  # seeds of a stability-optimised circuit that are tried
SETTLING = 3000  # steps after which a layered circuit is at rest
CHOSEN = "drawn for the benchmark of mechanism"

Set = Literal["development", "test"]


@dataclass(frozen=True)
class Place:
    """Where a circuit stands in the benchmark.

    Attributes:
        kind: its class, one of :data:`KINDS`.
        draw: number of the draw within its class.
        of: the set of seeds that it belongs to.
        root: seed from which its own is derived; that of the benchmark is 0.
    """

    kind: str
    draw: int
    of: Set = "development"
    root: int = 0

    @property
    def seed(self) -> int:
        """Return the seed of everything that is drawn for this circuit; no two places share one."""
        return seed_of(self.root, "circuit", "circuits of the benchmark", self.of, self.kind, self.draw)

    def __str__(self) -> str:
        return f"{self.kind} {self.draw}"


@dataclass(frozen=True)
class Drawn:
    """A circuit, and the connections at the other end of its family.

    Attributes:
        place: where it stands.
        model: the circuit.
        recurrent: name of the projection that differs along the family.
        other: that projection at the other end, in the SI unit of the circuit's.
    """

    place: Place
    model: Model
    recurrent: str
    other: Float[ndarray, "unit unit"]

    @property
    def excitatory(self) -> Float[ndarray, " unit"] | None:
        """Return 1 for excitatory and 0 for inhibitory units by the sign of what they send; None if units are of no type."""
        sent = self.model.arrays()[self.recurrent].sum(axis=0)
        return (sent > 0).astype(float) if self.place.kind in (OPTIMISED, LAYERED, "balanced amplification") else None


def drawn(place: Place, units: int = UNITS) -> Drawn:
    """Return the circuit of a place and the connections of another mechanism.

    A plain circuit's other mechanism is that of the next plain class; that of the stability-optimised circuit is balanced pairs with a random part,
    and that of the layered one has connections whose strengths are drawn anew.

    Args:
        place: class and draw.
        units: number of units; a layered circuit has 15.
    """
    rng = stream(place.seed, "circuit", "wiring of the benchmark")
    if place.kind == OPTIMISED:
        model = redrawn(_model(load(CARDS[OPTIMISED])), place, units)
        other = balanced_pairs(units, *BALANCED) + 0.5 * _random(rng, units)
    elif place.kind == LAYERED:
        model = _layered(rng)
        A = model.arrays()[RECURRENT[LAYERED]]
        other = A * np.exp(REWIRED * rng.standard_normal(A.shape))
    else:
        following = PLAIN[(PLAIN.index(place.kind) + 1) % len(PLAIN)]
        slow = with_step(with_values(_model(load(OTHERS)).with_arrays({}, units=units), {"tau": TAU}, source=CHOSEN), STEP)
        model, other = slow.with_arrays({"J": _connections(place.kind, rng, units)}), _connections(following, rng, units)
    return Drawn(place, model.with_arrays({}, name=str(place)), RECURRENT.get(place.kind, "J"), other)


def _model(card: object) -> Model:
    assert isinstance(card, Model)
    return card


def _random(rng: np.random.Generator, units: int) -> Float[ndarray, "unit unit"]:
    return rng.standard_normal((units, units)) / np.sqrt(units)


def _connections(kind: str, rng: np.random.Generator, units: int) -> Float[ndarray, "unit unit"]:
    """Return connections of a plain class, its strengths drawn from a range about those of the protocol ``mechanism``."""
    noise, factor = MIXED_IN.get(kind, 0.0) * _random(rng, units), rng.uniform(0.85, 1.15)
    match kind:
        case "low rank":
            return turning_plane(units, rng, 1.2 * factor, rng.uniform(0.7, 1.3)) + noise
        case "balanced amplification":
            return balanced_pairs(units, BALANCED[0] * factor, BALANCED[1]) + noise
        case "feed-forward chain":
            return chain(units, factor) + noise
        case "ring attractor":
            return ring(units, 1.5 * factor) + noise
        case _:
            return 1.5 * factor * _random(rng, units)


def redrawn(card: Model, place: Place, units: int) -> Model:
    """Return a circuit of so many units with the card's equations, whose random connections are those of the first seed that gives any.

    Args:
        card: with connections that its rules draw.
        place: class and draw.
        units: number of units.

    Raises:
        Undetermined: none of several seeds does, as where a stability-optimised circuit cannot be stabilised.
    """
    card = card.made_anew(*recurrent_projections(card))  # weights that were given would be those of every draw
    for attempt in range(ATTEMPTS):
        seed = seed_of(place.seed, "circuit", "optimised circuit of the benchmark", attempt) % 2**31
        model = with_step(card.with_arrays({}, units=units, seed=seed), STEP)
        try:
            arrays = model.arrays()
        except Undetermined:
            continue
        return model.with_arrays({name: arrays[name] for name in recurrent_projections(model)})
    raise Undetermined(f"{place}: none of {ATTEMPTS} random circuits of {units} units could be stabilised; take more units.")


def _layered(rng: np.random.Generator) -> Model:
    """Return the layered circuit with numbers of connections drawn anew, at the time constant of this benchmark."""
    card = _model(load(CARDS[LAYERED]))
    tau = {"value": TAU, "unit": "ms", "meaning": "time constant of the rates", "source": CHOSEN}
    parameters = {name: part.model_dump() for name, part in card.parameters.items()} | {"tau": tau}
    slow = card.with_arrays({}, parameters=parameters, equations=card.equations.replace("r_inf)/tau_m", "r_inf)/tau"))
    arrays = slow.arrays()
    factor = np.exp(CONVERGENCE * rng.standard_normal(arrays["area"].shape))
    drawn = with_step(slow.with_arrays({name: arrays[name] * factor for name in ("area", "power")}), STEP)
    (entry,), rest = driven_inputs(drawn), card.initial_values["r"].spread(card.units)
    settled = driven_states(drawn, drawn.arrays(), rest[None], np.zeros((1, SETTLING, card.units)), entry)[0, -1]
    own = card.initial_values["r"].model_dump() | {"value": settled.tolist(), "source": CHOSEN}
    return drawn.with_arrays({}, initial_values={"r": own})
