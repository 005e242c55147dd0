"""Compilation: the kernel's functions as machine code."""

from numba.extending import register_jitable

from semsched import belief
from semsched.core import cost
from semsched.machine_code import MachineCode
from semsched.simulate import series

SHARED = (
    belief.length_beyond,
    belief.shape_of,
    belief.tokens_left,
    belief.turning_point,
    cost.decode_line,
    cost.decode_time,
    cost.prefill_time,
    cost.remaining_time,
    cost.run_time,
    cost.step_time,
    series.record,
)
"""Functions of the reference that the kernel calls too, compiled as they stand."""

for shared in SHARED:
    register_jitable(shared)

CODE = MachineCode("kernel", ["belief.py", "core/cost.py", "simulate/series.py", "simulate/kernel"])

compiled = CODE.compiled
