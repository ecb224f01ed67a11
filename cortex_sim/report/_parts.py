"""Protocols with several parts, each with claims, scores, pictures and trials of its own."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypedDict

from cortex_sim.report._report import Animation, Claim, Picture
from cortex_sim.statistics import Score
from cortex_sim.trials import Trials


@dataclass
class Part:
    """The results of one part of a protocol.

    Attributes:
        claims: claims of this part.
        scores: scores of this part.
        pictures: by name.
        trials: by name.
        says: its sentence in the answer.
    """

    claims: list[Claim] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    pictures: dict[str, Picture | Animation] = field(default_factory=dict)
    trials: dict[str, Trials] = field(default_factory=dict)
    says: str = ""


class Together(TypedDict):
    """Fields of a :class:`Report` that combine those of its parts."""

    answer: str
    claims: list[Claim]
    scores: list[Score]
    pictures: dict[str, Picture | Animation]
    trials: dict[str, Trials]


def together(parts: Iterable[Part], *, claimed: bool = True) -> Together:
    """Return the fields of a report with several parts, in their order.

    Args:
        parts: each with its own names of pictures and trials.
        claimed: whether claims of the parts become claims of the report.
    """
    found: Together = {"answer": "", "claims": [], "scores": [], "pictures": {}, "trials": {}}
    for part in parts:
        found["answer"] = f"{found['answer']} {part.says}".strip()
        found["claims"] += part.claims if claimed else []
        found["scores"] += part.scores
        found["pictures"] |= part.pictures
        found["trials"] |= part.trials
    return found
