from cortex_sim.studies import tuning as tuning
from cortex_sim.studies._asked import perform as perform
from cortex_sim.studies._doctor import examine as examine
from cortex_sim.studies._published import published_properties as published_properties
from cortex_sim.studies._repeated import repeat as repeat
from cortex_sim.studies._run import model_of as model_of
from cortex_sim.studies._run import run as run
