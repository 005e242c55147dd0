"""examples/gateway.toml shows every setting, and its default where it says so."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

from pydantic import BaseModel

from semsched.policy import PATIENCE
from semsched.predict.urgency.judge import JudgeSettings
from semsched.predict.urgency.rules import Rule
from semsched.serve.config import Backend, Engine, GatewayConfig, ListedKey, load_config
from semsched.serve.config.access import Anonymous
from semsched.serve.config.gateway import Queue
from tests.serve.config.loading import loaded

EXAMPLE = Path(__file__).parents[3] / "examples" / "gateway.toml"

TABLES: dict[str, type[BaseModel]] = {
    **{name: type(value) for name, value in GatewayConfig() if isinstance(value, BaseModel)},
    "backends": Backend,
    "keys": ListedKey,
    "urgency.rules": Rule,
    "urgency.judge": JudgeSettings,
}


def commented_tables() -> dict[str, str]:
    """The text of each table of the example that is commented out, without its marks."""
    found = re.findall(r"^# (\[[\w.]+\].*\n(?:# .*\n)+)", EXAMPLE.read_text("utf-8"), re.MULTILINE)
    texts = [re.sub("^# ", "", text, flags=re.MULTILINE) for text in found]
    return {re.findall(r"[\w.]+", text)[0]: text for text in texts}


def test_the_example_is_read() -> None:
    config = load_config(EXAMPLE)
    default = GatewayConfig()
    assert [backend.kind for backend in config.backends] == ["vllm", "sglang"]
    assert [key.ceiling for key in config.keys] == [0, 3]
    assert len(config.urgency.rules) == 2
    for table in ("server", "queue", "board", "log", "length", "journal", "telemetry"):
        assert getattr(config, table) == getattr(default, table), "it says it shows the defaults"


def test_what_the_example_comments_out_is_right(tmp_path: Path) -> None:
    tables = commented_tables()
    assert tables.keys() == {"engine", "anonymous", "urgency.judge"}
    config = loaded(tmp_path, "\n".join(tables.values()))
    assert config.engine == Engine()
    assert config.anonymous == Anonymous(max_waiting=200, requests_per_minute=600)
    assert config.anonymous.model_fields_set == Anonymous.model_fields.keys()
    judge = config.urgency.judge
    assert judge is not None
    assert (judge.timeout, judge.cache_size) == (2.0, 10_000)
    assert Queue(policy="aging", patience=tuple(shown("patience"))).patience == tuple(PATIENCE)


def shown(key: str) -> list[float]:
    """The value of a setting of the example that is commented out."""
    [line] = re.findall(rf"^# ({key} = .*)", EXAMPLE.read_text("utf-8"), re.MULTILINE)
    return [float(number) for number in tomllib.loads(line)[key]]


def test_the_example_shows_every_setting() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    table = ""
    for line in EXAMPLE.read_text("utf-8").splitlines():
        if header := re.match(r"(?:# )?\[+([\w.]+)\]", line):
            table = header[1]
            named[table] |= set()
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            named[table].add(key[1])
    expected = {name: set(model.model_fields) for name, model in TABLES.items()}
    expected["urgency"] -= {"judge", "rules"}
    assert named == expected


def test_every_setting_is_described() -> None:
    for table in TABLES.values():
        for name, field in table.model_fields.items():
            if table is not Rule and field.annotation not in (JudgeSettings | None,):
                assert field.description, f"{table.__name__}.{name}"
