"""A run computes on one device alone: seen on torch's device without data, since a GPU is not everywhere."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import cortex_sim as cs
from cortex_sim.cards import catalogue
from cortex_sim.errors import OptionError
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._pieces import runs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.studies._asked import perform
from cortex_sim.studies._repeated import repeat
from tests.fitting.test_device import CARDS, OneDevice, asked, student
from tests.simulation import test_closed_loop as arms


@pytest.mark.parametrize("pushed", ["", "drive", "drive and clamp"])
@pytest.mark.parametrize("name", CARDS)
def test_a_run_stays_on_its_device(name: str, pushed: str) -> None:
    model = student(name)
    twin, problem = Twin(model, model.arrays(), dtype=torch.float64, device="meta"), Problem(model, model.arrays(), asked(model, pushed=pushed).task)
    with torch.no_grad(), OneDevice():
        found = [twin.observe(run.rates) for _, run in runs(twin, problem, 2)]
    assert {part.device.type for part in found} == {"meta"} and sum(part.shape[1] for part in found) == problem.task.bins


@pytest.mark.parametrize("body", [arms.BODY, arms.TORQUES])
def test_an_arm_stays_on_the_device_too(body: arms.Body) -> None:
    model, task = arms.student(body=body), arms.asked(body, loads=arms.loads())
    twin, problem = Twin(model, model.arrays(), dtype=torch.float64, device="meta"), Problem(model, model.arrays(), task)
    with torch.no_grad(), OneDevice():
        found = [run.course for _, run in runs(twin, problem, 7)]
    assert len(found) == 3 and all(course is not None and course.postures.device.type == "meta" for course in found)


def test_a_device_is_refused_where_it_would_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    network, circuit = student("gru"), catalogue.load("montbrio_2015")
    task = asked(network).task
    assert cs.simulate(network, task, device="cpu").key == cs.simulate(network, task).key
    with pytest.raises(OptionError, match="device 'cpu' is one of torch's; montbrio_2015 runs in 'brian'"):
        cs.simulate(circuit, cs.tasks.spontaneous(0.1), device="cpu")
    with pytest.raises(OptionError, match="device 'gpu' is unknown"):
        cs.simulate(network, task, device="gpu")  # type: ignore[arg-type]
    monkeypatch.setenv("CORTEX_SIM_DEVICE", "tpu")
    with pytest.raises(OptionError, match="device 'tpu' is unknown"):
        cs.simulate(network, task)
    cs.simulate(circuit, cs.tasks.spontaneous(0.1))  # Brian2 has no device
    assert cs.simulate(network, task, device="cpu").rate.size


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_run_that_asks_for_a_gpu_says_at_once_that_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="torch sees no GPU here"):
        perform({"protocol": "match", "device": "cuda"}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_device_of_a_run_is_repeated_and_no_longer_holds_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORTEX_SIM_DEVICE", raising=False)
    protocol = tmp_path / "mine.py"
    protocol.write_text('''"""Which device?"""
import os
import cortex_sim as cs
MODEL = "montbrio_2015"
def run(model, *, seed=0, smoke=False):
    return cs.Report(title="t", question="q", answer=os.environ.get("CORTEX_SIM_DEVICE", "none"), smoke=smoke, seed=seed)
''')
    monkeypatch.setitem(os.environ, "CORTEX_SIM_DEVICE", "")
    report, _ = perform({"protocol": str(protocol), "device": "cpu"}, tmp_path / "run")
    assert report.answer == "cpu"
    monkeypatch.setenv("CORTEX_SIM_DEVICE", "tpu")
    assert repeat(tmp_path / "run").same and os.environ["CORTEX_SIM_DEVICE"] == "tpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", CARDS)
def test_a_run_on_a_gpu_gives_the_same_to_round_off(name: str) -> None:
    model = student(name)
    cpu, gpu = (cs.simulate(model, asked(model, pushed="drive").task, backend="torch", device=device).rate for device in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu, cpu, rtol=1e-9, atol=1e-9)
