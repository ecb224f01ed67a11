"""A network in ONNX gives what the network gives, and what a graph cannot say is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import Model, catalogue, load
from cortex_sim.errors import CardError, OptionError
from cortex_sim.simulation import export, simulate, starting_states
from cortex_sim.tasks import Task, free_run, from_inputs

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

NETWORKS = [name for name, path in catalogue.models().items() if path.parent.name == "rnn"]
NOISY = {"leaky_noise", "leaky_recorded", "valente_2022"}
EVERY_FUNCTION = """
dx/dt = (-x + W(r) + stimulus(t, i) + clip(b - 1, -0.5, 0.25)*cos(x) + int(3*x)*0.1 + abs(x)*sqrt(1 + x**2)*0.1)/tau : 1
dy/dt = (log1p(abs(y))*0.2 - y + expm1(-abs(x))*(x > 0.1) + (x <= y)*0.1 + 2**(-abs(x)) - sinh(0.1*y) + log(2 + sin(y)))/tau : 1
r = tanh(x)/cosh(0.3*y) + spike(y - 0.2) : 1 (constant over dt)
b : 1 (constant)
"""


def drawn(model: Model, seed: int = 0) -> Model:
    """The network with weights of which none is 0, so that every part of it shows."""
    rng, parts = np.random.default_rng(seed), model.projections | model.parameters
    learned = {name: array for name, array in model.arrays().items() if parts[name].learn}
    return model.with_arrays(
        {name: array + 0.05 * (array.std() if array.any() else 1.0) * rng.standard_normal(array.shape) for name, array in learned.items()}
    )


def ran(path: Path, model: Model, task: Task) -> list[np.ndarray]:
    channels = np.zeros((task.trials, task.bins, 0)) if task.channels is None else task.channels.values
    given = {"channels": channels, "start": starting_states(model, task)}
    return runtime.InferenceSession(path).run(["rates", "last"], given)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_of_every_network_gives_its_rates(name: str, tmp_path: Path) -> None:
    """To round-off of double precision, which is far below the 1e-5 that single precision would leave."""
    model = drawn(load(name).with_arrays({}, channels=3))
    task = from_inputs(np.random.default_rng(1).standard_normal((4, 40, 3)), bin=model.dt.si)
    if name in NOISY:
        with pytest.raises(CardError, match=r"\[inputs\..*\] is noise, .* say without=\['noise'\]"):
            export(model, tmp_path / "net.onnx")
        assert not list(tmp_path.iterdir())
        assert any(line.endswith(": noise") for line in export(model, tmp_path / "net.onnx", without=["noise"]))
        return
    export(model, tmp_path / "net.onnx")
    onnx.checker.check_model(tmp_path / "net.onnx", full_check=True)
    wanted = simulate(model, task).rate
    assert np.ptp(wanted) > 0
    rates, last = ran(tmp_path / "net.onnx", model, task)
    np.testing.assert_allclose(rates, wanted, rtol=0, atol=1e-10 * max(1.0, abs(wanted).max()))
    assert last.shape == (4, model.dimension)


def test_every_function_of_equations_has_its_operator(tmp_path: Path) -> None:
    card = load("leaky_tanh").model_dump() | {"equations": EVERY_FUNCTION, "units": 12, "channels": 2}
    model = drawn(Model.model_validate(card | {"inputs": {"stimulus": card["inputs"]["stimulus"]}}))
    task = from_inputs(np.random.default_rng(2).standard_normal((5, 60, 2)), bin=model.dt.si)
    export(model, tmp_path / "net.onnx")
    np.testing.assert_allclose(ran(tmp_path / "net.onnx", model, task)[0], simulate(model, task).rate, rtol=0, atol=1e-10)


def test_an_independent_evaluator_agrees_and_a_run_goes_on_from_its_last_state(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    model = drawn(load("gru").with_arrays({}, units=8, observed=5, channels=2))
    task = from_inputs(np.random.default_rng(3).standard_normal((2, 20, 2)), bin=model.dt.si)
    export(model, tmp_path / "net.onnx")
    whole, last = ran(tmp_path / "net.onnx", model, task)
    u, start = task.channels.values, starting_states(model, task)  # type: ignore[union-attr]
    graph = ReferenceEvaluator(str(tmp_path / "net.onnx"))
    first, between = graph.run(["rates", "last"], {"channels": u[:, :7], "start": start})
    second, end = graph.run(["rates", "last"], {"channels": u[:, 7:], "start": between})
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end, last, rtol=0, atol=1e-12)


def test_a_network_without_channels_runs_freely_from_its_initial_rates(tmp_path: Path) -> None:
    model = drawn(load("leaky_tanh").with_arrays({}, units=10))
    task = free_run(0.3 * np.random.default_rng(4).standard_normal((3, 10)), 0.3, bin=model.dt.si)
    assert export(model, tmp_path / "net.onnx") == ["drive: pushes"]
    np.testing.assert_allclose(ran(tmp_path / "net.onnx", model, task)[0], simulate(model, task).rate, rtol=0, atol=1e-10)


def test_a_file_says_what_it_is_and_equal_networks_are_equal_files(tmp_path: Path) -> None:
    model = load("leaky_readout").with_arrays({}, units=10, observed=4, channels=2)
    for name in ("a.onnx", "b.onnx"):
        export(model, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    read = onnx.load(tmp_path / "a.onnx")
    said = {part.key: part.value for part in read.metadata_props}
    assert float(said["bin_s"]) == model.dt.si
    assert said["model_key"] == model.key
    assert json.loads(said["left_out"]) == ["drive: pushes"]
    sizes = {part.name: [d.dim_param or d.dim_value for d in part.type.tensor_type.shape.dim] for part in (*read.graph.input, *read.graph.output)}
    assert sizes == {"channels": ["trial", "bin", 2], "start": ["trial", 10], "rates": ["trial", "bin", 4], "last": ["trial", 10]}


LATE = {"rule": "gaussian", "arguments": {"gain": {"value": 0.9, "meaning": "gain"}}, "delay": {"value": 20, "unit": "ms", "meaning": "delay"}}


def changed(**fields: Any) -> Model:
    return load("leaky_tanh").with_arrays({}, units=4, channels=1, **fields)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: changed(equations=load("leaky_tanh").equations.replace("+ b)", "+ b*sin(t/tau))")), "name the time t, which"),
        (lambda: changed(integrator="exponential_euler"), "integrator is 'exponential_euler', and a graph of ONNX takes steps of Euler's"),
        (lambda: changed(projections=load("leaky_tanh").model_dump()["projections"] | {"W": LATE}),
         r"\[projections.W\] has a delay"),
        (lambda: changed(equations=load("leaky_tanh").equations.replace("tanh(x)", "siegert(x*mV, 2*mV, 10*ms, 2*ms, 20*mV, 10*mV)*second")),
         "siegert, for which ONNX has no operator"),
    ],
)  # fmt: skip
def test_what_a_graph_cannot_say_is_refused(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=message):
        export(model(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_no_card_or_no_format_is_told(tmp_path: Path) -> None:
    network = load("leaky_tanh")
    with pytest.raises(OptionError, match=r"suffix '.h5' is unknown; write .onnx \(networks\) or .nir"):
        export(network, tmp_path / "net.h5")
    with pytest.raises(OptionError, match=r"\.nir is of a spiking circuit; leaky_tanh is a network, which .onnx holds"):
        export(network, tmp_path / "net.nir")
    with pytest.raises(OptionError, match="without 'noise' does not apply to leaky_tanh"):
        export(network, tmp_path / "net.onnx", without=["noise"])


def test_without_onnx_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OptionError, match=r"pip install 'cortex-sim\[export\]'"):
        export(load("leaky_tanh"), tmp_path / "net.onnx")
