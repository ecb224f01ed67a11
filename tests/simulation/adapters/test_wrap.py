"""What was made elsewhere gives here what it gives there, and is refused with words where it cannot."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.optimize import brentq
from torch import nn

import cortex_sim as cs
from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError, FileProblem, NotFound, OptionError, TaskError
from cortex_sim.simulation import check
from cortex_sim.simulation.adapters._wrapped import TAU_PUSH, Wrapped

TRIALS, BINS, CHANNELS, HIDDEN = 4, 12, 3, 9
X = torch.randn(TRIALS, BINS, CHANNELS, generator=torch.Generator().manual_seed(0))
TASK = cs.tasks.from_inputs(X, bin=0.01)
NODES = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


class Reader(nn.Module):
    """A recurrent part and a readout, under names of our choice."""

    def __init__(self, kind: str, *, factor: float = 1.0, **how: Any) -> None:
        super().__init__()
        self.brain = NODES[kind](CHANNELS, HIDDEN, **how)
        self.muscle = nn.Linear(HIDDEN * (2 if how.get("bidirectional") else 1), 2)
        self.factor, self.first = factor, bool(how.get("batch_first"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.muscle(self.brain(x)[0])


class Leaky(nn.Module):
    """One bin of a leaky network of somebody's own."""

    def __init__(self, *, bent: bool = False) -> None:
        super().__init__()
        self.J, self.B, self.C = nn.Parameter(torch.randn(HIDDEN, HIDDEN) / 4), nn.Linear(CHANNELS, HIDDEN), nn.Linear(HIDDEN, 2)
        self.bent = bent

    def forward(self, u: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = 0.8 * h + 0.2 * (torch.tanh(h) @ self.J.T + self.B(u))
        return (torch.tanh(self.C(h)) if self.bent else self.C(h)), h


class Causal(nn.Module):
    """A convolution over time, which has no state."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv1d(CHANNELS, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.filter(nn.functional.pad(x.transpose(1, 2), (2, 0))).transpose(1, 2)


def forward(net: nn.Module, *, first: bool = True) -> np.ndarray:
    with torch.no_grad():
        x = X.to(next(net.parameters()).dtype)
        made = net(x if first else x.transpose(0, 1))
        made = made[0] if isinstance(made, tuple) else made
        return (made if first else made.transpose(0, 1)).numpy()


def pushes(task: cs.Task, amplitude: float = 1.0) -> cs.Task:
    return cs.perturb.push(task, units=2, fraction=1.0, amplitude=amplitude, start=0.02, duration=0.05)


CARDS: dict[str, Callable[[], nn.Module]] = {
    **{f"{kind} and Linear": lambda kind=kind: Reader(kind, batch_first=True) for kind in NODES},
    "relu": lambda: Reader("rnn", nonlinearity="relu", batch_first=True), "no bias": lambda: Reader("gru", bias=False, batch_first=True),
    "bins first": lambda: Reader("lstm"), "double": lambda: Reader("gru", batch_first=True).double(),
    "bare GRU": lambda: nn.GRU(CHANNELS, HIDDEN, batch_first=True), "bare LSTM": lambda: nn.LSTM(CHANNELS, HIDDEN),
}  # fmt: skip
SEQUENCES: dict[str, Callable[[], nn.Module]] = {
    "two layers": lambda: Reader("gru", num_layers=2, batch_first=True),
    "both directions": lambda: Reader("lstm", bidirectional=True, batch_first=True),
    "scaled behind the readout": lambda: Reader("gru", factor=1.01, batch_first=True), "convolution": Causal,
    "no recurrence": lambda: nn.Sequential(nn.Linear(CHANNELS, 5), nn.Tanh(), nn.Linear(5, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", [*CARDS, *SEQUENCES])
def test_outputs_are_those_of_the_modules_own_forward_bin_for_bin(name: str) -> None:
    net = (CARDS | SEQUENCES)[name]()
    model, first = cs.wrap(net), all(part.batch_first for part in net.modules() if isinstance(part, nn.RNNBase))
    assert isinstance(model, Model) is (name in CARDS)
    wanted, found = forward(net, first=first), cs.simulate(model, TASK)
    np.testing.assert_allclose(found.rate, wanted, rtol=0, atol=1e-6)
    assert found.bin == pytest.approx(0.01) and found.provenance["model_key"] == model.key
    with torch.no_grad():
        next(net.parameters()).mul_(2)  # a wrapped model stays as it was
    np.testing.assert_array_equal(cs.simulate(model, TASK).rate, found.rate)


@pytest.mark.parametrize("name", list(CARDS))
def test_cards_of_modules_run_in_brian2_too_and_are_saved_whole(name: str, tmp_path: Path) -> None:
    model = cs.wrap(CARDS[name]())
    model.save(tmp_path / "mine.toml")
    again = cs.load(str(tmp_path / "mine.toml"))
    np.testing.assert_allclose(cs.simulate(again, TASK, backend="brian").rate, cs.simulate(model, TASK).rate, rtol=0, atol=1e-12)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_alone_are_enough_for_one_layer_and_a_readout(suffix: str, tmp_path: Path) -> None:
    net = Reader("gru", batch_first=True)
    save = {".pt": torch.save, ".safetensors": save_file}[suffix]
    save(net.state_dict(), path := tmp_path / f"hand{suffix}")
    for given in (net.state_dict(), path, str(path)):
        np.testing.assert_allclose(cs.simulate(cs.wrap(given), TASK).rate, forward(net), rtol=0, atol=1e-6)
    assert cs.wrap(path).name == "hand"


def test_files_that_are_no_weights_are_refused_and_nothing_in_them_runs(tmp_path: Path) -> None:
    torch.save(Reader("gru"), tmp_path / "whole.pt")
    (tmp_path / "text.pt").write_text("weights")
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    for name in ("whole.pt", "text.pt"):
        with pytest.raises(FileProblem, match=f"{name}: holds no weights alone"):
            cs.wrap(tmp_path / name)
    with pytest.raises(FileProblem, match="list.pt: holds list; it should hold a state dict"):
        cs.wrap(tmp_path / "list.pt")
    with pytest.raises(NotFound, match="there is no such file"):
        cs.wrap("gone.pt")
    with pytest.raises(CardError, match="wrap the module. Found brain.weight_ih_l0"):
        cs.wrap(Reader("gru", num_layers=2).state_dict())


def test_a_module_stepped_bin_by_bin_has_states_pushes_fixed_points_and_exponents() -> None:
    net = Leaky()
    model, state, wanted = cs.wrap(net, units=HIDDEN), torch.zeros(TRIALS, HIDDEN), []
    for u in X.unbind(1):
        output, state = net(u, state)
        wanted.append(output.detach())
    np.testing.assert_allclose(cs.simulate(model, TASK).rate, torch.stack(wanted, dim=1), rtol=0, atol=1e-6)
    points = cs.analysis.fixed_points(model, TASK, searches=8).fixed
    still = net(torch.zeros(1, CHANNELS), torch.tensor(points[0].state, dtype=torch.float32)[None])[1]
    np.testing.assert_allclose(still.detach()[0], points[0].state, atol=1e-5)
    slope = 0.8 * np.eye(HIDDEN) + 0.2 * net.J.detach().numpy() * (1 - np.tanh(points[0].state) ** 2)
    np.testing.assert_allclose(np.sort(np.exp(points[0].eigenvalues.real * 0.01)), np.sort(abs(np.linalg.eigvals(slope))), atol=1e-6)
    if not points[0].unstable:
        found = cs.analysis.lyapunov(model, points[0].state, duration=10.0, transient=3.0).values[0]
        assert found == pytest.approx(points[0].eigenvalues.real.max(), abs=0.1)  # directions that are not orthogonal, over 10 s


def test_a_push_moves_the_outputs_by_its_own_size() -> None:
    read = np.random.default_rng(0).normal(size=(5, 2))
    model = cs.wrap(lambda x, u: x, units=5, channels=1, flow=False, observe=lambda x: x @ read)
    task = cs.tasks.from_inputs(np.zeros((3, 10, 1)), bin=0.01)
    pushed = pushes(task, amplitude=3.0)
    moved = cs.simulate(model, pushed).rate - cs.simulate(model, task).rate
    np.testing.assert_allclose(moved[:, -1], pushed.drives[0].pattern * 0.05 / TAU_PUSH, rtol=1e-6)  # remembered for good
    assert not moved[:, :2].any() and moved[:, 2].any()


class Inside(nn.Module):
    """Takes trials first and lets its recurrent part have bins first, as many modules do."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.rnn, self.out = NODES[kind](CHANNELS, HIDDEN), nn.Linear(HIDDEN, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.rnn(x.transpose(0, 1))[0]).transpose(0, 1)


class Bent(nn.Module):
    """A GRU and a Linear with something done to inputs or outputs, by its weights another network than it is."""

    def __init__(self, before: Callable[..., torch.Tensor] | None = None, after: Callable[..., torch.Tensor] | None = None) -> None:
        super().__init__()
        self.inner, self.before, self.after = Reader("gru", batch_first=True), before, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.inner(x if self.before is None else self.before(x))
        return made if self.after is None else self.after(made)


BENT: dict[str, Callable[[], nn.Module]] = {
    "transposes inside": lambda: Inside("lstm"),
    "silent late": lambda: Bent(before=lambda x: x * (torch.arange(x.shape[1]) < 20)[:, None]),
    "outputs cut": lambda: Bent(after=lambda y: y.clamp(-1, 1)),
    "inputs cut": lambda: Bent(before=lambda x: x.clamp(-4, 4)),
    "begins anew": lambda: Chunked(10),
}  # fmt: skip


class Chunked(nn.Module):
    """Forgets everything every few bins."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.inner, self.bins = Reader("gru", batch_first=True), bins

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.inner(part) for part in x.split(self.bins, 1)], dim=1)


@pytest.mark.parametrize("name", list(BENT))
@pytest.mark.parametrize("size", [1.0, 20.0])
def test_what_is_not_the_network_of_its_weights_is_not_taken_for_it(name: str, size: float) -> None:
    net = BENT[name]()
    x = size * torch.randn(3, 45, CHANNELS)
    with torch.no_grad():
        wanted = net(x).numpy()
    np.testing.assert_allclose(cs.simulate(cs.wrap(net), cs.tasks.from_inputs(x, bin=0.01)).rate, wanted, rtol=1e-5, atol=1e-5)


class Counting(nn.Module):
    """Keeps a state of its own from run to run, and draws noise."""

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))
        self.layer, self.noise = nn.Linear(CHANNELS, 2), noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return self.layer(x) + self.seen + self.noise * torch.randn_like(x[..., :2])


def test_runs_do_not_know_of_one_another_and_noise_follows_the_seed() -> None:
    model, noisy = cs.wrap(Counting()), cs.wrap(Counting(), channels=CHANNELS)
    first, again = (cs.simulate(model, TASK).rate for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, Counting.forward(model.origin, X).detach().numpy(), atol=1e-6)
    del noisy


class Mixing(nn.Module):
    """Lets every trial see the mean of all."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(CHANNELS, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x - x.mean(dim=(0, 1)))


def test_trials_that_see_one_another_and_weights_that_say_too_little_are_refused() -> None:
    with pytest.raises(OptionError, match="a trial changes the outputs of another"):
        cs.wrap(Mixing())
    encoder = nn.Sequential()
    encoder.add_module("encoder", nn.Linear(CHANNELS, HIDDEN))
    encoder.add_module("rnn", nn.GRU(HIDDEN, HIDDEN))
    with pytest.raises(CardError, match="wrap the module"):
        cs.wrap(encoder.state_dict())
    with pytest.raises(CardError, match="weights without a shape yet"):
        cs.wrap(nn.Sequential(nn.LazyLinear(2)), channels=3)
    for label in ("units", "channels", "dt", "bin"):
        with pytest.raises(OptionError, match=f"{label} -1 should be above 0|{label} -1.0 should be above 0"):
            cs.wrap(Leaky(), **{label: -1})


def test_functions_that_change_what_they_are_given_or_mix_trials_up() -> None:
    def inside(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        x *= 0.9
        x += u
        return x

    start = np.ones(2)
    model = cs.wrap(inside, channels=2, flow=False, start=start)
    start[:] = 5
    found = cs.simulate(model, cs.tasks.from_inputs(np.zeros((3, 4, 2)), bin=0.01)).rate
    np.testing.assert_allclose(found[0, :, 0], 0.9 ** np.arange(1, 5))
    with pytest.raises(CardError, match="fails on"):
        cs.wrap(lambda x, u: np.eye(2) @ x, units=2)
    squares = cs.wrap(lambda x, u: -x, units=2, channels=1, observe=lambda x: x**2)
    with pytest.raises(TaskError, match="no linear function of its state"):
        cs.simulate(squares, pushes(cs.tasks.from_inputs(np.zeros((2, 10, 1)), bin=0.01)))
    assert cs.wrap(lambda x, u: -x, units=2).key != cs.wrap(lambda x, u: -2 * x, units=2).key


def test_weights_that_are_held_stay_held() -> None:
    net = Reader("gru", batch_first=True)
    for part in net.brain.parameters():
        part.requires_grad_(False)
    model, target = cs.wrap(net), np.random.default_rng(0).normal(size=(TRIALS, BINS, 2))
    taught = cs.fit(model, target, TASK, start="rest", epochs=3, rate=1e-2, validation=0)
    before, after = model.arrays(), taught.arrays()
    assert all(np.array_equal(before[name], after[name]) for name in before if name[:2] in ("W_", "U_", "b_", "c_")) and not np.array_equal(
        before["C"], after["C"]
    )


def lorenz_like(x: Any, u: Any) -> Any:
    return -2 * x + u


@pytest.mark.parametrize("in_torch", [False, True])
def test_a_function_is_integrated_by_euler_steps_and_read_before_each(in_torch: bool) -> None:
    function = (lambda x, u: -2 * x + torch.as_tensor(u)) if in_torch else lorenz_like
    model = cs.wrap(function, units=2, channels=2, dt=0.002, start=np.array([1.0, -1.0]))
    found = cs.simulate(model, cs.tasks.from_inputs(np.zeros((2, 8, 2)), bin=0.01)).rate
    steps = 5 * np.arange(8)
    np.testing.assert_allclose(found[1], (1 - 2 * 0.002) ** steps[:, None] * np.array([1.0, -1.0]), rtol=1e-12)


@pytest.mark.parametrize("tanh", [torch.tanh, lambda x: np.tanh(np.asarray(x))])
def test_fixed_points_and_exponents_of_a_function_are_those_of_its_equation(tanh: Any) -> None:
    """Of torch by its own derivatives; of NumPy by central differences."""
    model = cs.wrap(lambda x, u: -x + tanh(1.5 * x) + u, units=1, channels=1)
    root = brentq(lambda x: -x + np.tanh(1.5 * x), 0.1, 2)
    visited = np.linspace(-2, 2, 41)[:, None]
    found = sorted(point.state[0] for point in cs.analysis.fixed_points(model, visited, searches=64).fixed)
    np.testing.assert_allclose(found, [-root, 0, root], atol=1e-9)
    shifted = sorted(point.state[0] for point in cs.analysis.fixed_points(model, visited, inputs=np.array([0.5]), searches=64).fixed)
    np.testing.assert_allclose(shifted, [brentq(lambda x: -x + np.tanh(1.5 * x) + 0.5, 0, 3)], atol=1e-9)
    slope = -1 + 1.5 * (1 - np.tanh(1.5 * root) ** 2)
    settled = cs.analysis.lyapunov(model, np.array([root]), duration=1.1, transient=0.1)
    np.testing.assert_allclose(settled.values, np.log(1 + model.dt * slope) / model.dt, rtol=1e-7)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_derivatives_of_numpy_know_the_scale_of_the_state(size: float) -> None:
    model = cs.wrap(lambda x, u: (-x + size * np.tanh(2 * np.asarray(x) / size)) / 0.02, units=2)
    visited = size * np.random.default_rng(0).normal(size=(200, 2))
    found = cs.analysis.fixed_points(model, visited, searches=128).fixed
    root = brentq(lambda x: -x + np.tanh(2 * x), 0.1, 2)
    slopes = 50.0, (-1 + 2 * (1 - np.tanh(2 * root) ** 2)) / 0.02
    np.testing.assert_allclose(sorted({round(float(point.eigenvalues.real.max()), 3) for point in found}), sorted(slopes), atol=1e-3)


def test_constant_channels_are_inputs_to_every_gate() -> None:
    model, u = cs.wrap(Reader("gru", batch_first=True)), X[0, 3].double().numpy()
    arrays = model.arrays()
    named = {name: arrays[item.weights] @ u for name, item in model.inputs.items() if item.listens}
    one, other = (cs.analysis.fixed_points(model, TASK, inputs=given, searches=8) for given in (u, named))
    np.testing.assert_array_equal([p.state for p in one.points], [p.state for p in other.points])
    with pytest.raises(cs.errors.ComparisonError, match="has no input 'u_x'"):
        cs.analysis.fixed_points(model, TASK, inputs={"u_x": u}, searches=2)
    with pytest.raises(cs.errors.ComparisonError, match="takes 3 channels; inputs has 2"):
        cs.analysis.fixed_points(model, TASK, inputs=u[:2], searches=2)


def test_what_does_not_fit_is_refused_with_the_cure() -> None:
    card, outputs = cs.wrap(Reader("gru", batch_first=True)), cs.wrap(Causal(), channels=CHANNELS)
    for model in (card, outputs):
        with pytest.raises(TaskError, match="one step a bin, of 10 ms; the task has bins of 20 ms"):
            cs.simulate(model, cs.tasks.from_inputs(X, bin=0.02))
        with pytest.raises(TaskError, match="channels"):
            cs.simulate(model, cs.tasks.from_inputs(X[:, :, :2], bin=0.01))
    np.testing.assert_allclose(cs.simulate(cs.wrap(Causal(), bin=0.02), cs.tasks.from_inputs(X, bin=0.02)).shape, (TRIALS, BINS, 2))
    with pytest.raises(TaskError, match="has drives, which a wrapped model does not take. Only its outputs are known"):
        cs.simulate(outputs, pushes(TASK))
    bent = cs.wrap(Leaky(bent=True), units=HIDDEN)
    with pytest.raises(TaskError, match="no linear function of its state"):
        cs.simulate(bent, pushes(TASK))
    for given, said in (
        ({"dt": 0.1}, "dt does not apply to a module of torch"), ({"units": 4, "channels": 3}, "fails on shapes"),
        ({"units": HIDDEN, "batch_first": True}, "batch_first"),
    ):  # fmt: skip
        with pytest.raises((OptionError, CardError), match=said):
            cs.wrap(Reader("gru", batch_first=True) if "dt" in given else Leaky(), **given)
    with pytest.raises(OptionError, match="give channels="):
        cs.wrap(nn.Tanh())
    with pytest.raises(CardError, match=r"should give \(trial, bin, output\)"):
        cs.wrap(nn.Flatten(), channels=3)
    with pytest.raises(OptionError, match="give its length by units="):
        cs.wrap(lorenz_like)
    with pytest.raises(CardError, match="should give \\(trial, state\\)"):
        cs.wrap(lambda x, u: x[:, :1], units=2)
    with pytest.raises(OptionError, match=r"wrap: takes a module of torch.*got int"):
        cs.wrap(3)
    with pytest.raises(OptionError, match="backend 'torch' does not apply"):
        cs.simulate(outputs, TASK, backend="torch")
    with pytest.raises(cs.errors.Diverged, match="function|output"):
        cs.simulate(cs.wrap(lambda x, u: 9e3 * x, units=1, start=np.ones(1), name="explosive"), cs.tasks.free_run(np.ones((1, 1)), 0.2))


plain = inspect.unwrap(cs.wrap)  # without the tests' own check of shapes, whose frame lies between the script and the package


def built(*, noise: str = "") -> b2.Network:
    group = b2.NeuronGroup(5, f"dr/dt = (-r + tanh(I_rec + stimulus))/slow {noise} : 1\nstimulus : 1\nI_rec : 1", method="euler", dt=1 * b2.ms)
    synapses = b2.Synapses(group, group, "w : 1\nI_rec_post = w*r_pre : 1 (summed)")
    synapses.connect()
    synapses.w = np.random.default_rng(0).normal(size=25) / 2
    return b2.Network(group, synapses)


def test_a_network_of_brian2_runs_as_its_script_would_run_it() -> None:
    b2.prefs.codegen.target = "numpy"
    slow = 20 * b2.ms  # noqa: F841 - the equations name it
    network, inputs = built(), np.random.default_rng(1).normal(size=(3, 6, 5))
    model, task = plain(network, rate="r", inputs="stimulus"), cs.tasks.from_inputs(inputs, bin=0.01)
    found = cs.simulate(model, task)
    synapses = next(part for part in network.objects if isinstance(part, b2.Synapses))
    W = np.zeros((5, 5))
    W[np.asarray(synapses.j), np.asarray(synapses.i)] = np.asarray(synapses.w)
    r, wanted = np.zeros((3, 5)), []
    for step in range(60):
        wanted += [r] if step % 10 == 0 else []
        r = r + 0.05 * (-r + np.tanh(r @ W.T + inputs[:, step // 10]))
    np.testing.assert_allclose(found.rate, np.stack(wanted, axis=1), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(cs.simulate(model, task).rate, found.rate)  # every trial begins anew
    with pytest.raises(OptionError, match="needs rate="):
        cs.wrap(network, inputs="stimulus")
    with pytest.raises(OptionError, match="rate 'rr' is a variable of one group"):
        cs.wrap(network, rate="rr")


def test_noise_of_a_brian2_network_follows_the_seed() -> None:
    b2.prefs.codegen.target = "numpy"
    slow = 20 * b2.ms  # noqa: F841 - the equations name it
    model, task = plain(built(noise="+ 0.1*xi*slow**-0.5"), rate="r"), cs.tasks.spontaneous(0.05, 2)
    first, again, other = (cs.simulate(model, task, seed=seed).rate for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 1e-6 and abs(first[0] - first[1]).max() > 1e-6


def test_pushes_of_wrapped_networks_are_compared_with_a_circuit() -> None:
    teacher, student = cs.wrap(Leaky(), units=HIDDEN), cs.wrap(Reader("gru", batch_first=True))
    pushed = pushes(TASK)
    found = cs.compare_responses(teacher, student, TASK, pushed, nulls=5)
    own = cs.compare_responses(teacher, teacher, TASK, pushed, nulls=5)
    assert all(np.isfinite(score.estimate) for score in found) and all(score.estimate == pytest.approx(1.0) for score in own)
    assert isinstance(teacher, Wrapped) and TAU_PUSH > 0


def test_wraps_of_a_network_that_has_run_and_runs_again_keep_to_themselves() -> None:
    b2.prefs.codegen.target = "numpy"
    slow = 20 * b2.ms
    group = b2.NeuronGroup(2, "dr/dt = (-r + stimulus)/slow : 1\nstimulus : 1", method="euler", dt=1 * b2.ms)
    network = b2.Network(group)
    network.run(100 * b2.ms, namespace={"slow": slow})
    first = plain(network, rate="r", inputs="stimulus")
    second = plain(network, rate="r", inputs="stimulus")
    inputs = np.zeros((2, 6, 2))
    inputs[:, 2] = 1.0  # a pulse in the third bin
    task = cs.tasks.from_inputs(inputs, bin=0.01)
    found = cs.simulate(first, task).rate
    np.testing.assert_allclose(found[0, 3], 1 - 0.95**10, rtol=1e-12)
    cs.simulate(second, cs.tasks.from_inputs(5 + inputs, bin=0.01))
    np.testing.assert_array_equal(cs.simulate(first, task).rate, found)
    network.run(50 * b2.ms, namespace={"slow": slow})
    np.testing.assert_array_equal(np.asarray(group.r), 0)  # the script's own runs hear nothing of ours
    with pytest.raises(OptionError, match="should be a multiple of the steps"):
        plain(network, rate="r", bin=0.0015)
    with pytest.raises(OptionError, match="should be a parameter of the neurons"):
        plain(network, rate="r", inputs="r")


def test_a_wrapped_group_stays_the_scripts_own() -> None:
    """The script's network takes it and goes on as if nothing had been wrapped or simulated."""
    group = b2.NeuronGroup(3, "dv/dt = (-v + I)/(10*ms) : 1\nI : 1", method="euler")
    model, task = cs.wrap(group, rate="v", inputs="I"), cs.tasks.from_inputs(np.ones((2, 5, 3)), bin=0.01)
    before = cs.simulate(model, task).rate
    network = b2.Network(group)
    group.I = 1
    network.run(10 * b2.ms)
    np.testing.assert_array_equal(cs.simulate(model, task).rate, before)
    assert float(network.t) == pytest.approx(0.01)
    network.run(10 * b2.ms)
    np.testing.assert_allclose(group.v[:], 1 - (1 - 0.01) ** 200)


def test_a_function_that_numpy_and_torch_can_run_has_fixed_points_and_exponents() -> None:
    rates = np.array([2.0, 5.0, 9.0])  # 1/s
    both = cs.wrap(lambda x, u: -(x - u) * 2.0, units=3, channels=3)
    (found,) = cs.analysis.fixed_points(both, np.linspace([0.0, 1.0, 2.0], [9.0, 8.0, 3.0], 40), inputs=rates).fixed
    np.testing.assert_allclose(found.state, rates, rtol=1e-9)
    exponents = cs.analysis.lyapunov(both, np.ones(3), duration=0.5, transient=0.1, count=3).values
    np.testing.assert_allclose(exponents, np.log(1 - 2.0 * 1e-3) / 1e-3, rtol=1e-9)  # of Euler steps of 1 ms at a rate of 2 per s


def test_a_wrapped_network_says_that_it_stays_where_it_was_made(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    net = cs.wrap(lambda x, u: -x, units=2, start=np.ones(2), name="stays")
    monkeypatch.setenv("CORTEX_SIM_DEVICE", "cuda")
    cs.simulate(net, cs.tasks.free_run(np.ones((1, 2)), 0.1))
    assert "stays: is wrapped and runs where it was made, not on the run's device 'cuda'" in capsys.readouterr().err


def test_weights_inside_a_checkpoint_are_pointed_to_and_a_pickled_module_is_refused_in_one_sentence(tmp_path: Path) -> None:
    net = torch.nn.GRU(3, 5)
    torch.save({"epoch": 3, "model": net.state_dict()}, tmp_path / "checkpoint.pt")
    with pytest.raises(CardError, match=r"Weights stand under 'model': wrap\(torch.load\(path, weights_only=True\)\['model'\]\)"):
        cs.wrap(tmp_path / "checkpoint.pt")
    assert cs.wrap(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]).units == 5
    torch.save(net, tmp_path / "whole.pt")
    with pytest.raises(FileProblem, match=r"holds no weights alone \(it would have to execute what is in the file\); write them by torch.save"):
        cs.wrap(tmp_path / "whole.pt")


def test_the_card_of_a_network_that_takes_one_step_a_bin_passes_its_check() -> None:
    check(cs.wrap(torch.nn.GRU(3, 5)))


def leaky_fire(currents: np.ndarray, *, tau: float, floor: float, steps: int, dt: float = 1e-4, refractory: int = 20) -> list[tuple[int, int, int]]:
    """Return trial, step and neuron of the spikes of leaky integrators by a loop of their own: dv/dt = (I - v)/tau, from 0, reset to a floor."""
    trials, bins, neurons = currents.shape
    v, held, found = np.zeros((trials, neurons)), np.zeros((trials, neurons), int), []
    for step in range(steps):
        free = held == 0
        v = np.where(free, v + dt / tau * (currents[:, step * bins // steps] - v), v)
        fired = (v > 1) & free
        found += [(int(trial), step, int(neuron)) for trial, neuron in np.argwhere(fired)]
        held = np.where(fired, refractory - 1, np.maximum(held - 1, 0))  # free again 2 ms after the spike
        v = np.where(fired, floor, v)
    return found


def test_spikes_of_a_script_are_those_of_its_neurons_by_group() -> None:
    b2.prefs.codegen.target = "numpy"
    langsam = 15 * b2.ms  # noqa: F841 - the equations name it
    text = "dv/dt = (strom - v)/langsam : 1 (unless refractory)\nstrom : 1"
    how = {"threshold": "v > 1", "reset": "v = -0.5", "refractory": 2 * b2.ms, "method": "euler", "dt": 0.1 * b2.ms}
    first = b2.NeuronGroup(3, text, name="aa_Zellen", **how)
    hemmend = b2.NeuronGroup(2, "dv/dt = (1.7 - v)/langsam : 1 (unless refractory)", name="zz_hemmend", **how)
    stumm = b2.NeuronGroup(4, "dx/dt = -x/langsam : 1", name="stumm", method="euler", dt=0.1 * b2.ms)  # has no threshold, and is not observed
    network = b2.Network(hemmend, first, stumm)
    network.run(7.3 * b2.ms)  # so that the clock of the script is not that of a trial
    first.v = hemmend.v = 0
    first.lastspike = hemmend.lastspike = -1 * b2.second
    currents = np.random.default_rng(5).uniform(1.2, 3.0, (4, 9, 3))
    model = plain(network, rate="spikes", inputs="strom", name="mein Netz")
    task = cs.tasks.from_inputs(currents, bin=0.01)
    found = cs.simulate(model, task)
    own = leaky_fire(currents, tau=0.015, floor=-0.5, steps=900)
    constant = leaky_fire(np.full((1, 1, 1), 1.7), tau=0.015, floor=-0.5, steps=900)
    wanted = sorted(own + [(trial, step, neuron) for trial in range(4) for _, step, _ in constant for neuron in (3, 4)])
    when, unit, trial = found.spikes
    assert sorted(zip(trial.tolist(), np.round(when / 1e-4).astype(int).tolist(), unit.tolist(), strict=True)) == wanted
    assert found.population.tolist() == ["aa_Zellen"] * 3 + ["zz_hemmend"] * 2 and found.shape == (4, 9, 5)
    assert len(own) > 40 and not found.provenance.get("rate")
    again = cs.simulate(model, task)
    np.testing.assert_array_equal(again.spikes.time, when)  # every trial begins anew
    np.testing.assert_allclose(found.binned().rate.sum() * 0.01, len(when))
    later = replace(task, start=-0.05, stop=0.04)
    np.testing.assert_allclose(cs.simulate(model, later).spikes.time, when - 0.05, atol=1e-12)
    assert cs.compare(found.smoothed(0.02), again.smoothed(0.02), nulls=5)


def test_bins_begin_where_the_script_stands_and_not_at_ticks_of_a_clock() -> None:
    b2.prefs.codegen.target = "numpy"
    inputs, found = np.array([1.0, 0.0, 2.0, 0.5])[None, :, None], []
    for before in (0.0, 7.3, 20.0):
        group = b2.NeuronGroup(1, "dr/dt = (-r + s*int(t > beginn + 4*ms))/(20*ms) : 1\ns : 1\nbeginn : second", method="euler", dt=0.1 * b2.ms)
        network = b2.Network(group)
        network.run(before * b2.ms)
        group.r, group.beginn = 0, before * b2.ms
        found.append(cs.simulate(plain(network, rate="r", inputs="s"), cs.tasks.from_inputs(inputs, bin=0.01)).rate.ravel())
    np.testing.assert_allclose(found, np.broadcast_to(found[0], (3, 4)), rtol=0, atol=1e-12)
    assert found[0][1] > 0.2


def test_spikes_of_scripts_without_neurons_that_fire_are_refused_and_a_variable_of_that_name_is_read() -> None:
    b2.prefs.codegen.target = "numpy"
    with pytest.raises(OptionError, match="rate 'spikes' is of neurons with a threshold, and no group of network has one; name a variable"):
        cs.wrap(built(), rate="spikes")
    named = b2.NeuronGroup(2, "dspikes/dt = (1 - spikes)/(10*ms) : 1", threshold="spikes > 5", reset="spikes = 0", method="euler", dt=1 * b2.ms)
    np.testing.assert_allclose(cs.simulate(cs.wrap(named, rate="spikes"), cs.tasks.spontaneous(0.05)).rate[0, :, 1], 1 - 0.9 ** (10 * np.arange(5)))
    b2.Network(named).run(1 * b2.ms)
    with pytest.raises(CardError, match="network: this group has run in a network, which alone can run it again; wrap that network"):
        cs.wrap(named, rate="spikes")
    firing = b2.NeuronGroup(2, "dv/dt = (2 - v)/(10*ms) : 1", threshold="v > 1", reset="v = 0", method="euler", dt=0.3 * b2.ms)
    with pytest.raises(OptionError, match="needs rate=, the name of a variable of its neurons: one of v, or 'spikes'"):
        cs.wrap(firing)
    with pytest.raises(OptionError, match=r"bin 10 ms should be a multiple of the steps of network, 0\.3 ms"):
        cs.wrap(firing, rate="spikes")
    quiet = b2.NeuronGroup(2, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="v = 0", method="euler", dt=1 * b2.ms)
    wrapped, task = cs.wrap(quiet, rate="spikes"), cs.tasks.spontaneous(0.05)
    still = cs.simulate(wrapped, task)
    assert still.spikes.time.size == 0 and still.counts().sum() == 0
    with pytest.raises(TaskError, match="Only its outputs are known"):
        cs.simulate(wrapped, cs.perturb.push(task, units=2, fraction=1.0, amplitude=1.0, start=0.0, duration=0.01))


def test_silenced_outputs_of_a_function_are_those_of_the_card_of_the_same_circuit(linear_circuit: Callable[..., Model]) -> None:
    W = np.random.default_rng(0).normal(size=(6, 6)) / 3
    card = linear_circuit(W, rate="x", equations="dx/dt = (-x + W(x) + drive(t, i))/tau : Hz")
    tau, dt = float(cs.simulation.time_constant(card)[0]), card.dt.si
    wrapped = cs.wrap(lambda x, u: (-x + x @ W.T) / tau, units=6, channels=0, dt=dt)
    task = cs.tasks.free_run(np.random.default_rng(1).normal(size=(3, 6)), 0.2)
    one, two = (cs.perturb.silence(task, 6, fraction=0.3, seed=seed, rate=0.5, start=0.05 * seed, duration=0.1) for seed in (1, 2))
    both = replace(one, clamps=(*one.clamps, *two.clamps))
    for asked in (one, both):
        np.testing.assert_allclose(cs.simulate(wrapped, asked).rate, cs.simulate(card, asked).rate, rtol=0, atol=1e-12)
    (clamp,) = one.clamps
    held = cs.simulate(wrapped, one).rate[:, 7][:, clamp.units]
    np.testing.assert_allclose(held, 0.5, rtol=0, atol=1e-12)
    assert np.abs(cs.simulate(wrapped, task).rate[:, 7][:, clamp.units] - 0.5).min() > 1e-3


def test_silenced_outputs_of_a_module_hold_while_they_are_silenced() -> None:
    torch.manual_seed(0)
    model, task = cs.wrap(Leaky(), units=HIDDEN), cs.tasks.from_inputs(np.random.default_rng(0).normal(size=(2, 20, CHANNELS)), bin=0.01)
    silenced = cs.perturb.silence(task, 2, fraction=0.5, seed=0, rate=3.0, start=0.05, duration=0.06)
    (clamp,), rate, free = silenced.clamps, cs.simulate(model, silenced).rate, cs.simulate(model, task).rate
    held = rate[:, 5:11][..., clamp.units]
    np.testing.assert_allclose(held, 3.0, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(rate[:, :5], free[:, :5])
    assert np.abs(rate[:, 12:] - free[:, 12:]).max() > 1e-3
    with pytest.raises(TaskError, match="holds units 7 to 7; Leaky has 2 outputs"):
        cs.simulate(model, replace(silenced, clamps=(replace(clamp, units=np.array([7])),)))
