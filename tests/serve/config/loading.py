"""Configurations from text, and what is said of bad ones."""

from pathlib import Path

import pytest

from semsched.serve.config import ConfigError, GatewayConfig, load_config

HASH, OTHER = "ab" * 32, "cd" * 32
BACKEND = '[[backends]]\nurl = "http://a:1"\n'
KEY = f'[[keys]]\nsha256 = "{HASH}"\ntenant = "t"\n'


def loaded(folder: Path, text: str) -> GatewayConfig:
    path = folder / "g.toml"
    path.write_text(text, "utf-8")
    return load_config(path)


def faults(folder: Path, text: str) -> list[str]:
    """The lines of the error, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [line.removeprefix(f"{folder / 'g.toml'}:") for line in str(caught.value).splitlines()]
