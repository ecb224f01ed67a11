from cortex_sim.studies import tuning as tuning
from cortex_sim.studies._run import run as run
