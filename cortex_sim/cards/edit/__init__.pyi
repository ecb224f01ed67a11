from cortex_sim.cards.edit._interface import embodied as embodied
from cortex_sim.cards.edit._lesion import cut_weights as cut_weights
from cortex_sim.cards.edit._lesion import disconnect as disconnect
from cortex_sim.cards.edit._lesion import with_gain as with_gain
from cortex_sim.cards.edit._sizes import shrunk as shrunk
from cortex_sim.cards.edit._stacking import stacked as stacked
from cortex_sim.cards.edit._values import with_argument as with_argument
from cortex_sim.cards.edit._values import with_values as with_values
