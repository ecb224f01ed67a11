"""SpikingModel: a spiking circuit as data, and the card it is read from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy import ndarray
from pydantic import BeforeValidator, Field, model_validator

from cortex_sim.cards._checked import Checked, Place, as_step
from cortex_sim.cards._equations import GIVEN, MATHEMATICS
from cortex_sim.cards._fields import content
from cortex_sim.cards._grammar import KINDS, check_name, read_statements
from cortex_sim.cards._shown import shown
from cortex_sim.cards._trees import zero_divisor
from cortex_sim.cards._units import SCALES, check_step, check_unit
from cortex_sim.cards.spiking._fields import Input, Neurons, Population, Projection, Scaling, Synapse
from cortex_sim.cards.spiking._late import check_late
from cortex_sim.cards.spiking._latex_spikes import spike_tables
from cortex_sim.cards.spiking._names import CONSTANTS, GROUP, SYNAPTIC, check_own
from cortex_sim.cards.spiking._tables import Table
from cortex_sim.cards.spiking._text import condition_names, declared, equation_lines, statement_names
from cortex_sim.cards.spiking._wiring import check_rule
from cortex_sim.cards.spiking._writers import check_writers
from cortex_sim.errors import CardError, suggestion
from cortex_sim.runtime import content_key, read_toml, too_large, write_text

RUNAWAY = 500.0  # Hz over a population in a window of 20 ms beyond which a run is stopped, unless the card says otherwise
NEURON = 200  # bytes of one, at least: its states, parameters and place among the others
MOST = {"probability": 1.0, "indegree": np.inf}  # arguments of rules that are 0 or more


class SpikingModel(Checked):
    """A spiking circuit as data.

    Attributes:
        scale: fraction of the neurons and of the in-degrees that is simulated.
        limit: population rate above which a run is stopped.
        seed: for connectivity and everything else that is drawn once.
    """

    name: str = "unnamed"
    kind: Literal["spiking"] = "spiking"
    title: str
    paper: str
    notes: str = ""
    seed: Place = 0
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    dt: Annotated[Table, BeforeValidator(as_step)]
    limit: Table = Table(value=RUNAWAY, unit="Hz", meaning="population rate beyond which a run is stopped", source="chosen")
    neurons: dict[str, Neurons]
    populations: dict[str, Population]
    inputs: dict[str, Input] = {}
    synapses: dict[str, Synapse] = {}
    projections: dict[str, Projection] = {}
    scaling: Scaling | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        for table in ("neurons", "populations", "inputs", "synapses", "projections"):
            for name in getattr(self, table):
                check_name(name, f"[{table}] has", label=table not in ("neurons", "inputs"))
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _inside("dt", self.dt.unit, "second")
        check_step(self.dt.value, self.dt.si)
        if self.scale != 1 and self.scaling is None:
            raise CardError("[scale] is below 1, but the card has no [scaling] that says what makes up for the missing input.")
        if self.scaling:
            self._check_scaling(self.scaling)
        for label, population in self.populations.items():
            _known(f"populations.{label}", "neurons", population.neurons, self.neurons)
        for label, kind in self.neurons.items():
            self._check_neurons(label, kind)
        for label, population in self.populations.items():
            for name in population.parameters:
                _known(f"populations.{label}", "parameter", name, self.neurons[population.neurons].parameters)
        for name in self.inputs:
            check_own(f"inputs.{name}", name)
        for label, synapse in self.synapses.items():
            for name in declared(synapse.equations, f"synapses.{label}")[0]:
                check_own(f"synapses.{label}", name.removesuffix("_post").removesuffix("_pre"))
        for label, projection in self.projections.items():
            self._check_projection(f"projections.{label}", projection)
        check_writers(self)
        check_late(self)
        for label, unit, like in self._units():
            _inside(label, unit, like)
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if problem := too_large(NEURON * sum(part.size * self.scale for part in self.populations.values()), "populations of these sizes"):
            raise CardError(f"[populations] {problem}.")
        for name, part in self.populations.items():
            kind = self.neurons[part.neurons]
            same = {key: number.si for key, number in (kind.parameters | part.parameters).items() if number.shape == "same"}
            trees = [*(line.right for line in equation_lines(kind.equations, name)), *(s.right for s in read_statements(kind.each_step, name))]
            if divisor := zero_divisor(trees, {**SCALES, "dt": self.dt.si, **same}):
                raise CardError(f"[neurons.{part.neurons}] divides by {divisor}, which is 0 in population {name!r}.")
        return self

    def _units(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield every unit with its place, and one with the dimensions that it should have, if they follow from what the number stands for."""
        yield "limit", self.limit.unit, "hertz"
        yield from ((f"inputs.{name}", part.unit, None) for name, part in self.inputs.items())
        yield from ((f"synapses.{name}", part.weight, None) for name, part in self.synapses.items())
        for label, kind in self.neurons.items():
            meant = {line.name: line.unit for line in equation_lines(kind.equations, label)}
            yield from ((f"neurons.{label}.parameters.{name}", part.unit, None) for name, part in kind.parameters.items())
            yield from ((f"neurons.{label}.start.{name}", part.unit, meant[name]) for name, part in kind.start.items())
        for label, population in self.populations.items():
            own = self.neurons[population.neurons].parameters
            yield from ((f"populations.{label}.parameters.{name}", part.unit, own[name].unit) for name, part in population.parameters.items())
            yield from ((f"populations.{label}.rate", part.unit, "hertz") for part in [population.rate] if part)
        for label, synapse in self.synapses.items():
            meant = {"w": synapse.weight} | {line.name: line.unit for line in equation_lines(synapse.equations, label)}
            yield from ((f"synapses.{label}.start.{name}", part.unit, meant[name]) for name, part in synapse.start.items())
        for label, projection in self.projections.items():
            yield f"projections.{label}.weight", projection.weight.unit, self.synapses[projection.synapse].weight
            yield from ((f"projections.{label}.delay", part.unit, "second") for part in [projection.delay] if part)
            yield from ((f"projections.{label}.arguments.{name}", part.unit, "1") for name, part in projection.arguments.items())
        if self.scaling:
            yield from self._scaling_units(self.scaling)

    def _scaling_units(self, scaling: Scaling) -> Iterator[tuple[str, str, str]]:
        """Yield the units of what makes up for missing input: ``input`` grows by ``charge`` times sums of weights times rates."""
        for label, kind in self.neurons.items():
            own = {key: kind.parameters[name].unit for key, name in scaling.model_dump().items()}
            meant = {"external_rate": "hertz", "external_count": "1", "input": f"({own['charge']})*({own['external_weight']})*hertz"}
            yield from ((f"neurons.{label}.parameters.{getattr(scaling, key)}", own[key], like) for key, like in meant.items())
            yield from ((f"synapses.{name}.weight", part.weight, own["external_weight"]) for name, part in self.synapses.items())

    def _check_scaling(self, scaling: Scaling) -> None:
        for label, kind in self.neurons.items():
            for key, name in scaling.model_dump().items():
                _known(f"scaling.{key}", f"parameter of the neurons {label!r}", name, kind.parameters)
        for label, population in self.populations.items():
            if population.rate is None:
                raise CardError(f"[populations.{label}] lacks rate, which [scaling] needs: at what rate does it fire at full scale?")

    def _check_neurons(self, label: str, kind: Neurons) -> None:
        place = f"neurons.{label}"
        states, names = declared(kind.equations, place)
        if kind.threshold and not kind.reset:
            raise CardError(f'[{place}] has a threshold but no reset, so a neuron above threshold would fire at every step. Add reset = "v = v_r".')
        if kind.reset and not kind.threshold:
            raise CardError(f'[{place}] has a reset but no threshold, so nothing ever resets. Add threshold = "v > theta".')
        for name, link in kind.linked.items():
            _known(f"{place}.linked.{name}", "neurons", link.neurons, self.neurons)
            _known(f"{place}.linked.{name}", "variable", link.variable, declared(self.neurons[link.neurons].equations, place)[0])
        for name in kind.start:
            _known(f"{place}.start", "variable", name, states)
        given = (*states, *kind.parameters, *kind.linked)
        for number, name in enumerate(given):
            check_own(place, name, GROUP if name in kind.linked else ())
            if name in given[:number]:
                raise CardError(f"[{place}] gives {name!r} twice, in its equations, parameters or linked variables; each name means one thing.")
        states |= {"not_refractory", "lastspike"} if kind.refractory else set()
        known = {*states, *kind.parameters, *kind.linked, *self.inputs, *SCALES, *MATHEMATICS, *GIVEN, *CONSTANTS}
        used = {"equations": names, "reset": statement_names(kind.reset or "", f"{place}.reset")}
        used["each_step"] = statement_names(kind.each_step, f"{place}.each_step", tuple(self.inputs))
        for key, condition in (("threshold", kind.threshold), ("refractory", kind.refractory)):
            used[key] = condition_names(condition, f"{place}.{key}") if condition else frozenset()
        for key, name in ((key, name) for key, found in used.items() for name in sorted(found - known)):
            raise CardError(f"[{place}.{key}] uses {name!r}, which nothing gives. {suggestion(name, known - SCALES.keys())}")

    def _check_projection(self, place: str, projection: Projection) -> None:
        _known(place, "synapse", projection.synapse, self.synapses)
        for key in ("sources", "targets"):
            for name in getattr(projection, key):
                _known(f"{place}.{key}", "population", name, self.populations)
            if len({self.populations[name].neurons for name in getattr(projection, key)}) != 1:
                raise CardError(f"[{place}.{key}] should be populations of one kind of neurons; write one projection for each kind.")
        shape = (len(projection.targets), len(projection.sources))
        check_rule(projection.rule, set(projection.arguments), place)
        tables = {"weight": projection.weight, "delay": projection.delay} | {f"arguments.{n}": t for n, t in projection.arguments.items()}
        for name, table in tables.items():
            if table is not None:
                values = table.spread(shape, f"{place}.{name}")
                if (most := MOST.get(name.removeprefix("arguments."))) and not ((values >= 0) & (values <= most)).all():
                    raise CardError(f"[{place}.{name}] holds {values.min():g} to {values.max():g}; it should lie between 0 and {most:g}.")
        if projection.delay is not None and projection.delay.spread(shape, f"{place}.delay").min() < self.dt.si * (1 - 1e-9):
            found = f"{projection.delay.value!r} {projection.delay.unit}"
            raise CardError(f"[{place}.delay] {found} lies below one step ({self.dt.value:g} {self.dt.unit}); lengthen the delay or shorten dt.")
        self._check_synapse(projection)

    def _check_synapse(self, projection: Projection) -> None:
        place, synapse = f"synapses.{projection.synapse}", self.synapses[projection.synapse]
        pre, post = (self.neurons[self.populations[side[0]].neurons] for side in (projection.sources, projection.targets))
        if synapse.on_pre is None and "summed" not in synapse.equations:
            raise CardError(f"[{place}] does nothing: give on_pre, what an arriving spike does, or equations with a (summed) variable.")
        defined, used = declared(synapse.equations, place)
        own = defined | {"w"}
        self._check_known(f"{place}.equations", used - own, (pre, post))
        for name in synapse.start:
            _known(f"{place}.start", "variable", name, own)
        for key, statements, kind in (("on_pre", synapse.on_pre, pre), ("on_post", synapse.on_post, post)):
            if statements is not None and kind.threshold is None:
                silent = (projection.sources if key == "on_pre" else projection.targets)[0]
                raise CardError(f"[{place}] {key} waits for spikes of {silent!r}, which has no threshold.")
            self._check_known(f"{place}.{key}", statement_names(statements or "", f"{place}.{key}") - own, (pre, post))

    def _check_known(self, place: str, names: frozenset[str], ends: tuple[Neurons, Neurons]) -> None:
        """Check that the text of a synapse names only its own states and those of the neurons it connects."""
        for name in sorted(names):
            kind, bare = ends[not name.endswith("_pre")], SYNAPTIC.match(name)
            states = {*declared(kind.equations, place)[0], *kind.parameters, *kind.linked, "not_refractory", "lastspike"}
            known = states if bare else {*states, *SCALES, *MATHEMATICS, *GIVEN, *CONSTANTS}
            if (bare["name"] if bare else name) not in known:
                raise CardError(f"[{place}] uses {name!r}, which the neurons lack. {suggestion(name, states)}")

    def size(self, population: str) -> int:
        """Return the number of simulated neurons of a population."""
        found = self.populations[population]
        return max(1, round(found.size * self.scale)) if self.neurons[found.neurons].threshold else found.size

    def members(self, kind: str) -> list[str]:
        """Return the populations of a kind of neuron, in the order of the card."""
        return [name for name, population in self.populations.items() if population.neurons == kind]

    @property
    def firing(self) -> list[str]:
        """Return the populations that fire, in the order of the units."""
        return [name for kind, part in self.neurons.items() if part.threshold for name in self.members(kind)]

    @property
    def units(self) -> int:
        """Return the number of simulated neurons that fire."""
        return sum(self.size(name) for name in self.firing)

    @property
    def population(self) -> ndarray:
        """Return the name of each unit's population."""
        return np.repeat(self.firing, [self.size(name) for name in self.firing])

    def changed(self, **changes: Any) -> "SpikingModel":
        """Return a copy of this model with fields changed, checked again.

        Raises:
            CardError: what is wrong with the change.
        """
        try:
            return SpikingModel.model_validate(self.model_dump() | changes)
        except CardError as problem:
            raise CardError(f"{self.name}: {problem}") from None

    @property
    def key(self) -> str:
        """Return a hash of everything that affects the model's behaviour."""
        return content_key("spiking model", content(self))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.size(name)} {name}" for name in self.populations)
        return f"<SpikingModel {self.name}: {self.title}; {sizes}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        sizes = {"neurons": ", ".join(f"{self.size(name)} {name}" for name in self.populations), "scale": f"{self.scale:g}"}
        sizes["projections"] = str(len(self.projections))
        numbers = {f"{kind}.{name}": number for kind, part in self.neurons.items() for name, number in part.parameters.items()}
        return shown(self, sizes, {kind: part.equations for kind, part in self.neurons.items()}, numbers)

    latex = spike_tables

    def save(self, path: str | Path) -> None:
        """Write the card.

        Raises:
            FileProblem: the folder cannot be written.
        """
        import tomli_w

        card = self.model_dump(exclude_defaults=True, exclude={"name"}, exclude_none=True) | {"kind": self.kind}
        write_text(Path(path), tomli_w.dumps(card, multiline_strings=True))


def read_spiking(path: str | Path) -> SpikingModel:
    """Return a spiking card, read and checked without importing a simulator.

    Raises:
        FileProblem: the file cannot be read.
        CardError: what is wrong, where, and what would be right.
    """
    path = Path(path)
    card = read_toml(path, CardError)
    try:
        return SpikingModel.model_validate(card | {"name": path.stem})
    except CardError as problem:
        raise CardError(f"{path}: {problem}") from None


def _known(place: str, what: str, name: str, known: Any) -> None:
    if name not in known:
        raise CardError(f"[{place}] names the {what} {name!r}, which is absent. {suggestion(name, known)}")


def _inside(label: str, unit: str, like: str | None) -> None:
    try:
        check_unit(unit, like if like not in KINDS else "1")
    except CardError as problem:
        raise CardError(f"[{label}] {problem}") from None
