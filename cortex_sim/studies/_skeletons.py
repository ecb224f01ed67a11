"""Commented skeletons of a protocol and of a card, which run as they are written."""

import keyword
import sys
from pathlib import Path

from cortex_sim.errors import OptionError
from cortex_sim.runtime import check_new, write_text

PROTOCOL = '''"""Does a network trained on a circuit answer a push as the circuit does?

Reproduces  name the paper and the figure here.
Claim       say beforehand what should come out, as a number with bounds.
"""

import cortex_sim as cs

QUESTION = __doc__.split("\\n")[0]
MODEL = "hennequin_2014"  # the shipped card it runs on; `--model` takes another
TRAINING, TEST, EPOCHS = 120, 27, 20  # conditions, conditions, and epochs
PUSHED = 0.1  # share of the units


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train a student on the circuit's reaches, and push both.

    Args:
        model: circuit whose units are observed.
        seed: of every random choice.
        smoke: small and short; its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    circuit = model.with_arrays({}, units=min(model.units, 20)) if smoke else model
    training, test = cs.reaches(circuit, training=24 if smoke else TRAINING, test=8 if smoke else TEST, seed=seed)
    with cs.timed(seconds, "simulation"):
        cortex, held_out = (cs.simulate(circuit, task, seed=seed) for task in (training, test))
    with cs.timed(seconds, "training"):
        student = cs.fit(cs.load("leaky_tanh"), cortex, training, seed=seed, epochs=2 if smoke else EPOCHS)
    with cs.timed(seconds, "comparison"):
        copy = cs.simulate(student, test, seed=seed)
        compared = cs.compare(held_out, copy, training=cortex, name="leaky tanh")
        compared += cs.compare_responses(circuit, student, test, cs.perturb.push(test, fraction=PUSHED, amplitude=4.0, seed=seed), name="leaky tanh")
    rates, push = (next(score for score in compared if score.measure.startswith(name)) for name in ("R² of rates", "response to push"))
    time, unit = held_out.time, int(held_out.rate.std(axis=(0, 1)).argmax())
    drawn = cs.figures.curves(time, {"circuit": held_out.rate[0, :, unit], "student": copy.rate[0, :, unit]}, xlabel="time (s)", ylabel="rate (Hz)")
    return cs.Report(
        title=QUESTION, question=f"{circuit.title}: a student of {student.units} units.",
        answer=f"The student explains {rates.estimate:.2f} of the held-out rates and {push.estimate:.2f} of the response to a push.",
        claims=[] if smoke else [cs.Claim("R² of held-out rates", rates.estimate, 0.9, 1.0, "bound of this protocol, set beforehand")],
        scores=list(compared), pictures={"unit": cs.Picture(drawn, "One unit", "The most active unit in one held-out reach.")},
        trials={"circuit": held_out, "student": copy}, models={"circuit": circuit, "student": student}, methods=_methods(),
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _methods() -> str:
    return f"""
    The student learns {TRAINING} reaches and is asked {TEST} others. A push moves {PUSHED:.0%} of the units of both, the same ones.
    """
'''
CARD = """# A card: what is simulated, as data. `cortex-sim check {name}.toml` hands it to Brian2; every key is explained in models/README.md.
kind = "rate"
title = "Two populations that excite and inhibit each other"
paper = "name the paper here, or say that it is your own design"
notes = \"\"\"
What a reader should know: what the numbers mean, where they are from, what was chosen.
\"\"\"
units = 50
integrator = "euler"
rate = "r"
dt = {{ value = 0.2, unit = "ms", source = "chosen" }}
# Brian2's own equation text, with units. W(r) is a projection applied to the rates, drive(t, i) an input.
equations = \"\"\"
dx/dt = (-x + W(r) + drive(t, i))/tau : Hz
r = r_max*tanh(x/r_max) : Hz (constant over dt)
\"\"\"

[parameters]
tau = {{ value = 20, unit = "ms", meaning = "time constant", source = "chosen" }}
r_max = {{ value = 50, unit = "Hz", meaning = "largest deviation of a rate from its baseline", source = "chosen" }}

[inputs]
drive = {{ unit = "Hz", meaning = "input to each unit, and pushes" }}

# A rule is one file in cortex_sim/cards/weights/; `rule = "table"` takes numbers of your own.
[projections.W]
rule = "gaussian"
arguments = {{ gain = {{ value = 0.9, meaning = "spectral radius", source = "chosen: below chaos" }} }}
"""


def skeleton(what: str, name: str, folder: Path) -> Path:
    """Write a commented skeleton that runs, and return its file.

    Args:
        what: ``"protocol"`` or ``"card"``.
        name: of the new file, without suffix.
        folder: where it is written.

    Raises:
        OptionError: the name is no plain name.
        FileProblem: the file exists already.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name in sys.stdlib_module_names:
        raise OptionError(
            f"new {what}: {name!r} should be a plain name of letters, digits and underscores that Python does not use, such as my_{what}."
        )
    path = folder / (f"{name}.py" if what == "protocol" else f"{name}.toml")
    check_new(path)
    write_text(path, PROTOCOL if what == "protocol" else CARD.format(name=name))
    return path
