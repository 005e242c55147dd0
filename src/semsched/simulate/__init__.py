"""Virtual time: what would happen to a workload, on an engine or a fleet, under a policy."""

from semsched.simulate.bound import weighted_latency_bound
from semsched.simulate.engine import capacity, simulate
from semsched.simulate.fleet import ROUTINGS, route, simulate_fleet
from semsched.simulate.run import LostRequestError, Run

__all__ = [
    "ROUTINGS",
    "LostRequestError",
    "Run",
    "capacity",
    "route",
    "simulate",
    "simulate_fleet",
    "weighted_latency_bound",
]
