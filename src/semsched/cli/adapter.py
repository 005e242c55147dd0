"""Groups of options (pydantic models) become the flags of a typer command."""

import inspect
import re
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from semsched.cli.errors import Failure

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "gpu_memory_utilization": ("--GPU-memory-utilization",),
    "json_path": ("--json",),
    "max_num_seqs": ("--max-num-seqs", "--batch-size"),
    "setting": ("--setting", "--profile"),
}
"""Flags that are not simply the field's name with hyphens."""


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a command whose parameters are option groups into one that typer understands.

    Each parameter is annotated with a pydantic model; its fields become flags under a help
    panel of the parameter's name. A model is given only what the user gave, so that its
    `model_fields_set` tells the two apart. Raises Failure for values that a model rejects.
    """
    groups: dict[str, type[BaseModel]] = inspect.get_annotations(command, eval_str=True)
    groups.pop("return")

    def run(context: typer.Context, **values: Any) -> None:
        given = {name: values[name] for name in values if _is_given(context, name)}
        command(**{name: _validated(model, given) for name, model in groups.items()})

    flags = [
        _flag(name, field, panel.capitalize())
        for panel, model in groups.items()
        for name, field in model.model_fields.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *flags])  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def unwrap_help(app: typer.Typer) -> None:
    """Make each paragraph of the commands' help one line, which a terminal wraps by its width."""
    for command in app.registered_commands:
        text = inspect.getdoc(command.callback) or ""
        command.help = re.sub(r"(?<=\S)\n(?=\S)", " ", text)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _validated(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    try:
        return model(**{name: given[name] for name in given if name in model.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["loc"]:
            field = str(first["loc"][0])
            message = f"{_spellings(field)[0]}: {message}, got {given[field]}"
        raise Failure(message) from None


def _spellings(field: str) -> tuple[str, ...]:
    return SPELLINGS.get(field, (f"--{field.replace('_', '-')}",))


def _flag(name: str, field: FieldInfo, panel: str) -> inspect.Parameter:
    names = _spellings(name)
    if field.annotation is bool:
        names = (f"{names[0]}/{names[0].replace('--', '--no-')}",)
    kind, help = _flag_type(field.annotation), field.description or ""
    metavar = None
    if get_origin(kind) is Literal:  # a list of choices in the type column would squeeze the flags
        metavar, help = "CHOICE", f"{help} ({', '.join(get_args(kind))})"
    option = typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar)
    default = field.default
    if isinstance(default, tuple):
        default = ",".join(f"{item:g}" if isinstance(item, float) else item for item in default)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )


def _flag_type(annotation: Any) -> Any:
    """What typer should parse; bounds and lists of items are left to the model."""
    if get_origin(annotation) is Annotated:
        return _flag_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        [kind] = [arg for arg in get_args(annotation) if arg is not types.NoneType]
        return _flag_type(kind) | None
    return str if get_origin(annotation) is tuple else annotation
