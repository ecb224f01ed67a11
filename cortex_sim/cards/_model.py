"""Model: a circuit or a network as data, and the card it is read from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy import ndarray
from pydantic import BeforeValidator, PrivateAttr, model_validator

from cortex_sim.cards import weights
from cortex_sim.cards._checked import Checked, Count, Place, as_step
from cortex_sim.cards._delays import check_delay, lags
from cortex_sim.cards._dimensions import check_dimensions
from cortex_sim.cards._equations import Equations, missing, parsed, refuse_name
from cortex_sim.cards._fields import Axis, Encoder, Input, Parameter, Projection, Readout, content
from cortex_sim.cards._given import in_si
from cortex_sim.cards._latex_rates import rate_tables
from cortex_sim.cards._shown import shown
from cortex_sim.cards._steps import is_map, not_exponential, refuse_other_pace
from cortex_sim.cards._units import check_step, check_unit, dimensions, scale
from cortex_sim.errors import CardError, suggestion
from cortex_sim.runtime import Role, content_key, save_arrays, too_large, write_text


class Model(Checked):
    """A circuit or a network: equations, parameters, projections, and weights once it has been trained.

    Attributes:
        units: number of units; each has every state variable of the equations.
        observed: number of rates on which it is compared; equals ``units`` unless there is a readout.
        channels: number of task channels it receives.
        taps: number of times at which a projection with ``columns = "history"`` sees the channels: now, and earlier in steps of ``spacing``.
        spacing: time between taps; one integration step if omitted.
        dt: integration step.
        one_step_a_bin: whether it takes one step in each bin of a task, and none between; other bins are refused.
        rate: name of the variable in the equations that is the rate.
        silent: rate of a unit that does not fire; 0 if the rate is not a deviation from a baseline.
        initial_values: initial states, where the task's initial rates do not determine them; 0 if omitted.
        seed: for the random parts of its weights.
    """

    name: str = "unnamed"
    kind: Literal["rate", "rnn"]
    title: str
    paper: str
    notes: str = ""
    units: Count
    observed: Count | None = None
    channels: Place = 0
    taps: Count = 1
    spacing: Parameter | None = None
    seed: Place = 0
    dt: Annotated[Parameter, BeforeValidator(as_step)]
    one_step_a_bin: bool = False
    integrator: Literal["euler", "exponential_euler"] = "euler"
    rate: str
    silent: Parameter | None = None
    equations: str
    parameters: dict[str, Parameter] = {}
    inputs: dict[str, Input] = {}
    projections: dict[str, Projection] = {}
    readout: Readout | None = None
    initial: Encoder | None = None
    initial_values: dict[str, Parameter] = {}
    weights: str | None = None

    _arrays: dict[str, ndarray] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        text = parsed(self.equations)
        for label, (unit, like) in self._units(text).items():
            _inside(label, lambda unit=unit, like=like: check_unit(unit, like))
        self._check_names(text)
        for label, item in self.inputs.items():
            if item.noise and dimensions(item.unit)[2].denominator != 2:
                raise CardError(f"[inputs.{label}] has unit {item.unit!r}; white noise has one with the root of a time, such as 'second**-0.5'.")
        self._check_sizes()
        check_step(self.dt.value, self.dt.si)
        given = self.parameters.keys() | self.inputs.keys() | self.projections.keys()
        if problem := missing(text, set(given)):
            raise CardError(problem)
        for name in sorted(text.parameters):
            if name not in self.parameters or self.parameters[name].over != "units":
                raise CardError(f"[parameters.{name}] is missing or lacks over = 'units'; the equations declare it for every unit.")
        self._check_references(text)
        own = {name: part.unit for name, part in self.parameters.items() if name in text.names}
        carried, heard = ({name: part.unit for name, part in table.items()} for table in (self.projections, self.inputs))
        check_dimensions(text, own, carried, heard, self.scalars)
        return self

    def _check_names(self, text: Equations) -> None:
        """Check that every name has one meaning, in every backend."""
        meant = {name: "equations" for name, line in text.equations.items() if line.kind != "parameter"}
        for table, part in (("parameters", self.parameters), ("inputs", self.inputs), ("projections", self.projections)):
            for name in part:
                refuse_name(name, f"[{table}] has")
                if name in meant:
                    raise CardError(f"{name!r} is given twice, in {meant[name]} and in [{table}]; each name means one thing.")
                meant[name] = f"[{table}]"

    def _check_references(self, text: Equations) -> None:
        if self.rate not in text.equations:
            raise CardError(f"rate {self.rate!r} is no variable of the equations. {suggestion(self.rate, text.equations)}")
        rate = text.equations[self.rate]
        if rate.kind == "subexpression" and "constant over dt" not in rate.flags:
            raise CardError(f"rate {self.rate!r} is computed anew at every use; write '(constant over dt)' at the end of its line.")
        for label, projection in self.projections.items():
            _inside(f"projections.{label}", lambda p=projection: self._check_rule(p))
            _inside(f"projections.{label}", lambda n=label, p=projection: check_delay(n, p, text))
        self._check_calls(text)
        if self.integrator == "exponential_euler" and (problem := not_exponential(text, self.is_map)):
            raise CardError(problem)
        for name in self.initial_values.keys() - set(text.states):
            raise CardError(f"[initial_values.{name}] is no state variable. {suggestion(name, text.states)}")
        if self.initial and len(text.states) > 1:
            raise CardError(f"[initial] leads to one state variable; the equations have {', '.join(text.states)}. Use [initial_values].")
        for label, needed in self._needed_projections().items():
            if needed not in self.projections:
                raise CardError(f"[{label}] names the projection {needed!r}, which is absent. {suggestion(needed, self.projections)}")
        for part in (self.readout, self.initial):
            if part and part.offset not in self.parameters:
                raise CardError(f"offset {part.offset!r} is no parameter. {suggestion(part.offset, self.parameters)}")

    def _check_calls(self, text: Equations) -> None:
        """Check that everything called is a function, and that functions are not used without a call."""
        if name := text.uncalled((*self.projections, *self.inputs)):
            raise CardError(f"equations name {name!r} without calling it; write {name}(...), or give a number another name.")
        for name in sorted(text.names & {name for name, part in self.parameters.items() if part.over} - set(text.parameters)):
            raise CardError(f"equations use {name!r}, which is one for each unit; declare it with a line '{name} : unit (constant)'.")
        for name in sorted(text.called() - self.projections.keys() - self.inputs.keys()):
            raise CardError(f"equations call {name!r}, which is no projection or input. {suggestion(name, {*self.projections, *self.inputs})}")

    def _check_sizes(self) -> None:
        """Check that scalars are scalars, that per-unit values are one number or one per unit, and that divisors are not 0."""
        wanted = {"dt": (self.dt, None), "silent": (self.silent, None), "spacing": (self.spacing, None)}
        wanted |= {f"parameters.{n}": (p, p.over) for n, p in self.parameters.items()}
        wanted |= {f"initial_values.{n}": (p, "units") for n, p in self.initial_values.items()}
        for label, (number, axis) in wanted.items():
            if number and number.shape not in ((), *([(self.size(axis),)] if axis else [])):
                right = f"one, or one for each of {self.size(axis)} {axis}" if axis else "one; for one a unit say over = 'units'"
                raise CardError(f"[{label}] holds {' x '.join(map(str, number.shape))} numbers; it should hold {right}.")
        own = {name: part.si for name, part in self.parameters.items()}
        if divisor := self.parsed.zero_divisor({"dt": self.dt.si} | own):
            raise CardError(f"equations divide by {divisor}, which is 0.")
        self._check_fits()

    def _check_fits(self) -> None:
        numbers = sum(self.size(part.rows) * self.size(part.columns) for part in self.projections.values())
        numbers += self.units * (len(self.parsed.states) + len(self.parsed.parameters))
        what = f"weights and states of {self.units} units, {self.channels} channels and {self.size('observed')} outputs"
        if problem := too_large(8.0 * numbers, what):
            raise CardError(f"{problem}.")

    def _check_rule(self, projection: Projection) -> None:
        weights.check(projection.rule, set(projection.arguments))
        if projection.rank and (projection.excitatory is not None or projection.keep_zeros or not projection.self_connections):
            raise CardError("rank goes with no other constraint: a product of two factors has no signs or zeros of its own.")
        if projection.rank and projection.rule == "low_rank" and projection.arguments["rank"].si > projection.rank:
            raise CardError(f"arguments.rank {projection.arguments['rank'].value:g} should be at most the rank it is held to, {projection.rank}.")
        if not projection.self_connections and projection.rows != projection.columns:
            raise CardError(f"self_connections = false needs rows and columns alike; they are {projection.rows!r} and {projection.columns!r}.")
        if projection.rule == "table":
            if (unit := projection.arguments["values"].unit) != "1":
                raise CardError(f"arguments.values has unit {unit!r}; the unit of weights is the projection's own: unit = {unit!r}.")
            self._built(projection, 0)
        elif many := [name for name, argument in projection.arguments.items() if argument.shape]:
            raise CardError(f"arguments.{many[0]} should be one number; only rule 'table' takes many.")

    def _units(self, text: Equations) -> dict[str, tuple[str, str | None]]:
        """Return every unit, and one with the dimensions that it should have, if they follow from what the number stands for."""
        meant = {name: line.unit for name, line in text.equations.items()}
        given = {"dt": (self.dt, "second"), "spacing": (self.spacing, "second"), "silent": (self.silent, meant.get(self.rate))}
        given |= {f"parameters.{name}": (part, meant.get(name)) for name, part in self.parameters.items()}
        given |= {f"initial_values.{name}": (part, meant.get(name)) for name, part in self.initial_values.items()}
        rules = {name: part for name, part in self.projections.items() if part.rule != "table"}
        given |= {f"projections.{name}.arguments.{key}": (number, "1") for name, part in rules.items() for key, number in part.arguments.items()}
        found = {label: (part.unit, like) for label, (part, like) in given.items() if part}
        found |= {f"{table}.{name}": (part.unit, None) for table in ("inputs", "projections") for name, part in getattr(self, table).items()}
        return found | {f"projections.{name}.delay": (part.delay.unit, "second") for name, part in self.projections.items() if part.delay}

    def _needed_projections(self) -> dict[str, str]:
        wanted = {f"inputs.{name}": item.weights for name, item in self.inputs.items()}
        for label, part in (("readout", self.readout), ("initial", self.initial)):
            wanted[label] = part.weights if part else None
        return {label: name for label, name in wanted.items() if name}

    @property
    def role(self) -> Role:
        """Return the role that names its random streams: a circuit and a student share none."""
        return "student" if self.kind == "rnn" else "circuit"

    @property
    def is_map(self) -> bool:
        """Return whether an Euler step changes the state equally for any dt: the network is in discrete time, and its steps set its speed."""
        return is_map(self.parsed, self.scalars, self.dt.si)

    @property
    def parsed(self) -> Equations:
        """Return the equation text, ready to be evaluated."""
        return parsed(self.equations)

    @property
    def scalars(self) -> dict[str, float]:
        """Return the parameters that are one number for all units, in SI."""
        return {name: p.si for name, p in self.parameters.items() if p.over is None}

    @property
    def dimension(self) -> int:
        """Return the length of a state vector: every variable of every unit, all units of the first variable first."""
        return self.units * len(self.parsed.states)

    def size(self, axis: Axis) -> int:
        """Return the length of an axis of a projection or parameter."""
        sizes = {"units": self.units, "observed": self.observed or self.units, "channels": self.channels, "history": self.channels * self.taps}
        return sizes[axis]

    @property
    def lags(self) -> dict[str, int]:
        """Return the delay of each projection in steps, by name; those without delay are omitted."""
        return lags(self.projections, self.dt.si)

    def own_parameters(self) -> dict[str, ndarray]:
        """Return the parameters that the equations declare for every unit, in SI: trained ones if there are any."""
        spread = {name: self.parameters[name].spread(self.units) for name in self.parsed.parameters if name not in self._arrays}
        return spread | {name: self._arrays[name].copy() for name in self.parsed.parameters if name in self._arrays}

    def arrays(self) -> dict[str, ndarray]:
        """Return copies of every weight matrix and per-unit parameter, in SI: trained if available, else built by the card's rule."""
        built = {name: array.copy() for name, array in self._arrays.items()}
        for number, (name, projection) in enumerate(self.projections.items()):
            if name not in built:
                made = self._built(projection, number)
                made = made if projection.self_connections else made * (1 - np.eye(len(made)))
                made = weights.of_rank(made, projection.rank) if projection.rank and projection.rule != "low_rank" else made
                built[name] = made if projection.excitatory is None else np.abs(made) * self.signs(name)
        for name, parameter in self.parameters.items():
            if parameter.over and name not in built:
                built[name] = parameter.spread(self.size(parameter.over))
        return built

    def _built(self, projection: Projection, number: int) -> ndarray:
        """Return the weights that a rule builds, in SI."""
        shape = (self.size(projection.rows), self.size(projection.columns))
        arguments = {key: p.si for key, p in projection.arguments.items()}
        return weights.weights(projection.rule, shape, arguments, (self.seed, self.role, number)) * scale(projection.unit)

    def signs(self, projection: str) -> ndarray:
        """Return the sign of each column under Dale's law; excitatory columns come first."""
        columns = self.size(self.projections[projection].columns)
        return np.where(np.arange(columns) < round((self.projections[projection].excitatory or 0) * columns), 1.0, -1.0)

    def with_arrays(self, arrays: Mapping[str, ndarray], **changes: Any) -> "Model":
        """Return a copy of this model with these weights, as quantities or bare numbers in SI, merged over its own, and with any fields changed.

        Where a changed field says otherwise (a parameter's value, a projection's rule or arguments), its own are made anew.

        Raises:
            CardError: a name is not a projection or per-unit parameter, a shape does not fit, or numbers are in another unit.
        """
        try:
            changed = Model.model_validate(self.model_dump() | changes)
        except CardError as problem:
            raise CardError(f"{self.name}: {problem}") from None
        if changed.is_map and self._arrays.keys() & changed.parsed.called():
            refuse_other_pace(self.name, self.dt.si, changed.dt.si)
        expected = {n: (changed.size(p.rows), changed.size(p.columns)) for n, p in changed.projections.items()}
        expected |= {n: (changed.size(p.over),) for n, p in changed.parameters.items() if p.over}
        merged = {n: a for n, a in self._arrays.items() if a.shape == expected.get(n) and self._made_by(n) == changed._made_by(n)} | dict(arrays)
        for name, array in merged.items():
            if name not in expected and name in changed.parameters:
                raise CardError(f"parameter {name!r} is one number for all; to have one a unit, give it over = 'units' in the card.")
            if name not in expected:
                raise CardError(f"weights {name!r} belong to no projection or parameter. {suggestion(name, expected)}")
            if np.shape(array) != expected[name]:
                raise CardError(f"weights {name!r} have shape {np.shape(array)}; the card asks for {expected[name]}.")
        kept = changed if merged or not changed.weights else changed.model_copy(update={"weights": None})  # a file that no longer fits
        kept._arrays = {name: in_si(name, array, (changed.projections | changed.parameters)[name]) for name, array in merged.items()}
        return kept

    def given(self, name: str) -> bool:
        """Return whether a projection's or parameter's numbers were given or trained, and not made by its card."""
        return name in self._arrays

    def made_anew(self, *names: str) -> "Model":
        """Return this model without given or trained numbers of these projections and parameters, which its card makes again."""
        other = self.model_copy()
        other._arrays = {name: array for name, array in self._arrays.items() if name not in names}
        return other

    def _made_by(self, name: str) -> tuple[object, ...] | None:
        """Return what the card makes the numbers of a projection or parameter from."""
        if name in self.parameters:
            return self.parameters[name].unit, np.array(self.parameters[name].si).tolist()
        if name in self.projections:
            made = self.projections[name]
            return made.unit, made.rule, {key: np.array(part.si).tolist() for key, part in made.arguments.items()}
        return None

    @property
    def key(self) -> str:
        """Return a hash of everything that affects the model's behaviour."""
        return content_key("model", content(self.model_copy(update={"weights": None})), self._arrays)

    def __repr__(self) -> str:
        heard = f", {self.channels} channels" * bool(self.channels)
        return f"<Model {self.name}: {self.title}; {self.units} units, {self.size('observed')} observed{heard}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        sizes: dict[str, object] = {"units": self.units, "observed": self.observed or self.units, "channels": self.channels}
        sizes["integrator"] = self.integrator
        sizes["projections"] = ", ".join(f"{name} ({part.rule}{', learned' * part.learn})" for name, part in self.projections.items()) or "none"
        return shown(self, sizes, {"": self.equations}, self.parameters)

    latex = rate_tables

    def save(self, path: str | Path) -> None:
        """Write the card and, beside it, the trained weights as safetensors.

        Raises:
            FileProblem: the folder cannot be written.
        """
        import tomli_w

        path = Path(path)
        card = self.model_dump(exclude_defaults=True, exclude={"name", "weights"})
        if self._arrays:
            card["weights"] = f"{path.stem}.safetensors"
            save_arrays(path.with_name(card["weights"]), self._arrays)
        write_text(path, tomli_w.dumps(card, multiline_strings=True))


def _inside(label: str, check: Any) -> None:
    try:
        check()
    except CardError as problem:
        raise CardError(f"[{label}] {problem}") from None
