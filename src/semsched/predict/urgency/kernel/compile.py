"""Compilation: the kernel's functions as machine code."""

from semsched.machine_code import MachineCode

CODE = MachineCode("urgency", ["predict/urgency/kernel"])

compiled = CODE.compiled
