"""Which push of a recorded cortex would tell which of several networks, all of which match its activity, works like it?

Reproduces  no figure. The plan of the protocol discriminate for networks that match a recording of single trials: which units to push, with what
            current, what each network expects, and how many trials tell.
Claim       none: nobody has pushed this cortex yet. In simulated circuits `discriminate` counts how far such plans hold.
"""

from pathlib import Path

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
SMOOTHED, WINDOW = 0.025, (-0.3, 0.4)  # s; s from the event of the recording
SITES, JUMP, SPAN, LASTS, BUDGET = 8, 1.0, (0.1, 0.12), 0.2, 256  # without a rig: units, typical s.d., s, s that are compared, pushed trials
RANDOM = 20  # random pushes of the same rig
MOST, MATCHING = 1e9, 0.8  # trials: what counts as never; R² of averages below which a network does not match
TAUGHT = {"leaky tanh": "leaky_tanh", "Dale": "leaky_dale", "hidden units": "leaky_readout"}
HIDDEN, OPTIONS = (
    100,
    cs.Options(epochs=300, rate=1e-2, patience=300, validation=0, closed_form=False),
)  # units; nothing is held out: all should match


def run(
    model: cs.Model | None = None,
    *,
    recording: cs.trials.Source,
    seed: int = 0,
    smoke: bool = False,
    networks: str | Path | None = None,
    rig: str | Path | None = None,
) -> cs.Report:
    """Plan the push that tells networks apart which match a recording.

    Args:
        model: none: networks are cards in a folder.
        recording: single trials: spikes, or rates that are not smoothed.
        seed: of every random choice.
        smoke: few epochs and pushes: shows that everything runs; its numbers mean nothing.
        networks: folder of cards of networks; those that do not match the recording are left out if two others do. Three are taught its averages if
            it is omitted.
        rig: TOML file with what the rig can do; usual values if omitted.

    Raises:
        OptionError: a model is given, the recording holds averages, or the rig is impossible.
        NotFound: there are not two networks in the folder.
        TrialsError: the recording does not cover the window.
    """
    if model is not None:
        raise cs.errors.OptionError(
            f"discriminate_recording takes either a circuit or a recording: {model.name} beside one belongs into the folder of networks."
        )
    path, seconds = cs.trials.Recording.of(recording), dict[str, float]()
    single, averages = cs.trials.binned_and_averaged(path, WINDOW, SMOOTHED)
    units, task = averages.shape[2], cs.tasks.recorded_conditions(averages)
    with cs.timed(seconds, "training"):
        known = _taught(averages, task, seed, smoke) if networks is None else cs.measures.networks_in(networks, units)
    fits = cs.measures.fits_of(known, task, averages)
    matching = {name: network for name, network in known.items() if fits[name] >= MATCHING}
    left = [f"{name}: does not match, R² of the averages {fits[name]:.2f}." for name in known if len(matching) > 1 and name not in matching]
    known = matching if len(matching) > 1 else known
    can = _usual(averages, task, known) if rig is None else cs.measures.read_rig(rig, averages.population)
    noise = cs.statistics.TrialNoise.of(single.rate[:, can.seen(task)], single.condition)
    with cs.timed(seconds, "plan"):
        plan, rng = cs.measures.plan_push(known, task, noise, can), cs.stream(seed, "task", "random pushes of discriminate_recording")
        pushes = [cs.measures.random_push(can, rng) for _ in range(3 if smoke else RANDOM)]
        random = [cs.measures.planned(known, task, noise, can, currents) for currents in pushes]
    times = np.array([min(one.needed, MOST) / min(plan.needed, MOST) for one in random])
    facts = {"R² of the averages": ", ".join(f"{name} {fit:.2f}" for name, fit in fits.items())}
    facts |= {"expected information": f"{plan.information:.2f} of {np.log(len(known)):.2f} nats from {can.trials} pushed trials"}
    facts |= {"rig": f"{can.sites} sites of {((can.low < 0) | (can.high > 0)).sum()}, {1e3 * can.span[0]:g} to {1e3 * can.span[1]:g} ms"}
    return cs.Report(
        title=QUESTION, question=f"{len(known)} networks and the recording {path.name}: {units} units, {len(averages.rate)} conditions.",
        answer=_answer(plan, times, fits), scores=[_score(times, plan)], tables={"plan": plan.rows}, facts=facts, methods=_methods(single, can),
        pictures={"plan": cs.figures.plan_picture(plan, task.time[can.seen(task)], "Hz")}, trials={"recording": averages}, models=known,
        smoke=smoke, seed=seed, seconds=seconds,
        absent=["Experiments: nobody has pushed this cortex yet, so nothing can be claimed of the plan.", *left],
    )  # fmt: skip


def _usual(averages: cs.Trials, task: cs.Task, known: dict[str, cs.Model]) -> cs.measures.Rig:
    """Return a rig that can push any unit, as far as moves it by a typical standard deviation at rest."""
    tau = float(np.median([np.median(cs.simulation.time_constant(network)) for network in known.values()]))
    current = JUMP * float(np.median(averages.rate.std(axis=(0, 1)))) * tau / (SPAN[1] - SPAN[0])
    units, until = averages.shape[2], min(SPAN[0] + LASTS, task.stop)
    return cs.measures.Rig.of(units, current=current, sites=min(SITES, units), span=SPAN, until=until, trials=BUDGET)


def _taught(averages: cs.Trials, task: cs.Task, seed: int, smoke: bool) -> dict[str, cs.Model]:
    """Return networks that are taught all condition averages."""
    cards = {name: cs.load(card) for name, card in TAUGHT.items()}
    cards = {name: card.with_arrays({}, units=HIDDEN) if card.initial else card for name, card in cards.items()}
    jobs = {name: cs.fitting.Job(card, averages, task, seed, OPTIONS) for name, card in cards.items()}
    return {name: one.model for name, one in cs.fitting.train_many(cs.fitting.shortened(jobs, 2) if smoke else jobs).items()}


def _answer(plan: cs.measures.Plan, times: np.ndarray, fits: dict[str, float]) -> str:
    sites, (first, second) = ", ".join(str(row["unit"]) for row in plan.rows), plan.hardest
    far = [f"{name} ({fits[name]:.2f})" for name in plan.students if fits[name] < MATCHING]
    poor = f" Not all match the recording; R² of its averages is below {MATCHING:g} for {', '.join(far)}." if far else ""
    return (
        f"Push the units {sites} with the currents of the table. After {np.ceil(plan.needed):.0f} pushed trials, and as many without, the wrong "
        f"network is expected to be named in 5 % of experiments at most, whichever is right; random pushes of the same rig need "
        f"{np.median(times):.1f} times as many (median). {first!r} and {second!r} are hardest to tell apart. If none is right, the nearest is "
        f"named.{poor}"
    )


def _score(times: np.ndarray, plan: cs.measures.Plan) -> cs.Score:
    over = cs.statistics.mean_over("random pushes", np.log(times))
    interval = over["interval"] and tuple(float(np.exp(end)) for end in over["interval"])
    return cs.Score(
        "times as many pushed trials as the planned push needs, expected", "random sites", f"{len(times)} pushes", float(np.exp(over["estimate"])),
        "higher", 1.0, None, "expected in closed form; nothing was measured", interval, over["interval_over"],
        ceiling_reason="no push is known to need the fewest trials", settings={"planned": plan.needed, "information": plan.information},
    )  # fmt: skip


def _methods(single: cs.Trials, can: cs.measures.Rig) -> str:
    return f"""
    Networks start from the averages' first bin, and hear target and hold channels if the conditions are directions. The noise is that of
    {single.shape[0]} single trials about the averages of their conditions, in bins of {1e3 * single.bin:g} ms that are not smoothed, from the push to
    {1e3 * can.until:g} ms: a covariance over bins times one over units, shrunk towards its diagonal. Units that pause or burst make it larger.

    The push maximises a lower bound on the mutual information between which network is right and the responses (Kolchinsky & Tracey 2017, Entropy
    19:361), for {can.trials} pushed trials spread over the conditions and as many without a push: from leading eigenvectors of the covariance of
    linearised responses between networks, by exchange of sites, then by the gradient of the full responses through the networks. A current of 1 Hz,
    if it lasts, moves a unit that hears no others by 1 Hz times its gain; what current or light does so is the experimenter's to calibrate.
    """
