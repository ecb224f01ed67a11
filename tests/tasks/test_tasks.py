"""Tasks of body and mind: what is wanted follows from what is shown, by closed forms or an independent account; and each can be learned."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards.edit._interface import embodied
from cortex_sim.errors import PlantError, TaskError
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._options import Options
from cortex_sim.simulation._simulate import move, simulate
from cortex_sim.tasks._centre_out import REACH_DISTANCE, centre_out, minimum_jerk
from cortex_sim.tasks._cycling import RADIUS, RAMP, cycling
from cortex_sim.tasks._delayed_match import delayed_match
from cortex_sim.tasks._flip_flop import PULSE, SETTLE, flip_flop
from cortex_sim.tasks._force_field import force_field
from cortex_sim.tasks._isometric import FORCE, RISE, isometric
from cortex_sim.tasks._maze import WIDE, maze
from cortex_sim.tasks._posture import TORQUE, posture
from cortex_sim.tasks._random_target import DURATION, DWELL, REACTION, random_target
from cortex_sim.tasks._recall import fastest, recall, recall_without_pause
from cortex_sim.tasks._released import released
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.body._standard import REACHING

TASKS: dict[str, Callable[[], Task]] = {
    "centre-out": lambda: centre_out(4, preparation=0.1, movement=0.6, body=REACHING),
    "random targets": lambda: random_target(3, places=1, body=REACHING),
    "maze": lambda: maze(2, preparation=0.1, body=REACHING),
    "cycling": lambda: cycling((1.5,), cycles=1, body=REACHING),
    "force field": lambda: force_field(4, preparation=0.1),
    "isometric": lambda: isometric(4),
    "posture": lambda: posture(4),
    "flip-flop": lambda: flip_flop(6, lasts=1.0),
    "delayed match": lambda: delayed_match(8, delay=0.2),
}


def heard(task: Task) -> np.ndarray:
    assert task.channels is not None
    return np.asarray(task.channels.values[:, ::10])


def test_minimum_jerk_has_its_published_peaks() -> None:
    s = np.linspace(0, 1, 100_001)
    x = minimum_jerk(s)
    v, a, j = (np.gradient(np.gradient(np.gradient(x, s), s) if n == 2 else np.gradient(x, s) if n == 1 else x, s) for n in (0, 1, 2))
    assert v.max() == pytest.approx(15 / 8, rel=1e-6) and s[v.argmax()] == pytest.approx(0.5, abs=1e-4)
    assert a[5:-5].max() == pytest.approx(10 / np.sqrt(3), rel=1e-5) and s[a[:50_000].argmax()] == pytest.approx((3 - np.sqrt(3)) / 6, abs=1e-3)
    assert np.trapezoid(j[5:-5] ** 2, s[5:-5]) == pytest.approx(720, rel=2e-3)


def test_random_targets_are_reached_in_turn_by_minimum_jerk() -> None:
    task = random_target(5, places=3, seed=2)
    path, shown, each = task.wanted.rate, heard(task), REACTION + DURATION + DWELL
    for place in range(3):
        arrived = (task.time >= place * each + REACTION + DURATION - 1e-9) & (task.time < (place + 1) * each - 1e-9)
        np.testing.assert_allclose(path[:, arrived], 5.0 * shown[:, arrived], atol=1e-9)
        moving = (task.time >= place * each + REACTION - 1e-9) & (task.time <= place * each + REACTION + DURATION + 1e-9)
        length = np.linalg.norm(np.diff(path[:, [moving.argmax(), np.flatnonzero(moving)[-1]]], axis=1)[:, 0], axis=1)
        speed = np.linalg.norm(np.gradient(path, 0.01, axis=1), axis=2)[:, moving].max(axis=1)
        np.testing.assert_allclose(speed * DURATION / length, 15 / 8, rtol=0.01)  # central differences over 20 ms
    assert np.abs(shown).max() <= 1 and not path[:, :1].any()


def test_the_maze_bends_round_either_side_by_its_width_and_ends_at_the_target() -> None:
    task = maze()
    path, angle, bend = task.wanted.rate, np.radians(task.notes["angle_deg"]), np.array(task.notes["bend"])
    assert task.trials == 27 and sorted(set(bend)) == [-1, 0, 1]
    np.testing.assert_allclose(path[:, -1], REACH_DISTANCE * np.stack([np.cos(angle), np.sin(angle)], axis=1), atol=1e-9)
    aside = -np.sin(angle)[:, None] * path[:, :, 0] + np.cos(angle)[:, None] * path[:, :, 1]
    largest = np.take_along_axis(aside, np.abs(aside).argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(largest, WIDE * bend, atol=1e-9)
    straight = [path[k] for k in range(0, 27, 3)]
    np.testing.assert_allclose(straight, centre_out(9).wanted.rate, atol=1e-9)


def test_cycling_makes_whole_turns_on_its_circle_at_its_speed_and_stops() -> None:
    task = cycling()
    path = task.wanted.rate
    np.testing.assert_allclose(np.linalg.norm(path - np.array([0, RADIUS]), axis=2), RADIUS, atol=1e-9)
    np.testing.assert_allclose(path[:, -5:], 0, atol=1e-6)
    for trial, (speed, way, lasts) in enumerate(zip(task.notes["speed_hz"], task.notes["direction"], task.notes["lasts_s"], strict=True)):
        angle = np.unwrap(np.arctan2(path[trial, :, 0], RADIUS - path[trial, :, 1]))
        assert angle[-1] / (2 * np.pi) == pytest.approx(way * task.notes["cycles"], abs=1e-6)
        steady = (task.time > RAMP) & (task.time < lasts - RAMP - 0.01)
        np.testing.assert_allclose(np.diff(angle)[steady[:-1]] / (2 * np.pi * 0.01), way * speed, rtol=1e-6)
    assert heard(task)[:, :, 1].max() == 1 and heard(task)[:, :, 1].min() == -1


def test_a_field_pushes_at_right_angles_on_its_trials_alone() -> None:
    task = force_field(4, curl=3.0, fields=[True, False, True, True])
    (load,) = task.loads
    assert load.field is not None
    velocity = np.random.default_rng(0).normal(size=(4, 2))
    force = (load.field @ velocity[..., None])[..., 0]
    np.testing.assert_allclose((force * velocity).sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(force, axis=1), 3.0 * np.linalg.norm(velocity, axis=1) * np.array([1, 0, 1, 1]))
    np.testing.assert_array_equal(task.wanted.rate, centre_out(4).wanted.rate)


def test_isometric_forces_rise_and_stay() -> None:
    task = isometric(8)
    force = np.linalg.norm(task.wanted.rate, axis=2)
    np.testing.assert_allclose(force[:, task.time >= RISE - 1e-9], FORCE, rtol=1e-12)
    assert not force[:, task.time <= 0].any() and task.body is not None and task.body.held and task.wanted.dataset.rate.attrs["units"] == "N"


def test_loads_of_posture_come_once_stay_and_can_be_held_by_the_muscles() -> None:
    task = posture(16, seed=1)
    total = sum(load.torque[:, None] * load.course[None, :, None] for load in task.loads if load.torque is not None)
    size = np.linalg.norm(np.asarray(total), axis=2)
    for trial, onset in enumerate(task.notes["onset_s"]):
        np.testing.assert_allclose(size[trial], np.where(task.fine_time >= onset - 1e-9, TORQUE, 0.0), atol=1e-12)
    muscles = REACHING.muscles
    assert muscles is not None
    q = REACHING.posture(REACHING.start(1)).q[0]
    each = np.stack([muscles.torque(row, q, np.zeros(2)) for row in np.eye(6)])
    for angle in np.arange(8) * np.pi / 4:
        wanted = -TORQUE * np.array([np.cos(angle), np.sin(angle)])
        from scipy.optimize import lsq_linear

        found = lsq_linear(each.T, wanted, bounds=(0, 1))
        assert found.cost < 1e-10 and found.x.max() < 0.5  # half of their strength is enough


def test_the_flip_flop_holds_the_last_pulse_of_each_channel() -> None:
    task = flip_flop(5, seed=3)
    shown, wanted, mask = heard(task), task.wanted.rate, task.mask
    assert mask is not None
    for trial in range(5):
        state, fresh = np.zeros(3), np.zeros(3)
        for now in range(task.bins):
            for bit in range(3):
                if shown[trial, now, bit] and (now == 0 or not shown[trial, now - 1, bit]):
                    state[bit], fresh[bit] = shown[trial, now, bit], now
            np.testing.assert_array_equal(wanted[trial, now], state)
            assert mask[trial, now] == float((now - fresh >= round(SETTLE / 0.01)).all())
    pulses = np.abs(np.diff(np.concatenate([np.zeros((5, 1, 3)), np.abs(shown)], axis=1), axis=1)).sum() / 2
    lengths = np.abs(shown).sum() / pulses
    assert lengths == pytest.approx(PULSE / 0.01, rel=0.05)  # some are cut by the end
    assert set(np.unique(shown)) == {-1.0, 0.0, 1.0}


def test_half_of_the_pairs_match_and_the_answer_says_which() -> None:
    task = delayed_match(40, stimuli=3, delay=0.3, seed=4)
    shown, match = heard(task)[:, :, :3], np.array(task.notes["match"])
    assert match.sum() == 20 and task.mask is not None
    for trial in range(40):
        seen = [int(shown[trial, now].argmax()) for now in (15, 15 + 50)]  # both half-way through
        assert (seen[0] == seen[1]) == match[trial]
    asked = task.mask[0] > 0
    np.testing.assert_array_equal(task.wanted.rate[:, asked, 0], np.where(match, 1.0, -1.0)[:, None] * np.ones(asked.sum()))
    np.testing.assert_array_equal(heard(task)[:, :, 3] > 0, task.mask > 0)
    assert not shown[:, 30:60].any()


@pytest.mark.parametrize("name", TASKS)
def test_a_network_learns_from_each_and_a_circuit_can_be_asked_it(name: str) -> None:
    task = TASKS[name]()
    options = Options(epochs=6, batch=4, rate=1e-2, validation=0, closed_form=False, start="rest")
    fitted = train(catalogue.load("leaky_readout").with_arrays({}, units=20), task.wanted, task, options=options)
    assert min(fitted.train[1:]) < fitted.train[0]
    circuit = embodied(catalogue.load("sompolinsky_1988").with_arrays({}, units=20))
    outputs = task.body.commands if task.body else task.wanted.rate.shape[2]
    channels = (0 if task.channels is None else task.channels.shape[2]) + (task.body.sensors if task.body else 0)
    asked = circuit.with_arrays({}, observed=outputs, channels=channels)
    if task.body:
        free = replace(task, body=replace(task.body, arm=replace(task.body.arm, limits=((-np.inf, np.inf),) * 2)))
        assert np.isfinite(move(asked, free)[1].made).all() and np.isfinite(move(fitted.model, free)[1].made).all()
    else:
        assert np.isfinite(simulate(asked, task).rate).all() and np.isfinite(simulate(fitted.model, task).rate).all()


def test_all_tasks_with_a_body_stay_within_its_reach() -> None:
    for task in (centre_out(16, body=REACHING), maze(body=REACHING), cycling(body=REACHING), random_target(30, body=REACHING), force_field(8)):
        assert task.body is REACHING


def test_what_cannot_be_asked_is_refused() -> None:
    for made, message in (
        (lambda: random_target(0), "random_target: 0 trials of 4 targets"),
        (lambda: maze(0), "maze: 0 targets"),
        (lambda: cycling((4.0,), cycles=1), r"cycling: 1 cycles at \[4.0\] Hz; .* cycles that last at least 0.4 s"),
        (lambda: force_field(4, fields=[True]), "fields says so for 1 trials; there are 4"),
        (lambda: isometric(8, force=0), "isometric: 8 directions of 0 N"),
        (lambda: posture(4, body=replace(REACHING, delay=None)), "posture: 4 trials of a body with 0 senses"),
        (lambda: flip_flop(3, lasts=1.005), "flip_flop: 3 trials of 3 bits and 1.005 s"),
        (lambda: delayed_match(4, stimuli=1), "delayed_match: 4 trials of 1 stimuli"),
    ):  # fmt: skip
        with pytest.raises(TaskError, match=message):
            made()
    far = replace(REACHING, home=(0.0, 0.38))
    with pytest.raises(PlantError, match=r"monkey arm: place \d+ at \(.*\) m is 0\.\d+ m from the shoulder; the arm reaches 0\.139 to 0\.429 m"):
        centre_out(8, body=far)


def test_a_held_state_is_reached_when_it_is_released() -> None:
    states, tau = np.array([[1.0, -2.0], [0.5, 3.0]]), 0.2
    held = released(states, time_constant=tau, preparation=0.3, movement=0.1, repeats=2)
    current, hold = held.drives
    x, step = np.zeros((4, 2)), held.step / 20
    for value in np.repeat(current.course, 20):  # Euler at a twentieth of the step
        if value:
            x += step / tau * (-x + value * current.pattern)
    np.testing.assert_allclose(x, states[[0, 0, 1, 1]], rtol=2 * step / tau)
    assert np.array_equal(hold.course, current.course) and hold.into == "hold" and (hold.pattern == 1).all()
    with pytest.raises(TaskError, match="should be above 0"):
        released(states, time_constant=0.0)


def test_strokes_are_recalled_a_delay_after_they_were_shown_while_the_go_signal_is_on() -> None:
    task = recall(6, delays=(0.0, 0.2, 0.5), seed=1)
    shown, go = np.split(task.channels.values[:, :: round(task.bin / task.step)], [2], axis=2)
    start, stop = task.epochs["shown"]
    for trial, delay in enumerate(task.notes["delay_s"]):
        later = round(delay / task.bin)
        np.testing.assert_allclose(task.targets.values[trial, later:], fastest() * shown[trial, : task.bins - later], atol=1e-12)
        on = (task.time >= start + delay - 1e-9) & (task.time < stop + delay - 1e-9)
        np.testing.assert_array_equal(go[trial, :, 0], on)
        assert not task.targets.values[trial, ~on].any()


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2])
def test_no_trial_of_recall_is_longer_than_asked_and_none_could_have_one_more_stroke(delay: float) -> None:
    least = 20 + round(100 * delay)
    for bins in range(least, least + 25):
        found = recall_without_pause(1, bins=bins, delay=delay)
        assert found.bins <= bins < found.bins + 10
    with pytest.raises(TaskError, match=f"recall: {least - 1} bins hold no stroke after a delay of {delay:g} s; ask for at least {least}"):
        recall_without_pause(1, bins=least - 1, delay=delay)


@pytest.mark.parametrize(("bins", "delay", "strokes"), [(500, 0.1, 48), (500, 0.2, 47), (100, 0.2, 7), (200, 0.2, 17), (10_000, 0.2, 997)])
def test_lengths_of_whole_strokes_are_kept(bins: int, delay: float, strokes: int) -> None:
    found = recall_without_pause(2, bins=bins, delay=delay, seed=3)
    assert found.bins == bins and found.key == recall(2, delays=(delay,), strokes=strokes, seed=3).key
