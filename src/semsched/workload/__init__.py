"""Where requests come from."""

from semsched.workload.synthetic import arrivals, bursty, draw_urgency, paper, poisson
from semsched.workload.texts import Texts, drawn_from, read_texts
from semsched.workload.trace import clinic, read_trace
from semsched.workload.workload import Workload, WorkloadError

__all__ = [
    "Texts",
    "Workload",
    "WorkloadError",
    "arrivals",
    "bursty",
    "clinic",
    "draw_urgency",
    "drawn_from",
    "paper",
    "poisson",
    "read_texts",
    "read_trace",
]
