"""Parts of a protocol are put together in their order, and claim nothing where they should not."""

import numpy as np

from cortex_sim.report import Claim, Part, together
from cortex_sim.statistics import Score


def part(name: str) -> Part:
    score = Score("measure", name, "all", 1.0, "higher", 1.0, np.zeros(2), "none", None, "one of them", ceiling=1.0)
    return Part([Claim(name, 1, 0, 2, "by construction")], [score], {}, {}, f"It is {name}.")


def test_a_report_has_what_its_parts_have_one_after_the_other() -> None:
    found = together([part("first"), part("second")])
    assert found["answer"] == "It is first. It is second."
    assert [claim.text for claim in found["claims"]] == [score.student for score in found["scores"]] == ["first", "second"]
    assert together([part("first")], claimed=False)["claims"] == []
