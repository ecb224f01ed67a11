"""Tables of a spiking circuit in LaTeX."""

from typing import Any

from cortex_sim.cards import weights
from cortex_sim.cards._latex import condition, equations, escaped, name, statements, unit, words
from cortex_sim.cards._latex_tables import NONE, NUMBERS, WIDE, Row, Section, document, lines, matrices, quantity, row, summary, symbol
from cortex_sim.cards.spiking._wiring import RULES

DYNAMICS = {"exact": "exact integration of linear equations", "euler": "forward Euler", "exponential_euler": "exponential Euler"}
SOURCES = {"drive": "drive of each neuron", "noise": "white noise", "poisson": "Poisson spikes", "recorded": "recorded spikes"}


def spike_tables(model: Any) -> str:
    r"""Return the tables of a card in LaTeX, to ``\input`` into a paper, after Nordlie, Gewaltig & Plesser (2009) PLoS Comput Biol 5:e1000456.

    They tell what the model is, populations, connectivity, equations, input, measurements, and every number with unit, meaning and source.
    """
    plastic = [words(label) for label, part in model.synapses.items() if part.on_post]
    about = {
        "Populations": ", ".join(words(label) for label in model.populations), "Topology": NONE,
        "Connectivity": ", ".join(f"{words(label)} ({words(part.rule)})" for label, part in model.projections.items()),
        "Neuron model": ", ".join(words(label) for label in model.neurons), "Synapse model": ", ".join(words(label) for label in model.synapses),
        "Plasticity": ", ".join(plastic), "Input": ", ".join(f"${name(label)}$" for label in model.inputs),
        "Measurements": f"spikes of {', '.join(words(label) for label in model.firing)}",
    }  # fmt: skip
    if model.scale != 1:
        about["Scale"] = rf"{model.scale:g} of the neurons and in-degrees of the full circuit"
    wide = {
        f"{label}.{key}": (part, projection.targets, projection.sources)
        for label, projection in model.projections.items()
        for key, part in _tables(projection).items()
    }
    return document(model, _sections(model, about), matrices(wide))


def _sections(model: Any, about: dict[str, str]) -> list[Section]:
    sized = [
        (words(label), words(part.neurons), _size(model, label), quantity(part.rate) if part.rate else NONE)
        for label, part in model.populations.items()
    ]
    wires: list[Row] = [(words(label), _list(part.sources), _list(part.targets), _pattern(part)) for label, part in model.projections.items()]
    heard = [
        (f"${name(label)}$", SOURCES[part.kind], escaped(part.meaning), f"${unit(part.unit)}$" if part.unit != "1" else NONE)
        for label, part in model.inputs.items()
    ]
    measured: list[Row] = [("Spikes", f"{_list(model.firing)}: {model.units} neurons")]
    return [
        summary(model, about),
        Section("Populations", ("Name", "Elements", "Size", "Mean rate"), (0.25, 0.25, 0.3, 0.2), sized),
        Section("Connectivity", ("Name", "Source", "Target", "Pattern"), (0.15, 0.2, 0.2, 0.45), wires),
        *(Section(f"Neuron model {words(label)}", (), (0.2, 0.8), _neuron(part)) for label, part in model.neurons.items()),
        *(Section(f"Synapse model {words(label)}", (), (0.2, 0.8), _synapse(part)) for label, part in model.synapses.items()),
        Section("Input", ("Name", "Type", "Meaning", "Unit"), (0.15, 0.25, 0.45, 0.15), heard),
        Section("Measurements", (), (0.2, 0.8), measured),
        Section("Parameters", NUMBERS, WIDE, _rows(model)),
    ]


def _size(model: Any, label: str) -> str:
    full = model.populations[label].size
    return str(full) if model.size(label) == full else f"{model.size(label)} of {full}"


def _list(labels: list[str]) -> str:
    return ", ".join(words(label) for label in labels)


def _pattern(part: Any) -> str:
    doc = RULES[part.rule].__doc__ or "" if part.rule in RULES else weights.about(part.rule)
    first = doc.split("\n")[0].rstrip(".")
    return "; ".join([f"{words(part.rule)}: {escaped(first)}", f"synapses {words(part.synapse)}"])


def _neuron(part: Any) -> list[Row]:
    """Return the rows of a kind of neuron: its equations, and what happens in a step and at a spike."""
    given = {
        "Equations": lines(equations(part.equations)), "In each step": lines(statements(part.each_step)) if part.each_step.strip() else "",
        "Read": ", ".join(rf"${name(label)}$ is ${name(linked.variable)}$ of {words(linked.neurons)}" for label, linked in part.linked.items()),
        "Spike, if": lines([condition(part.threshold)]) if part.threshold else "", "Reset": lines(statements(part.reset)) if part.reset else "",
        "Refractory": lines([condition(part.refractory)]) if part.refractory else "", "Integrator": DYNAMICS[part.integrator],
    }  # fmt: skip
    return [(heading, text) for heading, text in given.items() if text]


def _synapse(part: Any) -> list[Row]:
    stated = unit(part.weight)
    given = {
        "Weight": rf"$w$: {escaped(part.meaning)}" + (f" (${stated}$)" if stated else ""),
        "Equations": lines(equations(part.equations)) if part.equations.strip() else "",
        "At a spike of the source": lines(statements(part.on_pre)) if part.on_pre else "",
        "At a spike of the target": lines(statements(part.on_post)) if part.on_post else "",
    }
    return [(heading, text) for heading, text in given.items() if text]


def _tables(projection: Any) -> dict[str, Any]:
    """Return the numbers of a projection by name."""
    given = dict(projection.arguments) | {"weight": projection.weight, "delay": projection.delay}
    return {key: part for key, part in given.items() if part}


def _rows(model: Any) -> list[Row]:
    """Return the rows of every number: of kinds of neurons, of populations that have their own, of synapses and projections, and of the whole."""
    several = len(model.neurons) > 1
    rows: list[Row] = []
    for label, part in model.neurons.items():
        whose = label if several else ""
        rows += [row(symbol(key, whose), number) for key, number in part.parameters.items()]
        rows += [row(symbol(key, whose, start=True), number) for key, number in part.start.items()]
    rows += [row(symbol(key, label), number) for label, part in model.populations.items() for key, number in part.parameters.items()]
    rows += [row(symbol(key, label, start=True), number) for label, part in model.synapses.items() for key, number in part.start.items()]
    rows += [row(words(f"{label}.{key}"), number) for label, part in model.projections.items() for key, number in _tables(part).items()]
    return [*rows, row(words("dt"), model.dt), row(words("limit"), model.limit)]
