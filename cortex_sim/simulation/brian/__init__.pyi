from cortex_sim.simulation.brian._rate import run as run
from cortex_sim.simulation.brian._standalone import write_program as write_program
