"""Virtual time: what would happen to a workload, on an engine, under a policy."""

from semsched.simulate.engine import capacity, simulate
from semsched.simulate.run import LostRequestError, Run

__all__ = ["LostRequestError", "Run", "capacity", "simulate"]
