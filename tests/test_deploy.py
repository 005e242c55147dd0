"""Deployment: the files fit together, and name only what exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from semsched.predict.length import LengthPredictor
from semsched.predict.urgency import UrgencyClassifier
from semsched.request import CLASS_NAMES
from semsched.serve.config import load_config
from semsched.serve.config.gateway import Server
from semsched.serve.metrics import Metrics
from tests.serve.test_metrics import Moment
from tests.serve.visits import failed, finished, refused

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
CONFIG = DEPLOY / "etc" / "gateway.toml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "semsched.json"
UNIT = DEPLOY / "semsched.service"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


COMPOSE = load(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


# --- configuration -------------------------------------------------------------------------------


def test_the_configuration_of_the_container_loads() -> None:
    config = load_config(CONFIG)
    assert config.server.host == "0.0.0.0"  # noqa: S104 - of the container
    assert config.backends == ()
    assert config.length.state is not None
    assert not config.length.state.is_absolute()  # in the working directory, which is a volume


def commented_out(text: str) -> str:
    """The text with its commented settings put in force."""
    lines = (
        re.sub(r"^# ?(?=\[\[?[a-z.]+\]\]?$|[a-z0-9_]+ =)", "", line) for line in text.splitlines()
    )
    return "\n".join(lines)


def test_what_is_commented_out_in_it_would_load_as_well(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(commented_out(CONFIG.read_text("utf-8")).replace('"..."', f'"{"ab" * 32}"'))
    config = load_config(path)
    assert [backend.kind for backend in config.backends] == ["vllm"]
    assert [key.tenant for key in config.keys] == ["hospital"]


# --- systemd -------------------------------------------------------------------------------------


def unit() -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT, "utf-8")
    return parser


def test_the_unit_stops_reloads_and_is_shut_in() -> None:
    service = unit()["Service"]
    assert service["KillSignal"] == "SIGTERM"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert service["CapabilityBoundingSet"] == ""


def test_a_configuration_that_is_wrong_is_not_tried_again() -> None:
    assert unit()["Service"]["Restart"] == "on-failure"
    assert unit()["Service"]["RestartPreventExitStatus"] == "2"


def test_what_the_service_compiles_is_kept() -> None:
    service = unit()["Service"]
    assert service["CacheDirectory"] == "semsched"  # the folder of ours in XDG_CACHE_HOME
    assert service["Environment"] == "XDG_CACHE_HOME=/var/cache"


def test_the_image_brings_the_predictors_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    [run] = [each for each in instructions("RUN") if each.startswith("python -c")]
    compiled = list[object]()
    monkeypatch.setattr(UrgencyClassifier, "compiled", lambda self: compiled.append(self))
    monkeypatch.setattr(LengthPredictor, "compile", lambda self: compiled.append(self))
    exec(run.split('"')[1], {})  # noqa: S102 - ours
    assert [type(each) for each in compiled] == [UrgencyClassifier, LengthPredictor]


def test_whoever_stops_it_waits_longer_than_it_takes() -> None:
    assert int(unit()["Service"]["TimeoutStopSec"]) > Server().grace_time
    patience = int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))
    assert patience > load_config(CONFIG).server.grace_time


def test_there_are_files_for_every_connection() -> None:
    wanted = 2 * Server().max_connections
    assert int(unit()["Service"]["LimitNOFILE"]) > wanted
    assert SERVICES["gateway"]["ulimits"]["nofile"] > wanted


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = unit()["Service"]["ExecStart"].split()[0]
    path = tmp_path / "semsched.service"
    path.write_text(UNIT.read_text("utf-8").replace(program, shutil.which("true") or ""))
    command = ["systemd-analyze", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- containers ----------------------------------------------------------------------------------


def test_all_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in COMPOSE["volumes"], source


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", text, re.MULTILINE)


def test_the_image_is_built_of_what_is_there_by_nobody_special() -> None:
    build = SERVICES["gateway"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert ROOT / build["dockerfile"] == DEPLOY / "Dockerfile"
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for arguments in instructions("COPY"):
        for source in [each for each in arguments.split()[:-1] if "--from" not in arguments]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    assert instructions("USER") == ["10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]


def test_the_image_asks_the_port_that_is_configured() -> None:
    port = load_config(CONFIG).server.port
    assert instructions("EXPOSE") == [str(port)]
    (check,) = [each for each in instructions("HEALTHCHECK") if "CMD" in each]
    assert f"http://127.0.0.1:{port}/health" in check
    assert SERVICES["gateway"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (entry,) = map(json.loads, instructions("ENTRYPOINT"))
    assert entry == ["semsched", "serve", "--config", f"/etc/semsched/{CONFIG.name}"]
    (job,) = load(DEPLOY / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"gateway:{port}"]}]


def test_the_extras_of_the_image_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (extra,) = [arg.removeprefix("EXTRAS=") for arg in instructions("ARG")]
    assert f"\n{extra} = [" in project


# --- the dashboard -------------------------------------------------------------------------------

GRAFANA = DEPLOY / "grafana" / "provisioning"
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
FUNCTIONS = {"sum", "max", "min", "rate", "topk", "histogram_quantile"}
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds itself."""


def expressions() -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target


def series() -> dict[str, set[str]]:
    """The labels of each series that the gateway can show."""
    metrics = Metrics()
    metrics.read_from(Moment())
    for each in (finished(), refused(), failed()):
        metrics.end(each)
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        sample.name: set(sample.labels) | SCRAPED
        for family in families
        for sample in family.samples
    }


def bare(expression: str) -> str:
    """The expression without what is in quotes."""
    return re.sub(r'"[^"]*"', '""', expression)


@pytest.mark.parametrize(("title", "target"), list(expressions()))
def test_every_panel_asks_for_what_there_is(title: str, target: dict[str, Any]) -> None:
    known, asked = series(), bare(target["expr"])
    names = set(re.findall(r"(?:semsched|process)_\w+", asked))
    assert names, title
    assert names <= known.keys()
    labels = {label for name in names for label in known[name]}
    grouped = {
        label.strip() for by in re.findall(r"by \(([^)]*)\)", asked) for label in by.split(",")
    }
    matched = set(re.findall(r"(\w+)\s*=~?", asked))
    assert grouped | matched <= labels
    shown = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
    assert shown <= grouped
    assert set(re.findall(r"(\w+)\s*\(", asked)) - {"by"} <= FUNCTIONS
    assert asked.count("(") == asked.count(")")


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    asked = " ".join(target["expr"] for _, target in expressions())
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in series()}
    missing = {name for name in names if name.startswith("semsched_") and name not in asked}
    assert missing == set()


def test_counters_are_asked_for_their_rate_and_gauges_are_not() -> None:
    for title, target in expressions():
        for name in re.findall(r"(?:semsched|process)_\w+", bare(target["expr"])):
            is_counter = name.endswith(("_total", "_bucket"))
            assert (f"rate({name}" in target["expr"]) == is_counter, title


def test_values_of_labels_are_those_of_the_gateway() -> None:
    for _, target in expressions():
        for values in re.findall(r'class=~?"([^"]*)"', target["expr"]):
            assert set(values.split("|")) <= set(CLASS_NAMES)


def test_panels_have_their_place_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        area = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not area & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= area
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_the_dashboard_finds_its_data() -> None:
    (source,) = load(GRAFANA / "datasources" / "prometheus.yaml")["datasources"]
    assert {target["datasource"]["uid"] for _, target in expressions()} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    assert (
        source["jsonData"]["timeInterval"]
        == load(DEPLOY / "prometheus.yml")["global"]["scrape_interval"]
    )
    (provider,) = load(GRAFANA / "dashboards" / "semsched.yaml")["providers"]
    folder = provider["options"]["path"]
    assert f"./grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{folder}/{DASHBOARD.name}"


# --- the README ----------------------------------------------------------------------------------


def test_the_readme_tells_of_every_file_and_only_of_those() -> None:
    text = (DEPLOY / "README.md").read_text("utf-8")
    told = set(re.findall(r"^\| `([\w./-]+)` \|", text, re.MULTILINE))
    files = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()}
    assert told == files - {"README.md"}
