from cortex_sim.report._page import number as number
from cortex_sim.report._parts import Part as Part
from cortex_sim.report._parts import together as together
from cortex_sim.report._report import Animation as Animation
from cortex_sim.report._report import Claim as Claim
from cortex_sim.report._report import Picture as Picture
from cortex_sim.report._report import Report as Report
from cortex_sim.report._report import check_new as check_new
