"""A run that is killed at any moment is gone on with, to the same numbers; what it taught is not taught again."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.fitting import _side_by_side as side_by_side
from cortex_sim.fitting._fit import Fitted, train
from cortex_sim.fitting._kept import load_fitted, save_fitted
from cortex_sim.simulation import _simulate as simulation
from tests.kills import PROTOCOL, RESULTS

ROOT = Path(__file__).parents[1]
WAITS = 10.0  # s


LONG = [pytest.param(kind, 200, marks=pytest.mark.long) for kind in ("run", "study")]


@pytest.mark.parametrize(("kind", "kills"), [("run", 3), *LONG])
def test_what_is_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path, kind: str, kills: int) -> None:
    command = [sys.executable, "-m", "tests.kills", kind, str(tmp_path), str(kills), str(kills // 100 + 1)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["kills"] == kills and found["wrong"] == []
    assert found["last"] < found["seconds"] + WAITS  # nobody waits for what a killed process held


def test_what_was_simulated_and_taught_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "learn.py").write_text(PROTOCOL)
    taught: list[str] = []
    simulated: list[str] = []
    stop = True

    def counted(model: cs.Model, *rest: object, **how: object) -> Fitted:
        if stop and len(taught) == 2:
            raise KeyboardInterrupt
        taught.append(model.name)
        return train(model, *rest, **how)  # type: ignore[arg-type]

    def simulate(model: cs.Model, *rest: object, original: object = simulation._simulated) -> object:
        simulated.append(model.kind)
        return original(model, *rest)  # type: ignore[operator]

    monkeypatch.setattr(side_by_side, "train", counted)
    monkeypatch.setattr(simulation, "_simulated", simulate)
    monkeypatch.setattr(simulation, "WORTH", 0.0)
    with pytest.raises(KeyboardInterrupt):
        cs.run(str(tmp_path / "learn.py"), out=tmp_path / "run")
    assert len(list((tmp_path / "run/.kept/students").iterdir())) == 2 == len(taught) and "rate" in simulated
    stop, simulated[:] = False, []
    cs.run(str(tmp_path / "learn.py"), out=tmp_path / "run", resume=True)
    assert len(taught) == 3 and "rate" not in simulated
    cs.run(str(tmp_path / "learn.py"), out=tmp_path / "whole")
    assert all((tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in RESULTS)


@pytest.mark.parametrize(
    ("card", "rule"), [("leaky_tanh", "bptt"), ("leaky_tanh", "curbd"), ("gru", "bptt"), ("leaky_dale", "bptt"), ("leaky_readout", "force")]
)
def test_a_student_comes_back_to_the_bit(tmp_path: Path, card: str, rule: str) -> None:
    time = 0.01 * np.arange(12)
    rates = 5 + np.random.default_rng(0).normal(size=(6, 12, 4)).cumsum(axis=1)
    trials, task = cs.Trials.from_arrays(rates, time), cs.Task("free", 0.0, 0.12, condition=np.arange(6))
    fitted = train(cs.load(card), trials, task, options=cs.Options(epochs=2), rule=rule)
    save_fitted(tmp_path / "a.safetensors", fitted)
    found = load_fitted(tmp_path / "a.safetensors")
    for name in vars(fitted):
        one, other = getattr(fitted, name), getattr(found, name)
        if isinstance(one, cs.Model):
            assert one.key == other.key and list(one._arrays) == list(other._arrays) and one.name == other.name
            assert all(array.tobytes() == other.arrays()[key].tobytes() for key, array in one.arrays().items())
        elif isinstance(one, np.ndarray):
            assert one.tobytes() == other.tobytes()
        else:
            assert one == other and type(one) is type(other), name
    assert str(found) == str(fitted)
