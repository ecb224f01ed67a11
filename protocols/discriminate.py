"""Which push tells which of several networks works like the circuit, when all of them match its activity?

Reproduces  no figure. The push is the one that is expected to tell most of which network is right, after Atkinson & Fedorov (1975) Biometrika 62:57,
            who chose experiments so that rival models differ most. Simulated circuits of seven classes then answer it with noise.
Claim       to name the right network in 95 % of experiments, random pushes of as many sites and as much current take at least three times as many
            trials as the planned push, geometric mean over classes of circuits.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SEEDS = 120, 8, 5  # reaches taught, and pushed; draws of each circuit
SITES, JUMP, SPAN = 8, 1.0, (0.1, 0.12)  # units pushed at once; typical s.d. that one is moved by at rest; s after the go cue
BUDGET = 256  # pushed trials that are planned for
NUMBERS = TESTED * 2 ** np.arange(11)  # of pushed trials after which networks are named
DRAWS, COUNT, REPEATS = 3, 100, 50  # random pushes; experiments with each push; unperturbed trials of each reach, which the noise is measured from
MATCHING, FEWER, OFF = 0.8, 3.0, 0.02  # R² of rates from which on a network matches; times as many trials, and mean error of the closed form: bounds
OWN, LINEAR = "own mechanism", "linear"
CLOSED, OPEN = (cs.Options(epochs=epochs, patience=10, rate=5e-3) for epochs in (15, 40))
STUDENTS = {
    "leaky tanh": ("leaky_tanh", CLOSED), "Dale": ("leaky_dale", CLOSED), LINEAR: ("leaky_tanh", CLOSED), "hidden units": ("leaky_readout", OPEN),
}  # fmt: skip
HIDDEN = 100  # units
Times = Mapping[str, np.ndarray]  # by circuit, one for each draw
TIMES = "times as many pushed trials as the planned push needs"
BOUND = "bound of this protocol"
NULLS, WORTH = 200, 4  # sign flips; jobs that make one more process worth while


@threadpool_limits.wrap(limits=1)
def run(
    model: cs.Model | None,
    *,
    seed: int = 0,
    smoke: bool = False,
    recording: cs.trials.Source | None = None,
    networks: str | Path | None = None,
    rig: str | Path | None = None,
) -> cs.Report:
    """Plan the push that tells networks apart, and count the trials it takes; of a recording, write the plan.

    Args:
        model: a circuit in place of the stability-optimised one; none beside a recording.
        seed: of every random choice; the seed of each draw of the circuits is derived from it.
        smoke: one small circuit and few experiments: shows that everything runs; its numbers mean nothing.
        recording: spikes of single trials: only the plan is written, as by the protocol discriminate_recording.
        networks: folder of cards of networks that match the recording.
        rig: TOML file with what the rig of the recording can do.

    Raises:
        OptionError: networks or a rig are given without a recording, or units of the model are hidden or have several state variables.
    """
    if recording is not None or model is None:
        return cs.run("discriminate_recording", model, seed=seed, smoke=smoke, recording=recording, networks=networks, rig=rig)
    if networks is not None or rig is not None:
        raise cs.errors.OptionError("discriminate: networks and a rig belong to a recording; without one, circuits and networks are its own.")
    if model.initial or model.readout or len(model.parsed.states) > 1:
        raise cs.errors.OptionError(f"{model.name}: discriminate pushes circuits whose units are observed, with one state variable each.")
    seconds: dict[str, float] = {}
    numbers, count, draws, training = (NUMBERS[:5], 20, 1, 24) if smoke else (NUMBERS, COUNT, DRAWS, TRAINING)
    mechanism = cs.cards.catalogue.protocol("mechanism")
    seeds = [cs.seed_of(seed, "circuit", "draw of discriminate", number) for number in range(1 if smoke else SEEDS)]
    drawn = {own: {MODEL: model.with_arrays({}, units=min(20, model.units))} if smoke else mechanism.known_circuits(model, own) for own in seeds}
    with cs.timed(seconds, "circuits"):
        asked = {(name, own): (name, circuit, own, (training, TESTED)) for own in seeds for name, circuit in drawn[own].items()}
        scenes = cs.runtime.workers.map("circuits", cs.measures.Scene.of, asked, each=WORTH)
    with cs.timed(seconds, "training"):
        jobs = {key: _jobs(scene, smoke) for key, scene in scenes.items()}
        fitted = cs.fitting.train_groups({key: list(group.values()) for key, group in jobs.items()})
        students = {key: {name: one.model for name, one in zip(group, fitted[key], strict=True)} for key, group in jobs.items()}
    with cs.timed(seconds, "experiments"):
        design = cs.measures.Design(OWN, -np.inf if smoke else MATCHING, numbers.tolist(), draws, count, REPEATS)
        pushed = {key: (scene, students[key], scene.rig(jump=JUMP, sites=SITES, span=SPAN, trials=BUDGET), design) for key, scene in scenes.items()}
        kept = cs.measures.KEPT_EXPERIMENTS if cs.runtime.run_cache() else None
        found = list(cs.runtime.workers.map("experiments", cs.measures.experiments, pushed, each=WORTH, kept=kept).values())
    left_out = [f"{one.circuit}: fewer than two networks match its rates." for one in found if not one.outcomes]
    known = [one for one in found if one.outcomes]
    if not known:
        raise cs.errors.ComparisonError(f"{model.name}: fewer than two networks match its rates, so there is nothing to tell apart.")
    times = {kind: cs.measures.times_as_many(known, kind, numbers.tolist()) for kind in cs.measures.KINDS[1:]}
    plan, shown = known[0].outcomes[0].plan, scenes[known[0].circuit, known[0].seed]
    time = shown.test.task.time[pushed[known[0].circuit, known[0].seed][2].seen(shown.test.task)]
    pictures = cs.figures.experiment_pictures(known, numbers.tolist())
    pictures |= {"plan": cs.figures.plan_picture(plan, time, "unit of the rates")}
    matched = dict.fromkeys(name for one in known for name in one.matched)
    facts = {"experiments": f"{count} with each of {sum(len(one.outcomes) for one in known)} pushes"}
    facts |= {"networks that match": "; ".join(f"{name} in {sum(name in one.matched for one in known)} of {len(known)} draws" for name in matched)}
    return cs.Report(
        title=QUESTION, question=f"{len(drawn[seeds[0]])} classes of circuits, {len(seeds)} draws of each; networks that match their rates.",
        answer=_answer(known, times, numbers), findings=_findings(known, times, numbers), claims=[] if smoke else _claims(known, times),
        scores=[_times(kind, each, seed) for kind, each in times.items()] + [_share(known, kind, numbers) for kind in cs.measures.KINDS],
        tables={"plan": plan.rows, "trials needed": [row for one in known for row in one.rows(numbers.tolist())]}, pictures=pictures,
        trials={name: scene.test.trials for (name, own), scene in scenes.items() if own == seeds[0]},
        models=drawn[seeds[0]] | next(iter(students.values())),
        facts=facts, methods=_methods(), absent=left_out, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _jobs(scene: cs.measures.Scene, smoke: bool) -> dict[str, cs.fitting.Job]:
    """Return the networks that are taught a circuit's reaches, and one of its own equations that is taught states that span state space."""
    cards = {name: cs.fitting.with_time_constant_of(cs.load(card), scene.model) for name, (card, _) in STUDENTS.items()}
    side = scene.training
    jobs = {name: cs.fitting.Job(_sized(name, card), side.trials, side.task, scene.seed, STUDENTS[name][1]) for name, card in cards.items()}
    if not cs.fitting.not_own_class(scene.model) and len(scene.model.projections) == 1:
        side, closed = scene.spanning, cs.Options(epochs=0)
        jobs = {OWN: cs.fitting.Job(cs.fitting.own_class(scene.model), side.trials, side.task, scene.seed, closed)} | jobs
    return cs.fitting.shortened(jobs, 2) if smoke else jobs


def _sized(name: str, card: cs.Model) -> cs.Model:
    card = card.with_arrays({}, units=HIDDEN) if card.initial else card
    return card.with_arrays({}, name=LINEAR, equations=card.equations.replace("tanh(x)", "x")) if name == LINEAR else card


def _times(kind: str, times: Times, seed: int) -> cs.Score:
    logs = np.array([np.log(values).mean() for values in times.values()])
    over = cs.statistics.mean_over("circuits", logs)
    signs = cs.stream(seed, "null", "signs of discriminate", kind).choice([-1, 1], (NULLS, len(logs)))
    interval = over["interval"] and (float(np.exp(over["interval"][0])), float(np.exp(over["interval"][1])))
    by = {name: float(np.exp(mean)) for name, mean in zip(times, logs, strict=True)}
    return cs.Score(
        TIMES, kind, f"{sum(map(len, times.values()))} draws of {len(logs)} circuits", float(np.exp(over["estimate"])), "higher", 1.0,
        np.exp((signs * logs).mean(axis=1)), "the two kinds of push exchanged in random circuits", interval, over["interval_over"],
        ceiling_reason="no push is known to need the fewest trials", settings={"circuits": by},
    )  # fmt: skip


def _share(found: Sequence[cs.measures.Verdicts], kind: str, numbers: np.ndarray) -> cs.Score:
    place = min(int(np.searchsorted(numbers, BUDGET)), len(numbers) - 1)
    right = [(one.circuit, np.mean([outcome.right[place] for outcome in one.outcomes if outcome.kind == kind])) for one in found]
    by = {name: float(np.mean([share for circuit, share in right if circuit == name])) for name, _ in right}
    over, chance = cs.statistics.mean_over("circuits", np.array(list(by.values()))), np.array([np.mean([1 / len(one.matched) for one in found])])
    return cs.Score(
        f"share of experiments with {numbers[place]} pushed trials that name the right network", kind, f"{len(found)} draws of {len(by)} circuits",
        over["estimate"], "higher", 1.0, chance, "a network drawn at random", over["interval"], over["interval_over"],
        ceiling_reason="1 where trials suffice", settings={"circuits": by},
    )  # fmt: skip


def _mean(times: Times) -> float:
    return float(np.exp(np.mean([np.log(values).mean() for values in times.values()])))


def _claims(found: Sequence[cs.measures.Verdicts], times: Mapping[str, Times]) -> list[cs.Claim]:
    share, expected = cs.measures.mean_errors(found)
    text, closed = "random pushes: times as many trials as the planned push, geometric mean over circuits", "Gaussian log-likelihood ratio"
    return [
        cs.Claim(text, _mean(times[cs.measures.RANDOM]), FEWER, np.inf, BOUND),
        cs.Claim("mean error rate between pairs, found minus expected in closed form", share - expected, -OFF, OFF, f"{closed}, noise as measured"),
    ]


def _answer(found: Sequence[cs.measures.Verdicts], times: Mapping[str, Times], numbers: np.ndarray) -> str:
    needed = np.median([one.needed(cs.measures.PLANNED, numbers.tolist()) for one in found])
    random, along, strongest = (_mean(times[kind]) for kind in (cs.measures.RANDOM, cs.measures.ALONG, cs.measures.STRONGEST))
    less = [f"{name} ({_mean({name: each}):.1f})" for name, each in times[cs.measures.RANDOM].items() if _mean({name: each}) < FEWER]
    where = f" Random pushes take less than {FEWER:g} times as many in {', '.join(less)}." if less else ""
    return (
        f"The push that is planned from the networks' own predictions names the right one in {cs.measures.CONFIDENT:.0%} of experiments after "
        f"{needed:.0f} pushed trials (median of {len(found)} draws of circuits). Random pushes of as many sites take {random:.1f} times as many, "
        f"equally strong ones along the leading components {along:.1f} times, the push with the strongest response {strongest:.1f} times.{where}"
    )


def _findings(found: Sequence[cs.measures.Verdicts], times: Mapping[str, Times], numbers: np.ndarray) -> dict[str, str]:
    share, expected = cs.measures.mean_errors(found)
    never = {kind: sum(not np.isfinite(one.needed(kind, numbers.tolist())) for one in found) for kind in cs.measures.KINDS}
    worse = [f"{name} ({kind}, {_mean({name: each}):.2f})" for kind, by in times.items() for name, each in by.items() if _mean({name: each}) < 1]
    nearest = sorted({one.circuit for one in found if one.right != OWN})
    stated = [one.outcomes[0].plan.needed / one.needed(cs.measures.PLANNED, numbers.tolist()) for one in found if one.right == OWN]
    enough = f" The number of trials that a plan states is {np.median(stated):.1f} times the number found (median)." if stated else ""
    return {
        "Where the plan does not help": f"Times as many trials where another push needs fewer: {', '.join(worse) or 'nowhere'}. Of {len(found)} "
        f"draws, {numbers[-1]} trials do not suffice in {', '.join(f'{count} ({kind})' for kind, count in never.items())}: a wrong network answers "
        "that push more as the circuit does, or all answer alike.",
        "Error rates in closed form": f"Between pairs the wrong network is preferred in {share:.3f} of experiments; {expected:.3f} were expected "
        f"from the true response, those of the networks, and the noise of {REPEATS} unperturbed trials of each reach.{enough}",
        "Which network is right": "That of the circuit's own equations, taught states that span state space; in "
        f"{', '.join(nearest) or 'no circuit'}, where there is none, the one with the nearest responses to random pushes, without noise.",
    }


def _methods() -> str:
    m, last = cs.measures, 1e3 * (SPAN[1] - SPAN[0])
    return f"""
    The push goes into {SITES} units for {last:g} ms, with at most the current that moves a unit at rest by {JUMP:g} typical standard deviation.
    From n pushed trials and as many unperturbed ones, spread over conditions, the log-likelihood ratio of two networks is Gaussian; its d'
    follows from the difference of their responses and the covariance of single trials, a product of one over bins and one over units. The
    planned push maximises a lower bound on the mutual information between which network is right and the data (Kolchinsky & Tracey 2017, Entropy
    19:361): from leading eigenvectors of the covariance of linearised responses between networks, by exchange of sites, then by the gradient of
    the full responses.

    Circuits are those of the protocol mechanism, {SEEDS} draws each, with {TRAINING} reaches to teach from and {TESTED} during which they are pushed.
    Networks: tanh units, also under Dale's law, linear units, and {HIDDEN} hidden units, each taught reaches; and the circuit's own equations,
    if these have one projection, fitted to states that span state space. Those with an R² of held-out rates of at least {MATCHING:g} are to be
    told apart. Units fire as Poisson processes about {m.BASE:g} Hz, with {m.DEPTH:g} Hz for a typical standard deviation, and share fluctuations
    of {m.SHARED:g} Hz in each of three leading components that last {1e3 * m.LASTING:g} ms. Noise is measured from {REPEATS} unperturbed trials
    of each reach; the network with the largest likelihood is named.

    Beside the plan stand the push with the strongest mean response of the networks; random sites and signs with the largest current; and random
    directions within the leading components, as strong over all units, which is more than such a rig can do. The number of trials needed is
    interpolated between those tried; one that is not reached counts as {NUMBERS[-1]}. Means over circuits are geometric.
    """
