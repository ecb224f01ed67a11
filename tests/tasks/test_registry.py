"""Tasks by name, and on bins of any width."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import cortex_sim as cs
from cortex_sim.cli import app
from cortex_sim.tasks._registry import known


def test_every_task_is_listed_with_what_it_asks_and_found_at_the_front_door() -> None:
    listed = CliRunner().invoke(app, ["list", "tasks"]).stdout
    assert {"centre_out", "maze", "flip_flop", "random_dots", "free_run"} <= set(known())
    for name, (module, asked) in known().items():
        assert getattr(cs.tasks, name).__module__ == module and name in dir(cs.tasks)
        assert asked.endswith(".") and f"  {name} " in listed and asked in listed


def test_a_new_file_is_a_new_task(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    from cortex_sim.tasks import _registry

    (tmp_path / "_mine.py").write_text('from cortex_sim.tasks import task\n\n\n@task\ndef mine():\n    """Ask something new."""\n')
    monkeypatch.setattr(_registry, "__file__", str(tmp_path / "_registry.py"))
    assert known.__wrapped__() == {"mine": ("cortex_sim.tasks._mine", "Ask something new.")}


BINS = (0.001, 0.002, 0.005, 0.02, 0.05)


@pytest.mark.parametrize("bin", BINS)
@pytest.mark.parametrize("backend", ["brian", "torch"])
def test_a_circuit_passes_through_the_same_rates_on_any_bins(bin: float, backend: str) -> None:
    circuit = cs.load("hennequin_2014").with_arrays({}, units=12)
    fine = cs.tasks.free_run(np.random.default_rng(0).normal(size=(3, 12)), 0.2, bin=0.001)
    wanted = cs.simulate(circuit, fine, backend="torch").rate[:, :: round(bin / 0.001)]
    found = cs.simulate(circuit, fine.on_bins(bin), backend=backend)
    assert found.bin == pytest.approx(bin) and found.shape[1] == round(0.2 / bin)
    np.testing.assert_allclose(found.rate, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bin", BINS)
def test_a_spiking_circuit_fires_the_same_spikes_on_any_bins(bin: float) -> None:
    circuit, task = cs.load("lif"), cs.tasks.spontaneous(0.1)
    spikes, found = cs.simulate(circuit, task, target="numpy"), cs.simulate(circuit, task.on_bins(bin), target="numpy")
    np.testing.assert_array_equal(found.spikes.time, spikes.spikes.time)
    assert found.counts().shape[1] == round(0.1 / bin) and found.counts().sum() == spikes.spikes.time.size


@pytest.mark.parametrize("bin", [0.002, 0.005, 0.025])
def test_students_take_the_bins_of_their_data_and_learn_on_them(bin: float) -> None:
    circuit = cs.load("hennequin_2014").with_arrays({}, units=12)
    task = cs.tasks.free_run(1.5 * np.random.default_rng(0).normal(size=(30, 12)), 0.2, bin=bin)
    cortex = cs.simulate(circuit, task)
    student = cs.fit(cs.load("leaky_tanh"), cortex, task, epochs=0)
    assert abs(bin / student.dt.si - round(bin / student.dt.si)) < 1e-9
    own = cs.fit(cs.fitting.own_class(circuit, bin), cortex, task, epochs=0)
    error = cs.simulate(own, task).rate - cortex.rate
    assert 1 - (error**2).sum() / ((cortex.rate - cortex.rate.mean(axis=(0, 1))) ** 2).sum() > 0.95
    with pytest.raises(cs.errors.TaskError, match=r"task has \d+ trials|Give the task theirs: task\.on_bins"):
        cs.fit(student, cortex, replace(task, bin=0.05), epochs=0)


def test_targets_and_masks_follow_the_bins() -> None:
    task = cs.tasks.centre_out(4)
    fine, coarse = task.on_bins(0.001), task.on_bins(0.02)
    np.testing.assert_allclose(fine.targets.values[:, ::10], task.targets.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(coarse.targets.values, task.targets.values[:, ::2], rtol=0, atol=1e-12)
    assert fine.targets.attrs == task.targets.attrs and fine.wanted.bin == pytest.approx(0.001)
    masked = replace(task, mask=np.tile(np.arange(task.bins) % 2.0, (4, 1)))
    np.testing.assert_array_equal(masked.on_bins(0.005).mask, np.repeat(masked.mask, 2, axis=1))
    np.testing.assert_allclose(task.on_bins(0.01).targets.values, task.targets.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bin", [0.0, -0.01, float("nan"), 0.0015, 0.03])
def test_bins_that_do_not_fit_are_refused(bin: float) -> None:
    with pytest.raises(cs.errors.TaskError, match="should be (above 0|a finite number|a multiple of the step)|should be a whole number"):
        cs.tasks.free_run(np.ones((1, 2)), 0.1).on_bins(bin)
