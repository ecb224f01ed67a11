"""How fast is a stability-optimised circuit built? Against a direct implementation: one double-precision Schur form an iteration, plain trsyl."""

import time

import numpy as np
from _measure import write
from scipy.linalg import lapack, schur
from threadpoolctl import threadpool_limits

from cortex_sim.cards.weights import stability_optimised as soc

UNITS, RULE, ABSCISSA = 200, {"density": 0.1, "radius": 10.0, "inhibition": 3.0}, 0.15


def direct(rng):
    W = soc.unstable((UNITS, UNITS), rng, **RULE)
    half, means = UNITS // 2, soc._excitatory_means(W, RULE["inhibition"])
    for iteration in range(soc.LIMIT):
        T, U = schur(W, output="real")
        found = soc.spectral_abscissa(W)
        if found <= ABSCISSA:
            return iteration
        A = T - max(1.5 * found, found + 0.2) * np.eye(UNITS)
        Q, scale, _ = lapack.dtrsyl(A, A, -2 * np.eye(UNITS), trana="T")
        P, other, _ = lapack.dtrsyl(A, A, -2 * np.eye(UNITS), tranb="T")
        QP = (Q / scale) @ (P / other)
        gradient = (U @ QP @ U.T)[:, half:] / np.trace(QP)
        W[:, half:] = soc._project(W[:, half:] - soc.STEP * gradient, means)
    raise RuntimeError("no convergence")


def main():
    rows = []
    with threadpool_limits(1):
        for seed in (0, 1):
            texts = []
            began = time.perf_counter()
            keep = lambda done, text, texts=texts: texts.append(text)  # noqa: E731
            soc.build((UNITS, UNITS), np.random.default_rng(seed), **RULE, abscissa=ABSCISSA, report=keep)
            ours = time.perf_counter() - began
            began = time.perf_counter()
            iterations = direct(np.random.default_rng(seed))
            seconds = time.perf_counter() - began
            rows.append({"units": UNITS, "seed": seed, "s": ours, "reached": texts[-1], "direct s": seconds, "direct iterations": iterations})
            rows[-1]["times faster"] = seconds / ours
    write("circuit_build", rows)


main()
