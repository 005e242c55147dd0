"""Kinds of values that several tables hold."""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
)

from semsched.core.profile import load_profile
from semsched.policy import load_policy
from semsched.request import NUM_CLASSES

DAY = 86_400
MIB = 2**20


class Table(BaseModel):
    """A group of settings. Frozen; unknown keys are errors; a number in quotes is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def _loadable_policy(name: str) -> str:
    load_policy(name)
    return name


def _loadable_profile(name: str) -> str:
    load_profile(name)
    return name


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not re.fullmatch("[!-~]+", url):
        raise ValueError("is no URL: write it as http://host:port")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError("must hold no user, password, query or fragment")
    return url.rstrip("/")


def one_per_class(values: tuple[float, ...]) -> tuple[float, ...]:
    """`values`; raises ValueError unless there is one for each class."""
    if len(values) != NUM_CLASSES:
        raise ValueError(f"must be {NUM_CLASSES} numbers, one for each class")
    return values


def _for_each_class(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,) * NUM_CLASSES


def _like(pattern: str, why: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(why)
        return value

    return AfterValidator(check)


_HASH = "must be the SHA-256 of the key, 64 hexadecimal digits; not the key itself"
_VARIABLE = "must be the name of an environment variable, as MY_API_KEY; not the key itself"

Seconds = Annotated[FiniteFloat, Field(gt=0, le=DAY)]
Policy = Annotated[str, AfterValidator(_loadable_policy)]
Profile = Annotated[str, AfterValidator(_loadable_profile)]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_http_url)]
Hash = Annotated[str, _like("[0-9a-fA-F]{64}", _HASH), AfterValidator(str.lower)]
FilePath = Annotated[Path, Field(strict=False)]
Variable = Annotated[str, _like("[A-Za-z_][A-Za-z0-9_]{0,99}", _VARIABLE)]
UrlPath = Annotated[str, _like('/[!-"$-~]{0,199}', "must begin with /, without blanks or #")]
Name = Annotated[str, _like("[!-~]{1,100}", "must be 1 to 100 letters, digits and signs of ASCII")]
"""What can stand in a header and in a metric."""
SecondsPerClass = Annotated[
    tuple[Seconds, ...],
    Field(strict=False),
    AfterValidator(one_per_class),
    BeforeValidator(_for_each_class),
]
"""A number for each class, or one for all."""
