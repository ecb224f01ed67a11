"""Version and sizes of the benchmark; what is changed here makes another version."""

from dataclasses import astuple, dataclass, replace
from itertools import count, filterfalse

from cortex_sim.runtime import content_key
from cortex_sim.studies.benchmark._circuits import KINDS, LAYERED, Place, Set

VERSION = "mechanism-1.0"
UNSOUND: dict[tuple[str, Set], tuple[int, ...]] = {(LAYERED, "development"): (18,)}
"""Draws of circuits whose single trials no noise is too weak to take from their average, so that they have no family (``noisy`` refuses them)."""
HELD_DRAWS = 3  # circuits of each class and set whose numbers are held


@dataclass(frozen=True)
class Sizes:
    """How much is simulated, trained and compared.

    Attributes:
        units: of all but layered circuits.
        conditions: reaches of a family.
        trials: single trials of each condition.
        repeats: independent pairs of observations at every place of a family.
        draws: circuits of each class.
        less: of these, how many are observed by few units and by spikes too.
        training: reaches that students are taught.
        tested: reaches that they are compared on.
        pushed: draws of each kind of push.
        epochs: of training, at most.
    """

    units: int
    conditions: int
    trials: int
    repeats: int
    draws: int
    less: int
    training: int
    tested: int
    pushed: int
    epochs: int

    @property
    def key(self) -> str:
        """Return a hash of the version and of all sizes that a circuit's results depend on, however many circuits there are."""
        return content_key(VERSION, list(astuple(replace(self, draws=0, less=0))))

    def places(self, of: Set) -> list[Place]:
        """Return the places of all circuits, one draw of every class after the other; a draw that cannot serve gives its place to the next."""
        draws = {kind: filterfalse(UNSOUND.get((kind, of), ()).__contains__, count()) for kind in KINDS}
        return [Place(kind, next(draws[kind]), of) for _ in range(self.draws) for kind in KINDS]


FULL = Sizes(units=60, conditions=8, trials=6, repeats=3, draws=20, less=5, training=48, tested=10, pushed=6, epochs=24)
SMOKE = Sizes(units=40, conditions=4, trials=2, repeats=2, draws=1, less=1, training=12, tested=4, pushed=2, epochs=1)
