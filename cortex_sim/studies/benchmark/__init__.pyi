from cortex_sim.studies.benchmark._page import report_of as report_of
from cortex_sim.studies.benchmark._page import write as write
from cortex_sim.studies.benchmark._results import read_result as read_result
from cortex_sim.studies.benchmark._run import put_to_test as put_to_test
from cortex_sim.studies.benchmark._sizes import VERSION as VERSION
