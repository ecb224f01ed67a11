from cortex_sim.studies import tuning as tuning
from cortex_sim.studies._published import published_properties as published_properties
from cortex_sim.studies._run import model_of as model_of
from cortex_sim.studies._run import run as run
