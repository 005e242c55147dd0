"""EngineProfile: what a GPU with a model on it can do, read from a TOML file."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from semsched.core.cost import StepCost
from semsched.errors import InputError

PROFILES = files("semsched.core") / "profiles"
GIB = 2**30

NonNegative = Annotated[FiniteFloat, Field(ge=0, le=1e6)]


class ProfileError(InputError):
    """A profile that cannot be used; the message names the file, the key and why."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StepTime(_Section):
    """How long a step takes, in seconds (see core/cost.py for the formula)."""

    model: Literal["paper", "linear"]
    base: NonNegative = 0.0
    prefill_token: NonNegative
    prefill_square: NonNegative = 0.0
    decode_seq: NonNegative
    decode_context: NonNegative = 0.0


class Memory(_Section):
    """What is left of the GPU's memory for KV, and how it is paged.

    Room = gpu_gib * utilization, less `activation_share` of that, less the weights.
    """

    gpu_gib: Annotated[FiniteFloat, Field(gt=0, le=1e6)]
    utilization: Annotated[float, Field(gt=0, le=1)] = 0.8
    activation_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weights_gib: NonNegative
    kv_bytes_per_token: Annotated[int, Field(gt=0)]
    block_size: Annotated[int, Field(gt=0)] = 32

    @property
    def num_blocks(self) -> int:
        """KV blocks that fit; not positive if the weights leave no room."""
        usable = self.gpu_gib * self.utilization
        room = (usable - usable * self.activation_share - self.weights_gib) * GIB
        return int(room / self.kv_bytes_per_token) // self.block_size


class Copy(_Section):
    """Copying KV between GPU and host memory, in seconds per token."""

    load_token: NonNegative
    save_token: NonNegative


class EngineProfile(_Section):
    """An engine as the scheduler and the simulator see it."""

    name: str
    description: str = ""
    step_time: StepTime
    memory: Memory
    copy_time: Copy

    @property
    def cost(self) -> StepCost:
        """The coefficients of the step time, as the scheduler and the kernel take them."""
        step = self.step_time.model_dump(exclude={"model"})
        additive = self.step_time.model == "linear"
        return StepCost(additive=additive, **step, **self.copy_time.model_dump())

    @property
    def kv_tokens(self) -> int:
        """Tokens of KV that fit in memory."""
        return self.memory.num_blocks * self.memory.block_size


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.name.removesuffix(".toml") for path in PROFILES.iterdir())


def load_profile(
    name: str, *, block_size: int | None = None, utilization: float | None = None
) -> EngineProfile:
    """A shipped profile by its name, or one from a TOML file by its path.

    `block_size` and `utilization` replace the file's own. Raises ProfileError with one line.
    """
    try:
        data = tomllib.loads(_read(name))
        overrides = {"block_size": block_size, "utilization": utilization}
        if isinstance(memory := data.get("memory"), dict):
            memory.update({k: v for k, v in overrides.items() if v is not None})
        profile = EngineProfile.model_validate(data)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"profile {name}: not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        why = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ProfileError(f"profile {name}: {key}: {why}") from error
    _check(name, profile)
    return profile


def _check(name: str, profile: EngineProfile) -> None:
    """What no key can be blamed for alone."""
    step, memory = profile.step_time, profile.memory
    if not step.base + step.decode_seq + step.decode_context:
        raise ProfileError(f"profile {name}: step_time: a decode step must take some time")
    if memory.num_blocks < 1:
        raise ProfileError(
            f"profile {name}: memory: {memory.weights_gib} GiB of weights leave no room for a "
            f"KV block of {memory.block_size} tokens"
        )


def _read(name: str) -> str:
    if name in shipped_profiles():
        return (PROFILES / f"{name}.toml").read_text("utf-8")
    if name.endswith(".toml"):
        try:
            return Path(name).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise ProfileError(f"profile {name}: cannot be read: {error}") from error
    known = ", ".join(shipped_profiles())
    raise ProfileError(f"profile {name}: not known: use one of {known}, or a path to a .toml file")
