"""Which measure calls which systems the same, where one knows whether they are?

Reproduces  dynamical similarity on a system of three damped rotations and its images (Ostrow et al. 2023), and the known answers of centred kernel
            alignment and Procrustes shape (Kornblith et al. 2019; Williams et al. 2021), with the biases of either.
Claim       one system twice, and its images, are the same to measures that should not see the difference, to round-off or below the threshold; a
            change of frequency is seen by DSA, a faster decay hardly by DSA as published, but by its eigenvalues; averages that agree say nothing
            about the dynamics of single trials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
ANGLES, RADII = np.array([0.3, 0.7, 1.1]), np.array([0.98, 0.95, 0.90])  # of three damped rotations, rad and factor a step
NOISE, TRIALS, STEPS = 0.1, 200, 100  # of every step and axis; of single trials
CONDITIONS, REPEATS, SHOWN = 27, 40, 60  # starting states, noisy trials averaged over, and steps of the table
SMALL = {"conditions": 5, "repeats": 4, "nulls": 2, "trials": 30}  # of a smoke run
FASTER, DAMPED, WIDE = 1.3, 0.85, 20  # factors of frequency and of radii; dimensions of an embedding
NULLS = 50
SAME, UNMATCHED, TURNED, LINEAR = "same, new noise", "same, other conditions", "turned", "linear image"
EMBEDDED, CURVED, FREQUENCY, DECAY = f"in {WIDE} dimensions", "curved image", f"frequency × {FASTER:g}", "faster decay"
POSSESSED, UNRELATED = "same averages, other dynamics", "unrelated noise"
ITSELF, QUICK, ALONE = "circuit: itself", f"circuit: tau / {FASTER:g}", "circuit: unconnected"
SAMPLES = {30: 0.873, 100: 0.665, 400: 0.333}  # biased CKA of independent Gaussian data of 200 units, by samples; near 200/(200 + samples)
DRAWS = 20  # of them
PROCRUSTES, EIGENVALUES = "DSA of single trials, Procrustes", "DSA of single trials, eigenvalues"
LIKELIHOOD = "likelihood under the system (nats per sample)"
PUBLISHED = "independent implementation: {}"
THRESHOLD = "threshold of the independent implementation"
EXACT = 1e-6
SEARCHED, CYCLE = "DSA, Procrustes", "cycle consistency"


@dataclass(frozen=True)
class Known:
    """A system: averages of its conditions, and single trials of it."""

    averages: np.ndarray
    singles: np.ndarray


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Hold every measure against pairs of systems whose relation is known.

    Args:
        model: circuit whose reaches are compared with themselves, with those of a faster one, and with those of one without connections.
        seed: of every random choice.
        smoke: few conditions and surrogates: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    conditions, repeats, trials = (SMALL["conditions"], SMALL["repeats"], SMALL["trials"]) if smoke else (CONDITIONS, REPEATS, TRIALS)
    with cs.timed(seconds, "systems"):
        base, pairs = _systems(seed, conditions, repeats, trials)
    scores: list[cs.Score] = []
    with cs.timed(seconds, "measures"), cs.track("measures") as report:
        for number, (name, other) in enumerate(pairs.items()):
            report(number / len(pairs), name)
            scores += cs.measures.table(base.averages, other.averages, cs.tasks.BIN, name=name, split=f"averages of {conditions} conditions",
                            nulls=SMALL["nulls"] if smoke else NULLS, seed=seed, same_units=False)  # fmt: skip
    circuits = _circuits(model.with_arrays({}, units=min(model.units, 30)) if smoke and not model.weights else model, conditions, seed)
    with cs.timed(seconds, "circuits"), cs.track("circuits") as report:
        for number, (name, trials_) in enumerate(circuits.items()):
            report(number / len(circuits), name)
            scores += cs.measures.table(circuits[ITSELF].rate, trials_.rate, cs.tasks.BIN, name=name, split=f"{conditions} reaches",
                            nulls=SMALL["nulls"] if smoke else NULLS, seed=seed)  # fmt: skip
    with cs.timed(seconds, "single trials"), cs.track("single trials") as report:
        apart = {}
        for number, (name, other) in enumerate(pairs.items()):
            report(number / len(pairs), name)
            apart[name] = _operators_apart(base.singles, other.singles)
        known = cs.analysis.identify_linear_system(base.singles, base.singles.shape[2], passes=3 if smoke else cs.analysis.EM_PASSES)
        likely = {name: float(cs.analysis.likelihood_gain(known, base.singles, other.singles).mean()) for name, other in pairs.items()
                  if other.singles.shape[2] == base.singles.shape[2]}  # fmt: skip
    scores += _singles(apart, likely, f"{trials} single trials")
    order = list(dict.fromkeys(score.measure for score in scores))
    scores.sort(key=lambda score: order.index(score.measure))
    first = {
        name: cs.Trials.from_arrays(one.averages, cs.tasks.BIN * np.arange(SHOWN), units="1") for name, one in ({"the system": base} | pairs).items()
    }
    return cs.Report(
        title=QUESTION, question="Three damped rotations in six dimensions, and what was made of them.", answer=_answer(scores, apart),
        claims=[] if smoke else _claims(scores, apart, seed), scores=scores, pictures=_pictures(scores, first), trials=first | circuits,
        models={"circuit": model}, methods=_methods(),
        facts={"pairs": str(len(pairs) + len(circuits)), "measures": str(len(order))}, smoke=smoke,
        seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuits(model: cs.Model, conditions: int, seed: int) -> dict[str, cs.Trials]:
    """What the circuit does from its prepared states, and what two others do from there."""
    (side,) = cs.analysis.delayed_reaches(model, (conditions,), seed=seed)
    recurrent, tau = cs.simulation.recurrent_projections(model)[0], cs.simulation.drive_parameter(model)
    values = {name: part.model_dump() for name, part in model.parameters.items()}
    values[tau]["value"] = (np.asarray(values[tau]["value"]) / FASTER).tolist()
    others = {
        QUICK: model.with_arrays(model.arrays(), parameters=values),
        ALONE: model.with_arrays(model.arrays() | {recurrent: np.zeros((model.units, model.units))}),
    }
    return {ITSELF: side.trials} | {name: cs.simulate(one, side.task, seed=seed) for name, one in others.items()}


def _flow(angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    A = np.zeros((2 * len(angles), 2 * len(angles)))
    for k, (angle, radius) in enumerate(zip(angles, radii, strict=True)):
        A[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return A


def _steps(A: np.ndarray, start: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    x = np.empty((len(start), steps, len(A)))
    x[:, 0] = start
    for t in range(steps - 1):
        x[:, t + 1] = x[:, t] @ A.T + NOISE * rng.standard_normal(start.shape)
    return x


def _systems(seed: int, conditions: int, repeats: int, trials: int) -> tuple[Known, dict[str, Known]]:
    """The system, and what it is compared with; single trials are always of new noise."""
    streams = (cs.stream(seed, "circuit", "runs of identity", number) for number in count())
    rng = cs.stream(seed, "circuit", "images of a system")
    starts = {name: rng.standard_normal((conditions, 6)) for name in ("these", "others")}

    def system(A: np.ndarray, start: np.ndarray) -> Known:
        many = _steps(A, np.repeat(start, repeats, axis=0), SHOWN, next(streams))
        single = next(streams)
        return Known(many.reshape(conditions, repeats, SHOWN, 6).mean(axis=1), _steps(A, single.standard_normal((trials, 6)), STEPS, single))

    A, faster = _flow(ANGLES, RADII), _flow(FASTER * ANGLES, RADII)
    base, again, fast = system(A, starts["these"]), system(A, starts["these"]), system(faster, starts["these"])
    turn, embedding = np.linalg.qr(rng.standard_normal((6, 6)))[0], rng.standard_normal((6, WIDE))
    stretch, bent = rng.standard_normal((6, 6)), rng.standard_normal((6, WIDE)) / np.sqrt(6)
    images = {
        TURNED: lambda x: 3 * x @ turn, LINEAR: lambda x: x @ stretch, EMBEDDED: lambda x: x @ embedding, CURVED: lambda x: np.tanh(x @ bent),
    }  # fmt: skip
    each, own = trials // conditions + 1, next(streams)
    apart = _steps(faster, own.standard_normal((conditions * each, 6)), SHOWN, own).reshape(conditions, each, SHOWN, 6)
    possessed = base.averages[:, None] + apart - apart.mean(axis=1, keepdims=True)
    noise = next(streams).standard_normal((conditions, SHOWN // 6, 6))
    return base, {
        SAME: again, UNMATCHED: system(A, starts["others"]),
        **{name: Known(image(base.averages), image(again.singles)) for name, image in images.items()},
        FREQUENCY: fast, DECAY: system(_flow(ANGLES, DAMPED * RADII), starts["these"]),
        POSSESSED: Known(possessed.mean(axis=1), possessed.reshape(-1, SHOWN, 6)),
        UNRELATED: Known(np.repeat(noise, 6, axis=1), next(streams).standard_normal((trials, STEPS, 6))),
    }  # fmt: skip


def _operators_apart(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Distances of the operators of single trials, in six dimensions: Procrustes with one and with five delays, and eigenvalues."""
    found = {}
    for delays in (1, 5):
        pair = [cs.measures.delay_operator(x, delays=delays, rank=6) for x in (one, other)]
        found[f"{PROCRUSTES}, {delays} delay{'s' * (delays > 1)}"] = cs.measures.procrustes_distance(*pair)
        if delays == 1:
            found[EIGENVALUES] = cs.measures.eigenvalue_distance(*pair)
    return found


def _singles(apart: Mapping[str, Mapping[str, float]], likely: Mapping[str, float], split: str) -> list[cs.Score]:
    """The null is the pair of unrelated noise; the ceiling, the same system twice, is among the rows."""
    values = {label: {name: found[label] for name, found in apart.items()} for label in apart[SAME]} | {LIKELIHOOD: dict(likely)}
    return [
        cs.Score(label, name, split, value, "higher" if label == LIKELIHOOD else "lower",
              found[SAME] if label == LIKELIHOOD else 0.0, np.array([found[UNRELATED]]),
              "noise without dynamics in place of the other system", None, "one pair of systems; run other seeds", ceiling=found[SAME])
        for label, found in values.items() for name, value in found.items()
    ]  # fmt: skip


def _claims(scores: Sequence[cs.Score], apart: Mapping[str, Mapping[str, float]], seed: int) -> list[cs.Claim]:
    value = {(score.measure, score.student): score.estimate for score in scores}
    q1, q5 = (f"{PROCRUSTES}, {delays}" for delays in ("1 delay", "5 delays"))
    published = {SAME: (0.0054, 0.0045), TURNED: (0.0060, 0.0050), LINEAR: (0.0057, 0.0085), EMBEDDED: (0.0083, 0.0077)}
    exact = [("Procrustes angle (rad)", TURNED, 0.0), ("linear CKA, debiased", TURNED, 1.0), ("RSA", TURNED, 1.0),
             ("shape, whitened (rad)", LINEAR, 0.0),
             ("shape, whitened (rad)", EMBEDDED, 0.0), ("tangling apart", TURNED, 0.0), ("jPCA R²(M_skew) apart", TURNED, 0.0)]  # fmt: skip
    claims = [cs.Claim(f"{measure}, {name}", value[measure, name], ideal - EXACT, ideal + EXACT, "invariant by definition")
              for measure, name, ideal in exact]  # fmt: skip
    for name, known in published.items():
        for label, number in zip((q1, q5), known, strict=True):
            claims.append(cs.Claim(f"{label}: {name}", apart[name][label], 0.0, 0.02, f"{THRESHOLD}; it gave {number:g}"))
    for label, number in ((q1, 0.2235), (q5, 0.2263)):
        claims.append(cs.Claim(f"{label}: {FREQUENCY}", apart[FREQUENCY][label], 0.15, 0.3, f"{THRESHOLD}: above 0.15; it gave {number:g}"))
        ratio = apart[FREQUENCY][label] / apart[SAME][label]
        claims.append(cs.Claim(f"{label}: {FREQUENCY} over {SAME}", ratio, 10.0, np.inf, THRESHOLD))
        claims.append(cs.Claim(f"{label}: {DECAY}, all but blind", apart[DECAY][label], 0.0, 0.05, PUBLISHED.format("0.0187, 0.0162; below 0.05")))
    far = {SAME: 0.0, FREQUENCY: _rms(2 * RADII * np.sin((FASTER - 1) * ANGLES / 2)), DECAY: _rms((1 - DAMPED) * RADII)}
    for name, wanted in far.items():
        claims.append(cs.Claim(f"{EIGENVALUES}: {name}", apart[name][EIGENVALUES], wanted - 0.01, wanted + 0.01, "closed form: planted eigenvalues"))
    ideal = {score.measure: score.identical for score in scores if score.student == ITSELF}
    off = max(abs(value[measure, ITSELF] - one) for measure, one in ideal.items() if measure not in (SEARCHED, CYCLE))
    claims += [
        cs.Claim(f"{ITSELF}: largest departure by any measure but two", off, 0.0, EXACT, "by definition"),
        cs.Claim(f"{ITSELF}: {CYCLE}", value[CYCLE, ITSELF], 1 - 1e-5, 1.0, "maps there and back lose up to ten times their least penalty"),
        cs.Claim(f"{ITSELF}: {SEARCHED}", value[SEARCHED, ITSELF], 0.0, 0.02, f"found by a search; {THRESHOLD}"),
    ]
    return claims + _biases(seed)


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt((x**2).mean()))


def _biases(seed: int) -> list[cs.Claim]:
    """What measures give for data that have nothing to do with each other, and for images of random data."""
    rng = cs.stream(seed, "circuit", "independent draws")
    claims = []
    for samples, known in SAMPLES.items():
        drawn = [rng.standard_normal((2, samples, 200)) for _ in range(DRAWS)]
        biased, debiased = (np.array([cs.measures.linear_cka(a, b, debiased=way) for a, b in drawn]) for way in (False, True))
        off = 5 * float(debiased.std()) / np.sqrt(DRAWS)
        claims += [
            cs.Claim(f"biased CKA of {samples} independent samples of 200 units", biased.mean(), known - 0.01, known + 0.01, PUBLISHED.format(known)),
            cs.Claim("the same, debiased", debiased.mean(), -off, off, "0 under independence, within five standard errors"),
        ]
    x = rng.standard_normal((400, 20))
    image, turn = x @ rng.standard_normal((20, 20)), np.linalg.qr(rng.standard_normal((20, 20)))[0]
    claims.append(
        cs.Claim(
            "Procrustes angle of a turned, scaled and shifted copy", cs.measures.procrustes_angle(x, 3 * x @ turn + 1), 0.0, EXACT, "by definition"
        )
    )
    claims.append(
        cs.Claim("whitened shape of an invertible linear image", cs.measures.shape_distance(x, image, alpha=0.0), 0.0, EXACT, "by definition")
    )
    claims.append(
        cs.Claim("Procrustes angle of the same image", cs.measures.procrustes_angle(x, image), 0.1, np.pi / 2, "not invariant: sees the stretch")
    )
    return claims


def _answer(scores: Sequence[cs.Score], apart: Mapping[str, Mapping[str, float]]) -> str:
    value = {(score.measure, score.student): score.estimate for score in scores}
    q1 = f"{PROCRUSTES}, 1 delay"
    told = ", ".join(f"{name} {apart[name][q1]:.3f} and {apart[name][EIGENVALUES]:.3f}" for name in (SAME, LINEAR, FREQUENCY, DECAY, POSSESSED))
    cka = ", ".join(f"{name} {value['linear CKA, debiased', name]:.2f}" for name in (SAME, LINEAR, FREQUENCY, POSSESSED, UNMATCHED))
    return (
        f"Distance of dynamics by DSA as published and by eigenvalues: {told}. Linear CKA of averages: {cka}. Measures of averages cannot tell "
        "systems whose averages agree, and measures of matched samples call one system under other conditions unrelated."
    )


def _pictures(scores: Sequence[cs.Score], first: Mapping[str, cs.Trials]) -> dict[str, cs.Picture]:
    names, order = list(dict.fromkeys(score.student for score in scores)), list(dict.fromkeys(score.measure for score in scores))
    value = {(score.measure, score.student): score.estimate for score in scores}
    table_ = np.array([[value.get((measure, name), np.nan) for name in names] for measure in order])
    shown = {name: first[name].rate for name in (FREQUENCY, DECAY, POSSESSED) if name in first}
    return {
        "table": cs.Picture(
            cs.figures.annotated(table_, order, names, label="value; distances are negative"), "Every measure on every pair",
            "Similarities are 1 and distances 0 for one system and itself. Columns: what the system "
            "is compared with; the last three compare the circuit. Rows of single trials are of new noise, all others of averages.",
        ),
        "systems": cs.Picture(
            cs.figures.components(first["the system"].rate, shown, unit="1"), "The system and some of its companions",
            "Averages of every condition on the first two principal components of the system. The last has the same averages, and trials that "
            "move on from them otherwise.",
        ),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    x(t + 1) = A x(t) + noise of s.d. {NOISE:g}, with three damped rotations of {", ".join(map(str, ANGLES))} rad and radii
    {", ".join(map(str, RADII))}. Averages: {CONDITIONS} starting states, {REPEATS} noisy trials each, {SHOWN} steps; images are of the very averages.
    Single trials: {TRIALS} of {STEPS} steps from random states; images of a second run with new noise. "{POSSESSED}": averages are those of the
    system, and single trials depart from them, from random states on, as in the system of other frequency. Sides are taken for two coordinate
    systems: either about its mean and over its root mean square. The circuit's {CONDITIONS} reaches, unit by unit, are compared with themselves, with
    those of the same circuit {FASTER:g} times as fast, and without connections, from the same states.

    Likelihood: of single trials of the other, in the same units, under the linear system that was identified from those of the system by expectation
    maximisation, beyond that of units with a mean and a variance only. DSA: delay embeddings of rank 6, operators compared by the best of 32
    rotations found by a search, both of norm 1; eigenvalues by the best pairing, not normalised. Null of averages: conditions (or those of each
    principal component) permuted, {NULLS} times; intervals leave out one condition at a time.
    """
