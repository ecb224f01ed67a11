__version__: str

from cortex_sim import analysis as analysis
from cortex_sim import cards as cards
from cortex_sim import comparison as comparison
from cortex_sim import errors as errors
from cortex_sim import fitting as fitting
from cortex_sim import report as report
from cortex_sim import runtime as runtime
from cortex_sim import simulation as simulation
from cortex_sim import statistics as statistics
from cortex_sim import studies as studies
from cortex_sim import tasks as tasks
from cortex_sim import trials as trials
from cortex_sim.analysis import reaches as reaches
from cortex_sim.cards import Model as Model
from cortex_sim.cards import SpikingModel as SpikingModel
from cortex_sim.cards import edit as edit
from cortex_sim.cards import load as load
from cortex_sim.comparison import Comparison as Comparison
from cortex_sim.comparison import compare as compare
from cortex_sim.comparison import compare_responses as compare_responses
from cortex_sim.fitting import Fitted as Fitted
from cortex_sim.fitting import Options as Options
from cortex_sim.fitting import fit as fit
from cortex_sim.report import Animation as Animation
from cortex_sim.report import Claim as Claim
from cortex_sim.report import Picture as Picture
from cortex_sim.report import Report as Report
from cortex_sim.report import figures as figures
from cortex_sim.report import plot as plot
from cortex_sim.runtime import seed_of as seed_of
from cortex_sim.runtime import stream as stream
from cortex_sim.runtime import timed as timed
from cortex_sim.runtime import track as track
from cortex_sim.simulation import card_from as card_from
from cortex_sim.simulation import export as export
from cortex_sim.simulation import hidden as hidden
from cortex_sim.simulation import move as move
from cortex_sim.simulation import simulate as simulate
from cortex_sim.simulation import wrap as wrap
from cortex_sim.statistics import Score as Score
from cortex_sim.studies import reproduce as reproduce
from cortex_sim.studies import run as run
from cortex_sim.studies import sweep as sweep
from cortex_sim.tasks import Task as Task
from cortex_sim.tasks import body as body
from cortex_sim.tasks import perturbations as perturbations
from cortex_sim.trials import Trials as Trials
from cortex_sim.trials import behaviour as behaviour
from cortex_sim.trials import read as read
from cortex_sim.trials import write_csv as write_csv
from cortex_sim.trials import write_nwb as write_nwb

measures = comparison
perturb = perturbations
