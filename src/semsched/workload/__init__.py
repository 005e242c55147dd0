"""Where requests come from."""

from semsched.workload.workload import Workload, WorkloadError

__all__ = ["Workload", "WorkloadError"]
