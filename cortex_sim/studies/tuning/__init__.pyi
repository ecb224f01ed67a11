from cortex_sim.studies.tuning._tuning import Plan as Plan
from cortex_sim.studies.tuning._tuning import check_installed as check_installed
from cortex_sim.studies.tuning._tuning import read_space as read_space
from cortex_sim.studies.tuning._tuning import report_of as report_of
from cortex_sim.studies.tuning._tuning import study_folder as study_folder
from cortex_sim.studies.tuning._tuning import training_data_of as training_data_of
from cortex_sim.studies.tuning._tuning import tune as tune
