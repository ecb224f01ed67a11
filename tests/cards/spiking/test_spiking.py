"""Spiking cards are read and checked without a simulator; what is wrong is said with its place, what was found and what would be right."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim import load
from cortex_sim.cards import catalogue
from cortex_sim.cards.spiking._model import SpikingModel, read_spiking
from cortex_sim.cards.spiking._tables import Distribution
from cortex_sim.errors import CardError, TaskError
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.tasks._free import spontaneous
from cortex_sim.tasks._parts import Drive
from cortex_sim.trials._trials import Trials

SHIPPED = sorted(name for name, path in catalogue.models().items() if path.parent.name == "spiking")
SIZES = {  # published, or by design: neurons that fire at full scale
    "lif": 41, "brunel_2000": 12_500, "montbrio_2015_qif": 10_000, "potjans_diesmann_2014": 77_169, "dura_bernal_2023_lif": 10_073, "soc_lif": 15_000,
    "rostami_2024": 1500,
}  # fmt: skip


def table(value: Any, unit: str = "1", **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": unit, "meaning": "a number"} | more


CARD: dict[str, Any] = {
    "kind": "spiking", "title": "Pair", "paper": "none", "dt": table(0.1, "ms"),
    "neurons": {"lif": {
        "equations": "dv/dt = (-v + I)/tau : volt (unless refractory)\nI : volt", "integrator": "exact",
        "threshold": "v > theta", "reset": "v = 0*mV", "refractory": "t_ref", "each_step": "I = drive(t, i)",
        "parameters": {"tau": table(20, "ms"), "theta": table(20, "mV"), "t_ref": table(2, "ms")},
    }},
    "inputs": {"drive": {"unit": "mV", "meaning": "input"}},
    "populations": {"E": {"neurons": "lif", "size": 30}, "I": {"neurons": "lif", "size": 10}},
    "synapses": {"jump": {"weight": "mV", "meaning": "a jump", "on_pre": "v_post += w"}},
    "projections": {"all": {
        "synapse": "jump", "rule": "bernoulli", "sources": ["E", "I"], "targets": ["E", "I"], "arguments": {"probability": table(0.2)},
        "weight": table([0.1, -0.5], "mV"), "delay": table(1.5, "ms"),
    }},
}  # fmt: skip


@pytest.fixture
def changed() -> Callable[..., dict[str, Any]]:
    """The card with one entry replaced, added, or (None) left out; dots lead to it."""

    def build(place: str, value: Any) -> dict[str, Any]:
        card = deepcopy(CARD)
        inner: Any = card
        for key in place.split(".")[:-1]:
            inner = inner[key]
        if value is None:
            del inner[place.split(".")[-1]]
        else:
            inner[place.split(".")[-1]] = value
        return card

    return build


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_card_has_its_published_size_and_says_where_every_number_comes_from(name: str) -> None:
    model = load(name)
    assert isinstance(model, SpikingModel)
    full = model.changed(scale=1.0)
    assert full.units == SIZES[name] and len(full.population) == full.units
    card = tomllib.loads(catalogue.models()[name].read_text())
    assert card["kind"] == "spiking" and model.title and model.paper and model.notes
    for kind in model.neurons.values():
        for number in kind.parameters.values():
            assert number.meaning
            assert number.source


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_that_is_saved_reads_back_the_same(name: str, tmp_path: Path) -> None:
    model = load(name)
    model.save(tmp_path / f"{name}.toml")
    assert read_spiking(tmp_path / f"{name}.toml").key == model.key


def test_reading_spiking_cards_imports_no_simulator() -> None:
    code = f"import sys; from cortex_sim import load; [load(n) for n in {SHIPPED!r}]; print(*[m for m in sys.modules if m in ('brian2', 'torch')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_a_built_model_is_well_formed() -> None:
    model = SpikingModel.model_validate(CARD)
    assert model.units == 40 and model.population.tolist() == ["E"] * 30 + ["I"] * 10


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("neurons.lif.reset", None, "[neurons.lif] has a threshold but no reset"),
        ("neurons.lif.threshold", None, "[neurons.lif] has a reset but no threshold"),
        ("neurons.lif.threshold", "v > tetha", "[neurons.lif.threshold] uses 'tetha', which nothing gives. Did you mean 'theta'?"),
        ("neurons.lif.threshold", "v >", "[neurons.lif.threshold] 'v >' does not parse"),
        ("neurons.lif.equations", "dv/dt = -v/tau", "[neurons.lif] cannot read 'dv/dt = -v/tau'; write 'dx/dt = ... : unit'"),
        ("neurons.lif.equations", "dv/dt = (-v + I)/tau : Volt\nI : volt", "unit 'Volt' is unknown. Did you mean 'volt'?"),
        ("neurons.lif.start", {"u": table(1)}, "[neurons.lif.start] names the variable 'u', which is absent."),
        ("neurons.lif.tau_m", table(1), "[neurons.lif.tau_m] is no key of a card."),
        ("populations.E.neurons", "LIF", "[populations.E] names the neurons 'LIF', which is absent. Did you mean 'lif'?"),
        ("populations.E.size", 0, "[populations.E.size]"),
        ("populations.E.parameters", {"taum": table(1)}, "[populations.E] names the parameter 'taum', which is absent."),
        ("projections.all.targets", ["E", "PV"], "[projections.all.targets] names the population 'PV', which is absent. Choose from E, I."),
        ("projections.all.synapse", "jmp", "[projections.all] names the synapse 'jmp', which is absent. Did you mean 'jump'?"),
        ("projections.all.rule", "bernuli", "[projections.all] rule 'bernuli' is unknown. Did you mean 'bernoulli'?"),
        ("projections.all.arguments", {}, "[projections.all] rule 'bernoulli': arguments.probability is missing"),
        ("projections.all.delay", table(0.05, "ms"), "delay] 0.05 ms lies below one step (0.1 ms); lengthen the delay or shorten dt."),
        ("projections.all.weight", table([1, 2, 3], "mV"), "weight] is a row of 3; it should be one number, 2 (a source each) or 2 rows"),
        ("projections.all.delay", table(5, "mV"), "delay] unit 'mV' does not fit what the number stands for; it should have 'second', or"),
        ("projections.all.arguments", {"probability": table(20, "mV")}, "probability] unit 'mV' does not fit what the number stands for"),
        ("projections.all.arguments", {"probability": table(20)}, "arguments.probability] holds 20 to 20; it should lie between 0 and 1"),
        ("projections.all.weight", table(1, "ms"), "[projections.all.weight] unit 'ms' does not fit what the number stands for; it should have 'mV'"),
        ("projections.all.weight", table(1, "MV"), "[projections.all.weight] unit 'MV' is unknown. Did you mean 'mV'?"),
        ("synapses.jump.on_pre", "u_post += w", "[synapses.jump.on_pre] uses 'u_post', which the neurons lack."),
        ("synapses.jump.on_pre", None, "[synapses.jump] does nothing"),
        ("dt", table(0, "ms"), "[dt] value 0.0 should be positive."),
        ("scale", 0.5, "[scale] is below 1, but the card has no [scaling]"),
        ("scale", 2.0, "[scale]"),
        ("inputs.drive.kind", "poison", "[inputs.drive.kind]"),
        ("neurons", {"my kind": {"equations": "x : 1"}}, "[neurons] has 'my kind', which no equation can use; a name is made of"),
        ("populations", {"2E": {"neurons": "lif", "size": 1}}, "[populations] has '2E', which no equation can use; a name is made of"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_card_is_said(changed: Callable[..., dict[str, Any]], tmp_path: Path, place: str, value: Any, message: str) -> None:
    import tomli_w

    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(changed(place, value)))
    with pytest.raises(CardError, match=re.escape(message)) as refused:
        read_spiking(path)
    assert str(refused.value).startswith(str(path))


def test_no_damaged_card_ends_in_anything_but_a_card_error(tmp_path: Path) -> None:
    text, rng, refused = catalogue.models()["brunel_2000"].read_text(), np.random.default_rng(0), 0
    path = tmp_path / "damaged.toml"
    for _ in range(300):
        place, length = int(rng.integers(len(text))), int(rng.integers(1, 12))
        path.write_text(text[:place] + text[place + length :])
        try:
            read_spiking(path)
        except CardError as problem:
            refused += str(problem).startswith(str(path))
    assert refused > 100


def test_downscaling_keeps_the_mean_and_the_variance_of_the_input() -> None:
    """Mean w K nu and variance w^2 K nu at full-scale rates, constant included, are those of the full circuit."""
    full = load("potjans_diesmann_2014").changed(scale=1.0)
    small = full.changed(scale=0.04)
    whole, part = (SpikingProblem(model, spontaneous(0.02)) for model in (full, small))
    tau = full.neurons["lif"].parameters["tau_syn"].si
    edges = np.cumsum([0] + [small.size(name) for name in small.populations])
    for number, name in enumerate(full.populations):
        first = int(edges[number])
        values = {key: value[first] for key, value in part.values("lif").items()}
        outside = values["w_ext"] * values["K_ext"] * values["nu_ext"] if "nu_ext" in values else values["w_ext"] * values["K_ext"] * 8
        inside = whole.expected_input(name) * np.sqrt(0.04)  # weights / sqrt(s), in-degrees * s
        start = sum(full.size(n) for n in list(full.populations)[:number])
        full_values = {key: value[start] for key, value in whole.values("lif").items()}
        wanted = tau * (whole.expected_input(name) + full_values["w_ext"] * full_values["K_ext"] * 8)
        assert tau * (inside + outside) + values["I_dc"] == pytest.approx(wanted, rel=1e-12)
        assert values["w_ext"] ** 2 * values["K_ext"] == pytest.approx(full_values["w_ext"] ** 2 * full_values["K_ext"], rel=1e-12)


def test_evenly_spaced_quantiles_are_those_of_the_distribution() -> None:
    rng = np.random.default_rng(0)
    lorentzian = Distribution(value=-5, width=1, shape="lorentzian", evenly=True).draw(10_000, rng)
    j = np.arange(1, 10_001)
    np.testing.assert_allclose(lorentzian, -5 + np.tan(np.pi / 2 * (2 * j - 10_001) / 10_001), rtol=1e-9, atol=1e-9)  # the paper's grid
    uniform = Distribution(value=40, width=25.625, shape="uniform", evenly=True, unit="mV").draw(41, rng)
    np.testing.assert_allclose(uniform, np.linspace(15e-3, 65e-3, 41), atol=1e-12)
    normal = Distribution(value=2, width=3, shape="normal").draw(100_000, rng)
    assert abs(normal.mean() - 2) < 5 * 3 / np.sqrt(1e5) and abs(normal.std() / 3 - 1) < 5 / np.sqrt(2e5)


def test_a_task_that_does_not_fit_is_refused() -> None:
    model, task = SpikingModel.model_validate(CARD | {"name": "pair"}), spontaneous(0.1)

    def driven(size: int, into: str = "") -> Any:
        from dataclasses import replace

        return replace(task, drives=(Drive(np.zeros((1, size)), np.zeros(task.steps), "push", into=into),))

    with pytest.raises(TaskError, match="push is for 7 units; input 'drive' of pair is heard by 40"):
        SpikingProblem(model, driven(7))
    with pytest.raises(TaskError, match="push goes to the input 'driv', which pair lacks. Did you mean 'drive'?"):
        SpikingProblem(model, driven(40, "driv"))
    with pytest.raises(TaskError, match="recording 'x' is no recorded input of pair"):
        from dataclasses import replace

        SpikingProblem(model, replace(task, recordings={"x": Trials.from_arrays(np.zeros((1, 2, 1)), np.array([0.0, 0.01]))}))
    with pytest.raises(TaskError, match=r"dt 0\.3 ms should divide the task's 1 ms grid"):
        SpikingProblem(SpikingModel.model_validate(CARD | {"name": "pair", "dt": table(0.3, "ms")}), task)
