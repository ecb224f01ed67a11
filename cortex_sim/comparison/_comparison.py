"""Comparison: scores of one or many students, as a table with nulls, intervals and the defaults that were used."""

from collections.abc import Iterator
from dataclasses import dataclass

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import html_table
from cortex_sim.statistics import Score


@dataclass(frozen=True)
class Comparison:
    """Scores of one or many students.

    Attributes:
        scores: each with its null, ceiling and interval, or the reason why one is absent.
        notes: defaults that were used, a sentence each.
    """

    scores: tuple[Score, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Comparison") -> "Comparison":
        return Comparison(self.scores + other.scores, tuple(dict.fromkeys(self.notes + other.notes)))

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def of(self, measure: str, student: str) -> Score:
        """Return one score.

        Raises:
            ComparisonError: the score does not exist.
        """
        for score in self.scores:
            if score.measure == measure and score.student == student:
                return score
        raise ComparisonError(f"no score {measure!r} of {student!r}; measures are {sorted({s.measure for s in self.scores})}.")

    def estimates(self, measure: str) -> dict[str, float]:
        """Return the estimates of one measure, by student.

        Raises:
            ComparisonError: no student has a score of this measure.
        """
        found = {score.student: score.estimate for score in self.scores if score.measure == measure}
        if not found:
            raise ComparisonError(f"no score {measure!r}; measures are {sorted({s.measure for s in self.scores})}.")
        return found

    def _rows(self) -> list[list[str]]:
        return [score.row() for score in self.scores]

    def __repr__(self) -> str:
        if not self.scores:
            return "<Comparison: no scores>"
        table = [list(Score.COLUMNS), *self._rows()]
        widths = [max(len(row[column]) for row in table) for column in range(len(Score.COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([*lines, *self._footnotes()])

    def _footnotes(self) -> list[str]:
        nulls: dict[str, dict[str, None]] = {}
        for score in self.scores:
            if score.null is not None:
                nulls.setdefault(score.surrogate, {})[score.measure] = None
        over = ", or over ".join(dict.fromkeys(score.interval_over for score in self.scores if score.interval))
        said = [f"Null, {surrogate}: {', '.join(measures)}." for surrogate, measures in nulls.items()]
        said += [f"Intervals: 95 %, over {over}."] if over else []
        return said + [f"{note[0].upper()}{note[1:]}." for note in dict.fromkeys(self.notes)]

    def _repr_html_(self) -> str:
        return html_table(Score.COLUMNS, self._rows(), notes=self._footnotes())
