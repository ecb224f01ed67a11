"""Conversion of MotorNet's arms (Codol et al. 2024) if MotorNet is installed; nothing here imports it."""

from typing import Any

from cortex_sim.errors import PlantError
from cortex_sim.tasks.body import Arm

NUMBERS = ("m1", "m2", "l1", "l2", "i1", "i2", "l1g", "l2g")


def arm_of(skeleton: Any) -> Arm:
    """Return the two-joint arm of a MotorNet effector.

    Its muscles are not converted: their models differ from those of this package.

    Args:
        skeleton: ``motornet.skeleton.TwoDofArm``, or ``effector.skeleton`` of one.

    Raises:
        PlantError: it is not an arm with two joints.
    """
    if missing := [name for name in NUMBERS if not hasattr(skeleton, name)]:
        found = f"{type(skeleton).__name__} has no {', '.join(missing)}"
        raise PlantError(f"arm_of: {found}; give the skeleton of a two-joint arm, such as RigidTendonArm26(...).skeleton.")
    m1, m2, l1, l2, i1, i2, g1, g2 = (float(getattr(skeleton, name)) for name in NUMBERS)
    low, high = ([float(x) for x in _flat(getattr(skeleton, f"pos_{side}_bound"))] for side in ("lower", "upper"))
    viscosity = float(getattr(skeleton, "c_viscosity", 0.0))
    return Arm(
        str(getattr(skeleton, "__name__", "arm")), (l1, l2), (m1, m2), (i1, i2), (g1, g2), "centre", ((viscosity, 0.0), (0.0, viscosity)),
        ((low[0], high[0]), (low[1], high[1])), source="MotorNet",
    )  # fmt: skip


def _flat(bound: Any) -> Any:
    return bound.reshape(-1).tolist() if hasattr(bound, "reshape") else bound
