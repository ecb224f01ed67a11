"""What measures say of systems that share nothing, or everything, for docs/scores.md and docs/why-pushes.md: ``python benchmarks/calibration.py``.

All systems are smooth Gaussian noise of 30 units over 60 bins, in 8 conditions unless said otherwise; each number is a mean over draws.
"""

import re
from pathlib import Path

import numpy as np
from _measure import write
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

import cortex_sim as cs
from cortex_sim.analysis import jpca_spanned
from cortex_sim.comparison import MEASURES, linear_cka

DRAWS, UNITS, BINS, SMOOTHED = 40, 30, 60, (4, 8)  # bins: of the Gaussian kernel
SAMPLES = 30  # independent ones, of the biased estimator
CONDITIONS = 27  # of rotations and linear images
PAGES = [Path(__file__).parents[1] / "docs" / name for name in ("scores.md", "why-pushes.md")]
BLOCK = re.compile(r"(<!-- calibration: (\w+) -->).*?(<!-- told -->)")


def smooth(rng: np.random.Generator, shape: tuple[int, ...], sd: float) -> ndarray:
    """Return noise smoothed along the last but one axis."""
    return gaussian_filter1d(rng.normal(size=(*shape, BINS + 40, UNITS)), sd, axis=-2)[..., 20:-20, :]


def with_a_common_course(sd: float) -> float:
    """Return :func:`unrelated` of systems each of which has a course that is the same in all conditions."""
    return unrelated(sd, common=True)


def unrelated(sd: float, *, common: bool = False) -> float:
    """Return the debiased linear CKA of two systems that have nothing in common."""
    found = []
    for draw in range(DRAWS):
        rng = cs.stream(draw, "analysis", "unrelated systems")
        a, b = smooth(rng, (2, 8), sd) + (smooth(rng, (2, 1), sd) if common else 0.0)
        found.append(linear_cka(a.reshape(-1, UNITS), b.reshape(-1, UNITS)))
    return float(np.mean(found))


def biased() -> float:
    """Return the standard estimator's CKA of independent samples."""
    rng = cs.stream(0, "analysis", "independent samples")
    return float(np.mean([linear_cka(*rng.normal(size=(2, SAMPLES, UNITS)), debiased=False) for _ in range(DRAWS)]))


def ratio(sd: float) -> float:
    """Return jPCA's R²(M_skew)/R²(M) of noise."""
    found = []
    for draw in range(DRAWS):
        rates = smooth(cs.stream(draw, "analysis", "noise that rotates"), (CONDITIONS,), sd)
        found.append(jpca_spanned(rates - rates.mean(axis=0), 0.01).ratio)
    return float(np.mean(found))


def whitened() -> float:
    """Return the whitened shape distance of two linear images of one system, rad."""
    found = []
    for draw in range(DRAWS):
        rng = cs.stream(draw, "analysis", "linear images")
        a = smooth(rng, (CONDITIONS,), 6) * np.exp(-np.arange(UNITS) / 6)
        images = (a @ rng.normal(size=(UNITS, 40)) for _ in range(2))
        found.append(MEASURES["shape, whitened (rad)"](*images, 0.01))
    return float(np.mean(found))


def main() -> None:
    """Measure, keep, and write the blocks of the pages."""
    apart, shared, turns = ([measured(sd) for sd in SMOOTHED] for measured in (unrelated, with_a_common_course, ratio))
    rows = {
        "unrelated": f"{min(apart):.2f} to {max(apart):.2f}", "common_course": f"{min(shared):.2f} to {max(shared):.2f}",
        "rotations_of_noise": f"{min(turns):.2f} to {max(turns):.2f}", "biased": f"{biased():.2f}", "whitened": f"{whitened():.2f}",
    }  # fmt: skip
    write("calibration", [{"what": name, "found": found} for name, found in rows.items()])
    for page in PAGES:
        text = BLOCK.sub(lambda found: f"{found[1]}{rows[found[2]]}{found[3]}", page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
