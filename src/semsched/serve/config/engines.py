"""The engines behind the gateway, or the one within it."""

import os
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, FiniteFloat, SecretStr, model_validator

from semsched.core.scheduling import Scheduling
from semsched.errors import InputError
from semsched.serve.config.file import fault
from semsched.serve.config.values import Name, Profile, Seconds, Table, Url, UrlPath, Variable
from semsched.study.settings import DEFAULT_PROFILE


def _without_version(url: str) -> str:
    return url.removesuffix("/v1").rstrip("/")


class Backend(Table):
    """An engine behind the gateway."""

    url: Annotated[
        Url,
        AfterValidator(_without_version),
        Field(description="Base of its API, as http://host:8000; /v1 at the end is left out."),
    ]
    name: Annotated[
        Name, Field(description="What to call it: host:port of the URL unless told.")
    ] = ""
    kind: Annotated[
        Literal["openai", "vllm", "sglang"],
        Field(description="The dialect of priority that it speaks (openai: none)."),
    ] = "openai"
    seats: Annotated[
        Annotated[int, Field(gt=0, le=100_000)] | None,
        Field(description="Requests that it may run at once; found out unless told."),
    ] = None
    kv_tokens: Annotated[
        Annotated[int, Field(gt=0, le=2**40)] | None,
        Field(description="Tokens of KV that fit in its memory; found out unless told."),
    ] = None
    reserve: Annotated[
        int, Field(ge=0, lt=100_000, description="Seats kept for classes 0 and 1.")
    ] = 0
    preempts: Annotated[
        bool, Field(description="vllm, sglang: it pauses the less urgent by itself.")
    ] = False
    low_values_first: Annotated[
        bool, Field(description="sglang: it runs with --schedule-low-priority-values-first.")
    ] = False
    api_key_env: Annotated[
        Variable | None, Field(description="Environment variable that holds the key to its API.")
    ] = None
    health_path: Annotated[
        UrlPath | None,
        Field(description="Page that answers 200 while it is well; found out unless told."),
    ] = None
    connect_time: Annotated[Seconds, Field(description="Seconds to connect.")] = 5.0
    first_byte_time: Annotated[
        Seconds, Field(description="Seconds from the request to the first byte of the answer.")
    ] = 600.0
    read_time: Annotated[Seconds, Field(description="Seconds from one byte to the next.")] = 120.0

    def api_key(self) -> SecretStr | None:
        """The key, None if none is wanted; raises InputError if the variable holds none."""
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not re.fullmatch("[!-~]+", key):
            raise InputError(
                f"backend {self.name}: environment variable {self.api_key_env} holds no API key"
            )
        return SecretStr(key)

    @model_validator(mode="before")
    @classmethod
    def _named_after_its_address(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" not in data and isinstance(data.get("url"), str):
            return {**data, "name": re.sub("^[^:]*://|/.*", "", data["url"])}
        return data

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.seats is not None and self.reserve >= self.seats:
            raise fault(("reserve",), f"must be less than seats ({self.seats})")
        if self.preempts and self.kind == "openai":
            raise fault(("preempts",), 'has no effect with kind = "openai": leave it out')
        if self.low_values_first and self.kind != "sglang":
            why = f'has no effect with kind = "{self.kind}": leave it out'
            raise fault(("low_values_first",), why)
        return self


class Engine(Scheduling):
    """The engine within the gateway, used where no backend is named."""

    profile: Annotated[
        Profile, Field(description="Engine profile: a shipped one, or the path of a .toml.")
    ] = DEFAULT_PROFILE
    speed: Annotated[
        FiniteFloat, Field(ge=1e-3, le=1e6, description="Times as fast as the profile.")
    ] = 1.0
    seed: Annotated[int, Field(description="Of the answers and their lengths.")] = 0
