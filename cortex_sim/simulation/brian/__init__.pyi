from cortex_sim.simulation.brian._cards import card_from as card_from
from cortex_sim.simulation.brian._networks import network_of as network_of
from cortex_sim.simulation.brian._rate import run as run
from cortex_sim.simulation.brian._standalone import write_program as write_program
