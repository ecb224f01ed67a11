"""cortex-sim: list, show, check and run models and protocols, and convert recordings."""

from cortex_sim.cli._main import app as app
from cortex_sim.cli._main import main as main
