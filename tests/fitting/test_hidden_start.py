"""The closed-form start of hidden units: a random encoder, the readout that undoes it, and the regression of the flow between."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.cards import Model, catalogue
from cortex_sim.errors import OptionError
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._regression import HIDDEN_RIDGES, SPREADS, begin, encodes, free_error, regressions, with_encoder
from cortex_sim.fitting._start import adapt, unit_scale
from cortex_sim.simulation import rate_of, simulate
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

UNITS, CONDITIONS, BINS = 9, 80, 30
TASK = Task("turning", 0.0, 0.01 * BINS, np.arange(CONDITIONS))
CLOSED = Options(epochs=0, hidden_start=True)


def turning() -> Trials:
    """Two planes that turn and decay, seen by nine units of very different size."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(CONDITIONS, 2)) + 1j * rng.normal(size=(CONDITIONS, 2))
    states = start[:, None] * np.exp((-2 + 2j * np.pi * np.array([1.5, 0.7])) * 0.01 * np.arange(BINS)[:, None])
    C = rng.normal(size=(4, UNITS)) * np.geomspace(0.01, 10, UNITS)
    return Trials.from_arrays(20 + np.concatenate([states.real, states.imag], axis=2) @ C, TASK.time)


def data() -> tuple[Model, TrainingData]:
    trials = turning()
    task = replace(TASK, initial=trials.rate[:, 0])
    student = adapt(catalogue.load("leaky_readout").with_arrays({}, units=60), trials, task, 3)
    return student, TrainingData(task, trials.rate, unit_scale(trials.rate))


@pytest.mark.parametrize("spread", SPREADS)
def test_the_encoder_gives_states_of_one_size_and_the_readout_restores_the_rates(spread: float) -> None:
    student, known = data()
    ready = with_encoder(student, known, spread)
    arrays = ready.arrays()
    states = known.rates @ arrays["E"].T + arrays["e"]
    np.testing.assert_allclose(states.std(axis=(0, 1)), spread, rtol=0.01)  # but for a thousandth of the variance, which is left out
    means = states.mean(axis=(0, 1))
    assert np.std(means) == pytest.approx(0.3, rel=4 / np.sqrt(2 * ready.units))
    made = rate_of(ready, states) @ arrays["C"].T + arrays["d"]
    left = ((made - known.rates) ** 2).sum(axis=(0, 1)) / ((known.rates - known.rates.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))
    assert left.max() < 0.03


def test_what_the_regression_is_given_it_finds_again() -> None:
    """A network with its encoder, that runs by itself, is its own closed form: one step of its states is that of the equation."""
    student, known = data()
    truth = with_encoder(student, known, 0.1)
    rng = np.random.default_rng(1)
    truth = truth.with_arrays({"W": 0.5 * rng.standard_normal((60, 60)) / np.sqrt(60), "b": 0.1 * rng.standard_normal(60)})
    exact = truth.with_arrays({"C": np.linalg.pinv(truth.arrays()["E"])})  # of nine rates: states of nine dimensions are told without loss
    states = known.rates @ truth.arrays()["E"].T + truth.arrays()["e"]
    step = states + 0.2 * (-states + rate_of(truth, states) @ truth.arrays()["W"].T + truth.arrays()["b"])  # 10 ms of 50 ms
    pairs = np.stack([states.reshape(-1, 60), step.reshape(-1, 60)], axis=1)
    observed = pairs @ np.linalg.pinv(truth.arrays()["E"]).T - truth.arrays()["e"] @ np.linalg.pinv(truth.arrays()["E"]).T
    inside = observed @ truth.arrays()["E"].T + truth.arrays()["e"]
    told = TrainingData(Task("steps", 0.0, 0.02, np.arange(len(pairs)), initial=observed[:, 0]), observed, known.scale)
    ((_, found),) = regressions(exact, told, (1e-12,))
    arrays = found.arrays()
    made = inside[:, 0] + 0.2 * (-inside[:, 0] + rate_of(found, inside[:, 0]) @ arrays["W"].T + arrays["b"])
    np.testing.assert_allclose(made, inside[:, 1], atol=2e-3 * inside[:, 1].std())


def test_hidden_units_begin_near_the_rates_that_they_are_to_learn() -> None:
    trials = turning()
    fitted = train(catalogue.load("leaky_readout").with_arrays({}, units=60), trials, TASK, seed=2, options=CLOSED)
    assert "closed-form regression with penalty" in fitted.began and "states of" in fitted.began
    made = simulate(fitted.model, replace(TASK, initial=trials.rate[:, 0])).rate
    scale, mean = unit_scale(trials.rate), trials.rate.mean(axis=(0, 1))
    assert (((made - trials.rate) / scale) ** 2).sum() < 0.05 * (((trials.rate - mean) / scale) ** 2).sum()
    again = train(catalogue.load("leaky_readout").with_arrays({}, units=60), trials, TASK, seed=2, options=CLOSED)
    other = train(catalogue.load("leaky_readout").with_arrays({}, units=60), trials, TASK, seed=3, options=CLOSED)
    assert again.model.key == fitted.model.key != other.model.key


def test_of_the_starts_that_are_tried_validation_chooses() -> None:
    student, known = data()
    parts = [TrainingData(known.task.select(c), known.rates[c], known.scale) for c in (np.arange(60), np.arange(60, 80))]
    first = begin(student, *parts)
    tried = [one for spread in SPREADS for _, one in regressions(with_encoder(student, parts[0], spread), parts[0], HIDDEN_RIDGES)]
    errors = [free_error(one, parts[1]) for one in tried]
    assert min(errors) < min(0.9 * max(errors), free_error(student, parts[1]))
    assert free_error(first.model, parts[1]) == min(errors)


def test_under_dales_law_hidden_units_keep_their_signs() -> None:
    trials, card = turning(), catalogue.load("leaky_readout")
    projections = {name: part.model_dump() for name, part in card.projections.items()}
    dale = card.with_arrays({}, units=60, projections=projections | {"W": projections["W"] | {"excitatory": 0.5}})
    fitted = train(dale, trials, TASK, seed=2, options=CLOSED)
    assert "closed-form" in fitted.began and (fitted.model.arrays()["W"] * fitted.model.signs("W") >= 0).all()


@pytest.mark.parametrize(
    ("card", "changes", "message"),
    [
        ("leaky_tanh", {}, "student 'leaky_tanh'"),
        ("gru", {}, "student 'gru'"),
        ("leaky_readout", {"start": "rest"}, "start 'rest'"),
        ("leaky_readout", {"closed_form": False}, "closed_form False"),
    ],
)
def test_where_there_are_no_hidden_units_to_start_it_is_refused(card: str, changes: dict[str, object], message: str) -> None:
    assert encodes(catalogue.load("leaky_readout")) and not encodes(catalogue.load("leaky_tanh"))
    with pytest.raises(OptionError, match=rf"Options.hidden_start: is of hidden units .*{message}"):
        train(catalogue.load(card), turning(), TASK, options=replace(CLOSED, **changes))  # type: ignore[arg-type]
