"""Names that a spiking card may not give, since they mean something else in Brian2's text, which would silently take precedence."""

import re

from cortex_sim.cards._equations import MATHEMATICS
from cortex_sim.cards._grammar import check_name
from cortex_sim.cards._units import SCALES
from cortex_sim.errors import CardError

CONSTANTS = ("pi", "e", "inf", "and", "or", "not", "True", "False")
OWN = (
    "N", "i", "j", "t", "dt", "t_in_timesteps", "lastspike", "not_refractory", "xi", "spike", "spikes", "refractory", "arcsin", "arccos",
    "arctan", "tan", "log10", "exprel", "sign", "ceil", "floor", "rand", "randn", "poisson", "binomial", "timestep", "logical_not", *CONSTANTS,
    *MATHEMATICS, "variables",
)  # fmt: skip
"""Names with a meaning of their own in Brian2, in the text of every spiking card."""
GROUP = (
    "codeobj_class", "equations", "event_codes", "events", "indices", "method_choice", "namespace", "order", "resetter", "start", "state_updater",
    "stop", "subexpression_updater", "thresholder", "user_equations", "when",
)  # fmt: skip
"""Parts of Brian2's groups, which a linked variable of the name would take the place of."""
LATE = re.compile(r"^past_\d+_")
SYNAPTIC = re.compile(r"^(?P<name>\w+)_(?:pre|post)$")


def check_own(place: str, name: str, more: tuple[str, ...] = ()) -> None:
    """Check that a name does not mean something else in the text, where Brian2's meaning would silently take precedence."""
    check_name(name, f"[{place}] has")
    if name in (*OWN, *more) or name in SCALES or name.startswith(("xi_", "_")) or SYNAPTIC.match(name) or LATE.match(name):
        raise CardError(f"[{place}] gives something the name {name!r}, by which Brian2 means its own; choose another name, such as '{name}_0'.")
