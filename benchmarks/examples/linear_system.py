"""A method for cortex-sim benchmark run that needs nothing but NumPy: x(t + 1) = A x(t) + b + currents, by ridge regression."""

import numpy as np

import cortex_sim as cs

RIDGE, TAU = 1e-3, 0.1  # of the mean square of the rates; s, in which a current would move a rate by its own size


def currents(task: cs.Task) -> np.ndarray:
    """Return by how much the currents of a task move rates from each bin to the next, (trial, time, unit)."""
    every = round(task.bin / task.step)
    given = [drive.pattern[:, None] * drive.course.reshape(1, -1, every, 1).sum(axis=2) for drive in task.drives]
    return task.step / TAU * sum(given, np.zeros((task.trials, task.bins, task.initial.shape[1])))


class LinearSystem:
    """A linear map from one bin to the next, with the currents of the task added; clamped units are held."""

    def __init__(self, rates: np.ndarray, moved: np.ndarray) -> None:
        self.mean = rates.mean(axis=(0, 1))
        X, Y = ((part - self.mean).reshape(-1, rates.shape[2]) for part in (rates[:, :-1], rates[:, 1:] - moved[:, :-1]))
        self.A = np.linalg.solve(X.T @ X + RIDGE * np.trace(X.T @ X) / X.shape[1] * np.eye(X.shape[1]), X.T @ Y).T

    def simulate(self, task: cs.Task) -> np.ndarray:
        """Return rates (trial, time, unit) from the initial rates of the task on."""
        moved, every = currents(task), round(task.bin / task.step)
        rates = [np.array(task.initial)]
        for bin in range(1, task.bins):
            rates.append((rates[-1] - self.mean) @ self.A.T + self.mean + moved[:, bin - 1])
            for clamp in task.clamps:
                if clamp.course[bin * every]:
                    rates[-1][:, clamp.units] = clamp.rate
        return np.stack(rates, axis=1)


def fit(trials: cs.Trials, task: cs.Task) -> LinearSystem:
    """Return the linear system of these trials."""
    return LinearSystem(trials.rate, currents(task))
