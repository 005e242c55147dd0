"""Compilation: the kernel's functions as machine code."""

from semsched.machine_code import MachineCode

CODE = MachineCode(
    "urgency",
    [
        "predict/urgency/kernel",
        "predict/urgency/features.py",  # their constants are compiled into it
        "predict/urgency/lexicon.py",
        "predict/urgency/model.py",
        "request.py",
    ],
)

compiled = CODE.compiled
