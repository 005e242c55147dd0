"""The shipped example trace: its load, and the tool that makes it."""

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from semsched.workload import clinic

ROOT = Path(__file__).parents[2]


def test_clinic_is_a_loaded_hospital() -> None:
    workload = clinic()
    surge = (workload.arrived_at >= 240) & (workload.arrived_at < 360)
    # A decode step of 16 seats takes 0.012 s, a prompt token stalls them for 1.05e-4 s.
    work = workload.output_tokens * 0.012 / 16 + workload.prompt_tokens * 1.05e-4
    assert workload.name == "clinic"
    assert work.sum() / 600 == pytest.approx(0.9, abs=0.03)
    assert work[surge].sum() / 120 == pytest.approx(1.5, abs=0.1)
    assert work[~surge].sum() / 480 < 0.8
    assert set(workload.urgency.tolist()) == {0, 1, 2, 3, 4}
    assert set(workload.tenant) == {"triage", "wards", "office"}


def test_clinic_is_what_its_tool_writes(tmp_path: Path) -> None:
    made = tmp_path / "clinic.csv"
    subprocess.run([sys.executable, ROOT / "tools/make_clinic_trace.py", made], check=True)
    shipped = resources.files("semsched.workload") / "traces" / "clinic.csv"
    assert made.read_bytes() == shipped.read_bytes()
