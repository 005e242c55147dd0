from pathlib import Path

import pytest

from semsched.errors import InputError
from semsched.predict.packages import check_loads


def test_what_loads_passes() -> None:
    check_loads("json.decoder")


def test_what_is_not_there_at_all_is_another_matter() -> None:
    with pytest.raises(ModuleNotFoundError):
        check_loads("no_such_package.part")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("ModuleNotFoundError('no x', name='x')", "no x"),
        ("ImportError('no libx.so\\nat all')", "no libx.so"),
        ("OSError(2, 'No such file')", "[Errno 2] No such file"),
        ("AttributeError()", "AttributeError"),
    ],
)
def test_what_does_not_load_is_said_in_one_line(
    fault: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / f"broken_{tmp_path.name}"  # imported only once, so each has its own
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").write_text(f"raise {fault}", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as raised:
        check_loads(f"{package.name}.part")
    assert str(raised.value) == f"{package.name}: is installed but does not load: {cause}"
