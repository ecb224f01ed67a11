"""What does a step of a six-muscle arm cost, forward and back, at batch 64? Beside MotorNet's where it is installed, in one run."""

import numpy as np
import torch
from _measure import alternate, write

from cortex_sim.simulation.torch import _body_kernel as body_kernel
from cortex_sim.tasks.body._standard import REACHING

BATCH, STEPS, DT, REPEATS = 64, 50, 0.01, 9


def ours() -> None:
    commands = torch.zeros(BATCH, REACHING.commands, requires_grad=True)
    posture = REACHING.posture(torch.tensor(REACHING.start(BATCH), dtype=torch.float32))
    for _ in range(STEPS):
        posture = body_kernel.step(REACHING, posture, commands, DT, None)
    (posture.q**2).sum().backward()


def written() -> None:
    """The same step as it is written, with torch's own history."""
    commands = torch.zeros(BATCH, REACHING.commands, requires_grad=True)
    posture = REACHING.posture(torch.tensor(REACHING.start(BATCH), dtype=torch.float32))
    for _ in range(STEPS):
        posture = REACHING.step(posture, commands, DT, torch)
    (posture.q**2).sum().backward()


def main() -> None:
    torch.set_num_threads(1)
    runs = {"cortex-sim": ours, "cortex-sim, without the closed form": written}
    try:
        from motornet.effector import RigidTendonArm26
        from motornet.muscle import RigidTendonHillMuscle
    except ImportError:
        print("MotorNet is not installed; pip install motornet to compare", flush=True)
    else:
        effectors = {method: RigidTendonArm26(muscle=RigidTendonHillMuscle(), timestep=DT, integration_method=method) for method in ("euler", "rk4")}

        def theirs(method: str) -> None:
            action = torch.full((BATCH, 6), 0.05, requires_grad=True)
            effector = effectors[method]
            effector.reset(options={"batch_size": BATCH, "joint_state": torch.tensor(np.radians([[45.0, 90.0, 0.0, 0.0]]), dtype=torch.float32)})
            for _ in range(STEPS):
                effector.step(action)
            (effector.states["joint"] ** 2).sum().backward()

        runs |= {f"MotorNet, {method}": lambda method=method: theirs(method) for method in effectors}
    seconds = alternate(runs, REPEATS)
    own = seconds["cortex-sim"]
    write("arm_step", [{"arm": name, "ms a step, forward and back": 1e3 * s / STEPS, "times cortex-sim": s / own} for name, s in seconds.items()])


main()
