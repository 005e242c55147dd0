"""The kernel: the reference simulator, compiled, and jumping over quiet stretches."""

import logging

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.simulate.kernel.compile import CODE
from semsched.simulate.kernel.state import State, blank_state
from semsched.simulate.kernel.steps import advance
from semsched.simulate.ranks import Ranks
from semsched.simulate.run import Progress, Served
from semsched.simulate.series import series_of
from semsched.workload import Workload

REQUESTS_PER_CALL = 50_000
"""Between two calls into compiled code progress is reported and Ctrl-C is heard."""

logger = logging.getLogger(__name__)


def run_kernel(
    workload: Workload,
    ranks: Ranks,
    profile: EngineProfile,
    scheduling: Scheduling,
    progress: Progress | None = None,
) -> Served:
    """Serve the whole workload; same contract and same result as the reference."""
    if not CODE.is_cached():
        logger.warning("compiling the simulation kernel: half a minute, once")
    state = blank_state(workload, ranks, profile, scheduling)
    cost, total, num_done = profile.cost, len(workload), -1
    while num_done < (num_done := _num_done(state)) < total:
        advance(state, cost, min(num_done + REQUESTS_PER_CALL, total))
        if progress:
            progress(_num_done(state), total)
    CODE.note_cached()
    return Served(state.outcome, state.totals, series_of(state.points, state.cursor))


def _num_done(state: State) -> int:
    return int(state.vars[0]["num_done"] + state.vars[0]["num_refused"])
