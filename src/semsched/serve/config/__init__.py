"""What the gateway can be told: every setting, its default and its help, once.

The tables of a TOML file; `examples/gateway.toml` shows them all. Paths are relative to the
folder in which the gateway is started.
"""

from semsched.serve.config.access import Admin, Key, ListedKey
from semsched.serve.config.engines import Backend, Engine
from semsched.serve.config.file import ConfigError
from semsched.serve.config.gateway import GatewayConfig, load_config

__all__ = [
    "Admin",
    "Backend",
    "ConfigError",
    "Engine",
    "GatewayConfig",
    "Key",
    "ListedKey",
    "load_config",
]
