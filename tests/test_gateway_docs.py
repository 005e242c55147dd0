"""What the gateway's pages list is all there is, and as it is."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from semsched.serve import refusals
from semsched.serve.config import GatewayConfig
from semsched.serve.metrics import Metrics
from tests.serve.live import Live, ask, live
from tests.serve.test_metrics import Moment
from tests.serve.visits import failed, finished, refused

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src/semsched"


def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of a table, without marks of code."""
    table = text_of(page).partition(f"\n| {header} |")[2].partition("\n\n")[0]
    lines = table.splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in lines]


def test_the_page_of_settings_is_that_of_the_models(tmp_path: Path) -> None:
    tool = ROOT / "tools/make_config_page.py"
    subprocess.run([sys.executable, tool, tmp_path / "page.md"], check=True)
    made = (tmp_path / "page.md").read_text("utf-8")
    assert text_of("gateway-config.md") == made, f"run python {tool.relative_to(ROOT)}"
    assert "| None |" not in made, "a setting has no description"


# --- errors --------------------------------------------------------------------------------------

STARLETTES = {(404, "not_found"), (405, "method_not_allowed")}


def raised() -> Iterator[tuple[int, str]]:
    """Status and code of every error that the gateway's source makes."""
    yield from STARLETTES
    yield from ((status, code) for code, (status, _) in refusals._SAYINGS.items())
    for path in (*SOURCE.glob("serve/**/*.py"), *SOURCE.glob("web/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name("ApiError"),
                    args=[ast.Constant(int() as status), ast.Constant(str() as code), *_],
                ):
                    yield status, code


def test_every_error_is_told_once() -> None:
    told = [(int(status), code) for status, code, *_ in rows("gateway.md", "status | code")]
    assert set(told) == set(raised())
    assert len(told) == len(set(told))


# --- metrics -------------------------------------------------------------------------------------


def exported() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of each metric of ours."""
    metrics = Metrics()
    metrics.read_from(Moment())
    for visit in (finished(), refused(), failed()):
        metrics.end(visit)
    families = text_string_to_metric_families(metrics.exposition().decode())
    found: dict[str, tuple[str, set[str]]] = {}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = family.type, labels - {"le"}
    return {name: of for name, of in found.items() if name.startswith("semsched_")}


def test_every_metric_is_told_with_its_labels() -> None:
    told = {
        name: (kind, set(re.findall(r"\w+", labels)))
        for name, kind, labels, _ in rows("gateway-operations.md", "name | kind")
    }
    assert told == exported()


def test_every_metric_that_is_named_exists() -> None:
    for page in ("gateway.md", "gateway-operations.md"):
        named = re.findall(r"semsched_\w+", text_of(page))
        assert set(named) <= exported().keys(), page


# --- what an answer says, and what is typed ------------------------------------------------------


def test_every_header_of_ours_is_told() -> None:
    async def scene(there: Live) -> None:
        async with there.http.post("/v1/chat/completions", json=ask()) as answer:
            ours = {name.lower() for name in answer.headers if name.lower().startswith("x-")}
        assert {name for name, _ in rows("gateway.md", "header")} == ours

    live(scene)


def test_tables_of_the_configuration_that_are_shown_load() -> None:
    for page in ("gateway.md", "gateway-operations.md"):
        for shown in re.findall(r"^```toml\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE):
            GatewayConfig.model_validate(tomllib.loads(shown))


def test_commands_that_serve_have_flags_that_exist() -> None:
    """They do not end by themselves, so they are not run as all others are (test_docs.py)."""
    help = subprocess.run(
        [sys.executable, "-m", "semsched", "serve", "--help"], capture_output=True, text=True
    ).stdout
    shown = [line for page in DOCS.glob("gateway*.md") for line in _served(page)]
    assert len(shown) >= 3
    for line in shown:
        flags = {word for word in shlex.split(line, comments=True) if word.startswith("--")}
        assert flags <= set(re.findall(r"--[\w-]+", help)), line


def _served(page: Path) -> list[str]:
    return re.findall(r"^ {4}(semsched serve.*)$", page.read_text("utf-8"), re.MULTILINE)
