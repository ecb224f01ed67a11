"""Tables of a rate circuit or a network in LaTeX."""

from typing import Any

from cortex_sim.cards import weights
from cortex_sim.cards._latex import equations, escaped, name, unit, words
from cortex_sim.cards._latex_tables import NONE, NUMBERS, WIDE, Row, Section, document, lines, matrices, quantity, row, summary, symbol

KINDS = {"rate": "rate circuit", "rnn": "recurrent neural network"}


def rate_tables(model: Any) -> str:
    r"""Return the tables of a card in LaTeX, to ``\input`` into a paper, after Nordlie, Gewaltig & Plesser (2009) PLoS Comput Biol 5:e1000456.

    They tell what the model is, populations, connectivity, equations, input, measurements, and every number with unit, meaning and source.
    """
    learned = ", ".join(words(label) for label, part in model.projections.items() if part.learn)
    about = {
        "Populations": f"one, of {model.units} units", "Topology": NONE,
        "Connectivity": ", ".join(f"{words(label)} ({words(part.rule)})" for label, part in model.projections.items()),
        "Neuron model": KINDS[model.kind], "Synapse model": "weights of rates" if model.projections else NONE,
        "Plasticity": f"weights {learned} are learned by training" if learned else NONE,
        "Input": ", ".join(f"${name(label)}$" for label in model.inputs),
        "Measurements": f"rate ${name(model.rate)}$ of {model.size('observed')} outputs",
    }  # fmt: skip
    return document(model, _sections(model, about), matrices({label: (part, [], []) for label, part in _numbers(model).items()}))


def _sections(model: Any, about: dict[str, str]) -> list[Section]:
    side = {"units": "units", "observed": "outputs", "channels": "task channels", "history": f"task channels at {model.taps} times"}
    sizes: list[Row] = [(side[axis], str(model.size(axis))) for axis in ("units", "observed", "channels") if model.size(axis)]
    wires: list[Row] = [(words(label), side[part.columns], side[part.rows], _pattern(part)) for label, part in model.projections.items()]
    heard = [
        (f"${name(label)}$", _kind(part), escaped(part.meaning), f"${unit(part.unit)}$" if part.unit != "1" else NONE)
        for label, part in model.inputs.items()
    ]
    how = "exponential Euler" if model.integrator == "exponential_euler" else "forward Euler"
    neuron: list[Row] = [
        ("Equations", lines(equations(model.equations))),
        ("Integrator", how + (", one step in each bin" if model.one_step_a_bin else "")),
    ]
    if model.initial:
        neuron.append(("Initial state", f"{words(model.initial.weights)} $\\times$ first observed rates $+$ {words(model.initial.offset)}"))
    measured = f"${name(model.rate)}$"
    if model.readout:
        measured = f"{words(model.readout.weights)} $\\times$ {measured} $+$ {words(model.readout.offset)}"
    return [
        summary(model, about),
        Section("Populations", ("Elements", "Size"), (0.6, 0.4), sizes),
        Section("Connectivity", ("Name", "Source", "Target", "Pattern"), (0.15, 0.2, 0.2, 0.45), wires),
        Section("Neuron model", (), (0.2, 0.8), neuron),
        Section("Input", ("Name", "Type", "Meaning", "Unit"), (0.15, 0.25, 0.45, 0.15), heard),
        Section("Measurements", (), (0.2, 0.8), [("Observed rates", f"{measured}, of {model.size('observed')} outputs")]),
        Section("Parameters", NUMBERS, WIDE, _rows(model)),
    ]


def _pattern(part: Any) -> str:
    """Return how a weight matrix is made and what constrains it."""
    signs = "" if part.excitatory is None else f"Dale's law: {part.excitatory:.0%} of the columns excitatory".replace("%", r"\%")
    facts = [
        f"{words(part.rule)}: {escaped(weights.about(part.rule))}", "" if part.unit == "1" else f"unit ${unit(part.unit)}$",
        f"delay {quantity(part.delay)}" if part.delay else "", signs, "zeros stay" * part.keep_zeros,
        "no self-connections" * (not part.self_connections), f"rank {part.rank}" if part.rank else "", "learned" * part.learn,
    ]  # fmt: skip
    return "; ".join(fact for fact in facts if fact)


def _kind(part: Any) -> str:
    through = f" through {words(part.weights)}" if part.weights else ""
    return ("white noise" if part.noise else "task channels" if part.weights else "drive of each unit") + through


def _numbers(model: Any) -> dict[str, Any]:
    """Return the numbers of a card by name: parameters, and what rules and the integration are given."""
    given = {f"{label}.{key}": number for label, part in model.projections.items() for key, number in part.arguments.items()}
    given |= {f"{label}.delay": part.delay for label, part in model.projections.items() if part.delay}
    return dict(model.parameters) | given


def _rows(model: Any) -> list[Row]:
    rows = [row(symbol(key) if key in model.parameters else words(key), part) for key, part in _numbers(model).items()]
    rows += [row(symbol(key, start=True), part) for key, part in model.initial_values.items()]
    own = {"dt": model.dt, "silent": model.silent, "spacing": model.spacing}
    return rows + [row(words(key), part) for key, part in own.items() if part]
