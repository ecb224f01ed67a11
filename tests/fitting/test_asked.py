"""Students by name and by file: which weights they begin with, how they are trained, and what they are called."""

from pathlib import Path

import numpy as np
import pytest
import torch

import cortex_sim as cs
from cortex_sim.errors import CortexSimError, NotFound, OptionError
from cortex_sim.fitting._asked import asked_students
from cortex_sim.fitting._options import Options

OWN = {
    "leaky tanh": ("leaky_tanh", Options(epochs=3, rate=1e-3)), "hidden units": ("leaky_readout", Options(epochs=4, hidden_start=True)),
    "GRU": ("gru", Options(epochs=5, rate=1e-2)),
}  # fmt: skip
UNITS, BINS = 6, 12
RNG = np.random.default_rng(4)


def asked(which: object, **changes: object) -> dict[str, tuple[cs.Model, Options]]:
    return asked_students(which, OWN, ("leaky tanh",), **{"observed": UNITS, "taken": ("untrained",)} | changes)  # type: ignore[arg-type]


def gru(path: Path) -> Path:
    """Write the weights of a GRU of torch, whose numbers of inputs and outputs have nothing to do with what it will learn."""
    torch.manual_seed(1)
    rnn, out = torch.nn.GRU(3, 11, batch_first=True), torch.nn.Linear(11, 2)
    torch.save({f"rnn.{n}": v for n, v in rnn.state_dict().items()} | {f"out.{n}": v for n, v in out.state_dict().items()}, path)
    return path


def taught() -> tuple[cs.Trials, cs.Task]:
    """Return rates around 40 Hz, and a task that starts from their first bin."""
    time = 0.01 * np.arange(BINS)
    rates = 40 + 8 * np.cos(2 * np.pi * (time[None, :, None] / 0.3 + RNG.random((8, 1, UNITS))))
    trials = cs.Trials.from_arrays(rates, time, condition=np.arange(8))
    return trials, cs.tasks.recorded_conditions(trials)


def recurrent(model: cs.Model) -> dict[str, np.ndarray]:
    return {name: model.arrays()[name] for name in cs.simulation.recurrent_projections(model)}


def test_names_of_the_protocol_of_cards_and_of_files_mix(tmp_path: Path) -> None:
    gru(tmp_path / "Größe, 7 Einheiten.pt")
    file = str(tmp_path / "Größe, 7 Einheiten.pt")  # a comma in a name is no separator
    assert list(asked("default")) == ["leaky tanh"] == list(asked(("default",)))
    assert list(asked("all")) == [*OWN]
    assert list(asked(["GRU, elman_1990", file])) == ["GRU", "elman_1990", "Größe, 7 Einheiten"]
    assert list(asked("all,leaky_relu")) == [*OWN, "leaky_relu"]
    for name, (card, options) in OWN.items():
        assert asked("all")[name] == (cs.load(card), options)


def test_a_student_goes_on_from_its_weights_and_its_controls_do_not(tmp_path: Path) -> None:
    card = cs.wrap(gru(tmp_path / "mine.pt"))
    card.save(tmp_path / "mine.toml")
    trials, task = taught()
    for file in ("mine.pt", "mine.toml", "mine.safetensors"):
        found = asked(str(tmp_path / file))
        student, options = found["mine"]
        assert options == Options(epochs=5, rate=1e-2, closed_form=False)  # those of a GRU, which has no closed form either
        jobs = cs.fitting.with_controls(found, trials, task, shuffled=Options(epochs=0, closed_form=False), seed=2)
        begun = {name: cs.fitting.train(job.model, trials, task, seed=2, options=Options(epochs=0, closed_form=False)) for name, job in jobs.items()}
        assert begun["mine"].began == "the weights of its card" and begun["untrained"].began == "untrained weights"
        for name, W in recurrent(card).items():
            np.testing.assert_array_equal(recurrent(begun["mine"].model)[name], W)
            for control in ("untrained", "shuffled"):
                assert abs(recurrent(begun[control].model)[name] - W).max() > 0.1
        arrays, rest = begun["mine"].model.arrays(), trials.rate.reshape(-1, UNITS).mean(axis=0)
        assert abs(arrays["E_start"] @ rest + arrays["e_start"]).max() < 1  # rates of 40 Hz do not saturate it
        assert cs.simulate(begun["mine"].model, task).rate.shape == trials.rate.shape
    assert student.units == 11


def test_a_student_of_one_unit_a_neuron_keeps_weights_that_fit_and_says_where_they_do_not(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trials, task = taught()
    cs.fit(cs.load("leaky_tanh"), trials, task, epochs=0).save(tmp_path / "Äpfel.toml")
    capfd.readouterr()
    student, options = asked(str(tmp_path / "Äpfel.toml"))["Äpfel"]
    assert options == Options(epochs=3, rate=1e-3, closed_form=False) and not capfd.readouterr().err
    np.testing.assert_array_equal(cs.fit(student, trials, task, options=options, epochs=0).arrays()["W"], student.arrays()["W"])
    _, options = asked(str(tmp_path / "Äpfel.toml"), observed=9)["Äpfel"]
    assert options == OWN["leaky tanh"][1]
    said = capfd.readouterr().err
    assert "student 'Äpfel': its weights are of 6 units, and 9 are to be matched, one for each; it is trained from untrained weights." in said


@pytest.mark.parametrize(("which", "said"), [
    ("nobody", "students: 'nobody' is unknown. "),
    ("gru.pth", r"A file of your own ends in \.toml, \.safetensors, \.pt\."),
    ("Gru", r"Did you mean 'GRU'\?"),
    ("nobody.toml", r"students: nobody\.toml: there is no such file"),
    ("hennequin_2014", "students: hennequin_2014 is no card of kind 'rnn'; students are networks"),
    ("lif", "students: lif is no card of kind 'rnn'"),
    ("default, ,", None),
    (" , ", "names none; give 'default', 'all', or the path of a card"),
    ("gru, gru", "tables have a student called 'gru' already; give this one another name"),
])  # fmt: skip
def test_refusals_say_what_would_be_right(which: str, said: str | None) -> None:
    if said is None:
        assert list(asked(which)) == ["leaky tanh"]
        return
    with pytest.raises(CortexSimError, match=said):
        asked(which)


def test_a_student_that_cannot_start_cannot_learn_or_takes_a_name_is_refused(tmp_path: Path) -> None:
    rnn, out = torch.nn.LSTM(3, 5, batch_first=True), torch.nn.Linear(5, 2)
    torch.save({f"rnn.{n}": v for n, v in rnn.state_dict().items()} | {f"out.{n}": v for n, v in out.state_dict().items()}, tmp_path / "l.pt")
    with pytest.raises(
        OptionError, match=r"student 'l' cannot start from the rates of the first bin: .*cs\.fit\(student, trials, task, start='rest'\)"
    ):
        asked(str(tmp_path / "l.pt"))
    text = cs.cards.catalogue.find("leaky_tanh").read_text()
    (tmp_path / "fixed.toml").write_text(text.replace("learn = true", "learn = false"))
    with pytest.raises(OptionError, match=r"'fixed': none of its projections is learned; say learn = true in \[projections\.…\]"):
        asked(str(tmp_path / "fixed.toml"))
    (tmp_path / "untrained.toml").write_text(text)
    with pytest.raises(OptionError, match="tables have a student called 'untrained' already"):
        asked(str(tmp_path / "untrained.toml"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/GRU.toml").write_text(text)
    with pytest.raises(OptionError, match="a student called 'GRU' already"):
        asked(str(tmp_path / "a/GRU.toml"))
    with pytest.raises(NotFound, match="there is no such file"):
        asked(str(tmp_path / "gone.pt"))


def test_a_protocol_shows_it_under_its_name(tmp_path: Path) -> None:
    time = 0.01 * np.arange(-30, 40)
    rates = 40 + 8 * np.cos(2 * np.pi * (time[None, :, None] / 0.3 + RNG.random((4, 1, UNITS))))
    cs.Trials.from_arrays(rates, time, condition=np.arange(4), units="Hz").save(tmp_path / "Versuch 3.nc")
    file = gru(tmp_path / "Größe, 7.pt")
    report = cs.run("match", recording=str(tmp_path / "Versuch 3.nc"), students=str(file), smoke=True)
    shown = {score.student for score in report.scores}
    assert "Größe, 7" in shown and {"untrained", "shuffled"} < shown and not {"leaky tanh", "GRU"} & shown
    moved = max(abs(W - recurrent(cs.wrap(file))[name]).max() for name, W in recurrent(report.models["Größe, 7"]).items())
    assert 0 < moved <= 2 * 1.5 * 1e-2  # two steps of Adam, each about the rate


def test_models_of_python_are_students_beside_names(tmp_path: Path) -> None:
    card = cs.wrap(gru(tmp_path / "mine.pt"))
    found = asked([card, "GRU"])
    assert list(found) == ["mine", "GRU"] and found["mine"][0].key == asked([str(tmp_path / "mine.pt")])["mine"][0].key
    with pytest.raises(OptionError, match="tables have a student called 'mine' already"):
        asked([card, card])
    with pytest.raises(OptionError, match=r"match: students \[1\] should be a text or Model \(got GRU\(3, 4\)\)"):
        cs.run("match", students=["GRU", torch.nn.GRU(3, 4)], smoke=True)
