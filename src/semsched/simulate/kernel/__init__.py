"""The kernel: the reference simulator, compiled, and jumping over quiet stretches."""

import logging
from collections.abc import Callable

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.simulate.kernel.compile import is_cached
from semsched.simulate.kernel.state import State, blank_state
from semsched.simulate.kernel.steps import advance
from semsched.simulate.ranks import Ranks
from semsched.workload import Workload

REQUESTS_PER_CALL = 50_000
"""Between two calls into compiled code progress is reported and Ctrl-C is heard."""

logger = logging.getLogger(__name__)


def run_kernel(
    workload: Workload,
    ranks: Ranks,
    profile: EngineProfile,
    scheduling: Scheduling,
    progress: Callable[[int, int], None] | None = None,
) -> State:
    """Serve the whole workload; same contract and same result as the reference."""
    if not is_cached():
        logger.warning("compiling the simulation kernel: half a minute, once")
    state = blank_state(workload, ranks, profile, scheduling)
    cost, total, num_done = profile.cost, len(workload), -1
    while num_done < (num_done := _num_done(state)) < total:
        advance(state, cost, min(num_done + REQUESTS_PER_CALL, total))
        if progress:
            progress(_num_done(state), total)
    return state


def _num_done(state: State) -> int:
    return int(state.vars[0]["num_done"] + state.vars[0]["num_refused"])
