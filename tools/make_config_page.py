"""Write `docs/gateway-config.md`: every setting of the gateway, from the models that check it.

Usage: python tools/make_config_page.py [FILE]; without FILE it writes the page.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from semsched.core.scheduling import MANY
from semsched.serve.config import GatewayConfig
from semsched.serve.reload import SETTLED

PAGE = Path(__file__).parents[1] / "docs/gateway-config.md"

OPENING = """\
# The gateway's configuration

A TOML file, given as `semsched serve --config FILE`. `examples/gateway.toml` shows every key with a
comment. This page is made from the models that check the file.

- What is not set has its default. An unknown key is an error, and so is a key that has no effect.
- A fault is one line: `FILE:LINE: key: what is wrong`. All faults are told at once.
- Paths are relative to the folder in which the gateway is started.
- Numbers have no quotes. A class is a name (`critical`, `urgent`, `standard`, `low`, `background`)
  or a number from 0 to 4. Times are seconds, sizes are bytes.
- No secret stands in the file: keys to the gateway are known by their SHA-256, keys to engines and
  to the judge are in environment variables.
- The flags of `semsched serve` go before the file.
- A changed file takes effect [within a second](gateway-operations.md#reload), whole or not at all.
  Tables marked *after a restart* wait for one.
"""


def main(path: Path) -> None:
    """Write the page to `path`."""
    sections = [OPENING]
    for name, field in GatewayConfig.model_fields.items():
        sections += _sections(name, field, restarts=name in SETTLED)
    path.write_text("\n".join(sections), "utf-8")


def _sections(name: str, field: FieldInfo, restarts: bool) -> Iterator[str]:
    """A table and those within it."""
    model = _model_in(field.annotation)
    assert model is not None  # noqa: S101 - for the type checker: all top-level keys are tables
    heading = f"[[{name}]]" if _is_list(field.annotation) else f"[{name}]"
    when = " Takes effect *after a restart*." if restarts else ""
    rows = [
        f"| `{key}` | {_default(inner)} | {_what(inner)} |"
        for key, inner in model.model_fields.items()
        if _model_in(inner.annotation) is None
    ]
    about = " ".join((field.description or model.__doc__ or "").split("\n\n")[0].split())
    yield f"## `{heading}`\n\n{about}{when}\n"
    if rows:
        yield "\n".join(("| key | default | |", "|---|---|---|", *rows)) + "\n"
    for key, inner in model.model_fields.items():
        if _model_in(inner.annotation) is not None:
            yield from _sections(f"{name}.{key}", inner, restarts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.default
    if value is None or value in ("", {}, MANY):
        return "none"
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    """As it stands in the file."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
    return f"{value:_}" if isinstance(value, int) and value >= 10_000 else f"{value:g}"


def _what(field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    return f"{field.description}{f' One of {choices}.' if choices else ''}"


def _choices(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    return ""


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `annotation`, maybe within a list or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE)
