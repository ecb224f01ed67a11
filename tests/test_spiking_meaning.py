"""No spiking card means anything by a name: with other names for everything that has one, the same neurons fire at the same times."""

import re
from collections.abc import Set
from dataclasses import replace
from typing import Any

import brian2 as b2
import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards.spiking import declared
from cortex_sim.cards.spiking._model import SpikingModel
from cortex_sim.cards.spiking._names import GROUP, OWN
from cortex_sim.errors import CardError, OptionError
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Drive, spontaneous

CARDS = [name for name, path in catalogue.models().items() if path.parent.name == "spiking"]
DURATION = 0.03  # s
TEXTS = ("equations", "threshold", "reset", "refractory", "each_step", "on_pre")
STRANGE = [
    "tau", "x", "a", "V", "Ge", "group", "cell", "state_dict", "dtype", "model", "weights", "rate", "first", "k", "S", "I", "E", "theta", "mu", "u",
    "neurons", "synapse", "alpha", "beta", "gamma_", "zeta", "rho", "total", "summed", "forward", "w_in", "float64", "array", "names", "clock",
]  # fmt: skip


def other_names(model: SpikingModel, shift: int, kept: Set[str] = frozenset()) -> tuple[SpikingModel, dict[str, str]]:
    """The circuit with other names for every variable, parameter, input, kind of neuron, population, synapse and projection but those kept."""
    card: dict[str, Any] = model.model_dump()
    text = [name for part in card["neurons"].values() for name in (*declared(part["equations"], "")[0], *part["parameters"], *part["linked"])]
    text += [name for part in card["synapses"].values() for name in declared(part["equations"], "")[0] if not name.endswith(("_pre", "_post"))]
    own = dict.fromkeys((*text, *card["inputs"]))
    strange = [*STRANGE[shift:], *STRANGE[:shift], *(f"stranger_{number}" for number in range(60))]
    names = {name: name if name in kept else other for name, other in zip(own, strange, strict=False)}
    tables = {"neurons": "kind", "populations": "pop", "synapses": "syn", "projections": "proj"}
    labels = {table: {name: name if name in kept else f"{short}{number}_{shift}" for number, name in enumerate(card[table])}
              for table, short in tables.items()}  # fmt: skip

    def said(found: re.Match[str]) -> str:
        bare, end = re.fullmatch(r"(.*?)(_pre|_post)?", found[0]).groups()  # type: ignore[union-attr]
        if found[0] in names:
            return names[found[0]]
        if bare in names:
            return names[bare] + (end or "")
        inner = re.fullmatch(r"d(\w+)", found[0])
        return f"d{names[inner[1]]}" if inner and inner[1] in names and found.string[found.end() :].startswith("/dt") else found[0]

    def rewritten(part: dict[str, Any]) -> dict[str, Any]:
        return part | {key: re.sub(r"[A-Za-z_]\w*", said, part[key]) for key in TEXTS if part.get(key)}

    def renamed(part: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
        return {known[name]: value for name, value in part.items()}

    for kind, part in card["neurons"].items():
        part = rewritten(part)
        part |= {key: renamed(part[key], names) for key in ("parameters", "start", "linked")}
        for link in part["linked"].values():
            link |= {"variable": names[link["variable"]], "neurons": labels["neurons"][link["neurons"]]}
        card["neurons"][kind] = part
    for name, part in card["populations"].items():
        card["populations"][name] = part | {"neurons": labels["neurons"][part["neurons"]], "parameters": renamed(part["parameters"], names)}
    for name, part in card["synapses"].items():
        card["synapses"][name] = rewritten(part)
    for part in card["projections"].values():
        ends = {end: [labels["populations"][name] for name in part[end]] for end in ("sources", "targets")}
        part |= ends | {"synapse": labels["synapses"][part["synapse"]]}
    for table, known in labels.items():
        card[table] = renamed(card[table], known)
    card["inputs"] = renamed(card["inputs"], names)
    if card["scaling"]:
        card["scaling"] = {key: names[name] for key, name in card["scaling"].items()}
    return SpikingModel.model_validate(card), names


@pytest.mark.long
@pytest.mark.parametrize(
    ("protocol", "kept"),
    [
        ("spike_statistics", "populations"),
        ("microcircuit", "populations"),
        ("match_spiking", "drive hold"),
        ("layered_motor_cortex", "populations premotor thalamus drive"),
        ("spikes_and_rates", "m_ext nu_TVL thalamus"),
    ],
)
def test_protocols_know_no_name_but_those_that_they_ask_for(protocol: str, kept: str) -> None:
    module = catalogue.protocol(protocol)
    plain = catalogue.load(module.MODEL)
    names = {*kept.split(), *(plain.populations if "populations" in kept else ())}
    found, wanted = (module.run(model, smoke=True) for model in (other_names(plain, 0, names)[0], plain))
    assert [score.estimate for score in found.scores] == [score.estimate for score in wanted.scores]
    assert [(claim.text, claim.found) for claim in found.claims] == [(claim.text, claim.found) for claim in wanted.claims]
    if protocol == "spike_statistics":  # names of populations are labels of its scores, and only tell which lie in layer 5B
        return
    with pytest.raises(OptionError, match=f"{plain.name}: .*{'|'.join(names)}"):
        module.run(other_names(plain, 0)[0], smoke=True)


def test_parts_of_brian2s_groups_are_no_names_of_linked_variables() -> None:
    """A linked variable takes the place of what a group keeps under its name: one named ``start`` made neurons part of another group."""
    group = b2.NeuronGroup(1, "x : 1", threshold="x > 1", reset="x = 0", name="group_asked")
    assert {name for name in vars(group) if not name.startswith("_")} - {"variables"} == {*GROUP} and "variables" in OWN
    card = catalogue.load("soc_lif").model_dump()
    card["neurons"]["lif"]["linked"]["start"] = card["neurons"]["lif"]["linked"]["s"]
    with pytest.raises(CardError, match="the name 'start', by which Brian2 means its own"):
        SpikingModel.model_validate(card)


def fired(model: SpikingModel, into: str, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of two trials under a push into one input."""
    bare = spontaneous(DURATION, trials=2)
    kind = next(kind for kind, part in model.neurons.items() if re.search(rf"\b{into}\b", part.each_step))
    size = sum(model.size(name) for name in model.members(kind))
    push = Drive(0.1 * np.random.default_rng(0).normal(size=(2, size)), np.ones(bare.steps), "push", into=into)
    trials = simulate(model, replace(bare, drives=(push,)), seed=3, target=target)
    return trials.spikes.time, trials.spikes.unit


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name == "brunel_2000" else ()) for name in CARDS])
@pytest.mark.parametrize("shift", [0, pytest.param(11, marks=pytest.mark.long)])
def test_a_spiking_card_does_the_same_in_other_words(name: str, shift: int) -> None:
    model = catalogue.load(name)
    model = model.changed(scale=0.02) if model.scaling else model
    other, names = other_names(model, shift)
    into = next(label for label, part in model.inputs.items() if part.kind == "drive")
    time, unit = fired(model, into, "numpy")
    again, same = fired(other, names[into], "numpy")
    assert time.size > 10 and np.array_equal(time, again) and np.array_equal(unit, same)
