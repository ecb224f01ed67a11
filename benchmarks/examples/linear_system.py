"""A method for cortex-sim benchmark run that needs nothing but NumPy: x(t + 1) = A x(t) + b + currents, by ridge regression."""

import numpy as np

import cortex_sim as cs

RIDGE = 1e-3  # of the mean square of the rates


class LinearSystem:
    """A linear map from one bin to the next; currents of a task move it as they move a unit that integrates them over 0.1 s."""

    def __init__(self, rates: np.ndarray) -> None:
        now, after = (np.concatenate(list(part)) for part in (rates[:, :-1], rates[:, 1:]))
        self.mean = now.mean(axis=0)
        X = now - self.mean
        self.A = np.linalg.solve(X.T @ X + RIDGE * np.trace(X.T @ X) / X.shape[1] * np.eye(X.shape[1]), X.T @ (after - self.mean)).T

    def simulate(self, task: cs.Task) -> np.ndarray:
        """Return rates (trial, time, unit) from the initial rates of the task on, under its currents; units that it clamps are held."""
        every, tau = round(task.bin / task.step), 0.1
        current = sum((drive.pattern[:, None] * drive.course[None, :, None] for drive in task.drives), np.zeros((task.trials, task.steps, 1)))
        rates = [np.array(task.initial)]
        for bin in range(1, task.bins):
            before = slice((bin - 1) * every, bin * every)
            rates.append((rates[-1] - self.mean) @ self.A.T + self.mean + task.step / tau * current[:, before].sum(axis=1))
            for clamp in task.clamps:
                if clamp.course[bin * every]:
                    rates[-1][:, clamp.units] = clamp.rate
        return np.stack(rates, axis=1)


def fit(trials: cs.Trials, task: cs.Task) -> LinearSystem:  # noqa: ARG001
    """Return the linear system of these trials; their task is not needed."""
    return LinearSystem(trials.rate)
