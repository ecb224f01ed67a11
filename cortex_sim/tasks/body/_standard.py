"""The body that tasks use if none is given."""

from cortex_sim.tasks.body._arm import MONKEY
from cortex_sim.tasks.body._body import Body
from cortex_sim.tasks.body._muscles import LILLICRAP_SCOTT

REACHING = Body(MONKEY, LILLICRAP_SCOTT, home=(0.0, 0.25))
"""A monkey's arm with six muscles; reaches of 8 cm from home end 0.17 to 0.33 m from the shoulder, of the 0.139 to 0.429 m within its reach."""
