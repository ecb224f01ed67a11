from cortex_sim.simulation.forms._gated import Gated as Gated
from cortex_sim.simulation.forms._gated import gated as gated
from cortex_sim.simulation.forms._leaky import Coefficients as Coefficients
from cortex_sim.simulation.forms._leaky import Leaky as Leaky
from cortex_sim.simulation.forms._leaky import coefficients as coefficients
from cortex_sim.simulation.forms._leaky import recurrent_of as recurrent_of
