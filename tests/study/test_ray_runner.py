"""The same rows on Ray, if it is installed."""

import sys
from pathlib import Path

import pytest

from semsched.errors import InputError
from semsched.study.ray_runner import on_ray
from semsched.study.runner import on_local_cores
from tests.study.test_runner import experiment_of, run

pytest.importorskip("ray")


@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_rows(tmp_path: Path) -> None:
    experiment = experiment_of(tmp_path)
    local, _ = run(tmp_path, experiment, on_local_cores(1))
    local.path.unlink()
    remote, failures = run(tmp_path, experiment, on_ray("local"))
    assert failures == []
    assert remote.frame.equals(local.frame)


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'semsched\[ray\]'"):
        on_ray("local")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_one_line(address: str) -> None:
    with pytest.raises(InputError, match=f"--ray {address}: nobody answers there"):
        list(on_ray(address)([]))
