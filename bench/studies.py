"""How fast studies and reports are; prints `name value unit`, a figure a line.

    python bench/studies.py              # about two minutes

Every figure is that of a command as a user gives it, from a cold start.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

NUM_POLICIES = 7


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak MB of one `semsched` command."""
    began_at = perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "semsched", *arguments], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"semsched {' '.join(arguments)} failed")
    return perf_counter() - began_at, usage.ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder, "simulate")  # compiles, if need be
        took, _ = run(folder, "sweep", "load")
        print(f"study_load_s {took:.3g} s", flush=True)
        run(folder, "report", "load.parquet")
        size = (folder / "load.html").stat().st_size / 1e6
        print(f"report_html_mb {size:.3g} MB", flush=True)
        per_policy = str(-(-(10**7) // NUM_POLICIES))
        many = ["--arrivals", "poisson", "--num-requests", per_policy, "--rows", "rows.parquet"]
        run(folder, "compare", *many)
        took, peak = run(folder, "report", "rows.parquet")
        print(f"report_1e7_rows_s {took:.3g} s", flush=True)
        print(f"report_1e7_rows_peak_mb {peak:.4g} MB", flush=True)


if __name__ == "__main__":
    main()
