"""Where requests come from."""

from semsched.workload.synthetic import arrivals, bursty, draw_urgency, paper, poisson
from semsched.workload.trace import clinic, read_trace
from semsched.workload.workload import Workload, WorkloadError

__all__ = [
    "Workload",
    "WorkloadError",
    "arrivals",
    "bursty",
    "clinic",
    "draw_urgency",
    "paper",
    "poisson",
    "read_trace",
]
