"""Adapters: how each kind of engine is told who is more urgent and who will be done sooner.

Every engine has its own field and its own direction, so outside of this file nobody speaks of an
engine's priority: they speak of a Hint.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Literal, NamedTuple, assert_never

import msgspec

Kind = Literal["openai", "vllm", "sglang", "embedded"]
"""What answers behind the gateway: a hosted API (or anything that speaks like one), or an engine
that can be told an order."""


class Hint(NamedTuple):
    """What we decided of a request and believe of its answer."""

    urgency: int
    """Class, 0 (most urgent) to 4."""
    predicted_output_tokens: int
    predicted_p90_tokens: int
    """Nine of ten such answers are no longer."""


Adapter = Callable[[bytes, Hint], bytes]
"""From the body that the client sent (a JSON object) to the body that the engine gets. Raises
msgspec.DecodeError if it is not an object; cheap, and the same input gives the same output."""

_MOST_VLLM_TOKENS = 2**32 - 1
_MOST_SGLANG_TOKENS = 2**20 - 1
_MOST_EMBEDDED_TOKENS = 2**31 - 1

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def adapter_of(kind: Kind, low_values_first: bool = False) -> Adapter:
    """The adapter of a kind of engine.

    - openai: `priority` is dropped, since hosted APIs refuse bodies that have it; `service_tier`
      stays, as it is theirs. The others get no `service_tier`.
    - vllm (--scheduling-policy priority): the smaller `priority` runs first. Class and prediction
      share it: class * 2**32 + tokens, below 2**53. A scheduler plug-in reads the prediction from
      `vllm_xargs.predicted_output_tokens`.
    - sglang (--enable-priority-scheduling --priority-scheduling-preemption-threshold 1048576):
      class * 2**21 + tokens, so that only another class is further away than the threshold and
      may preempt. Negated, because SGLang runs the larger first; `low_values_first` is for those
      that run with --schedule-low-priority-values-first.
    - embedded (`semsched engine`): `priority` is the class, the prediction has its own fields.
    """
    match kind:
        case "openai":
            return _tell_nothing
        case "vllm":
            return _tell_vllm
        case "sglang":
            return partial(_tell_sglang, sign=1 if low_values_first else -1)
        case "embedded":
            return _tell_embedded
    assert_never(kind)


def rewrite(content: bytes, fields: Mapping[str, object], drop: Collection[str]) -> bytes:
    """A JSON object with the members `fields` set and those in `drop` gone.

    All other values keep their bytes. A key that comes twice comes once, with its last value,
    which is the one that we judged. If there is nothing to do, `content` itself comes back.
    Raises msgspec.DecodeError if it is not a JSON object.
    """
    return _rewritten(content, _OBJECT.decode(content), fields, drop)


def _rewritten(
    content: bytes,
    members: dict[str, msgspec.Raw],
    fields: Mapping[str, object],
    drop: Collection[str],
) -> bytes:
    gone = [name for name in drop if name in members]
    if not fields and not gone:
        return content
    for name in gone:
        del members[name]
    return msgspec.json.encode({**members, **fields})


def _tell_nothing(content: bytes, _: Hint) -> bytes:
    return rewrite(content, {}, ("priority",))


def _tell_vllm(content: bytes, hint: Hint) -> bytes:
    members = _OBJECT.decode(content)
    tokens = _within(hint.predicted_output_tokens, _MOST_VLLM_TOKENS)
    fields = {
        "priority": hint.urgency * 2**32 + tokens,
        "vllm_xargs": {**_object_in(members, "vllm_xargs"), "predicted_output_tokens": tokens},
    }
    return _rewritten(content, members, fields, ("service_tier",))


def _tell_sglang(content: bytes, hint: Hint, sign: int) -> bytes:
    tokens = _coarse(_within(hint.predicted_output_tokens, _MOST_SGLANG_TOKENS))
    fields = {"priority": sign * (hint.urgency * 2**21 + tokens)}
    return rewrite(content, fields, ("service_tier",))


def _tell_embedded(content: bytes, hint: Hint) -> bytes:
    fields = {
        "priority": hint.urgency,
        "predicted_output_tokens": _within(hint.predicted_output_tokens, _MOST_EMBEDDED_TOKENS),
        "predicted_p90_tokens": _within(hint.predicted_p90_tokens, _MOST_EMBEDDED_TOKENS),
    }
    return rewrite(content, fields, ("service_tier",))


def _object_in(members: dict[str, msgspec.Raw], name: str) -> dict[str, msgspec.Raw]:
    """The member's own members; none if it is not there or not an object."""
    try:
        return _OBJECT.decode(members[name])
    except (KeyError, msgspec.DecodeError):
        return {}


def _within(tokens: int, most: int) -> int:
    return min(max(tokens, 1), most)


def _coarse(tokens: int) -> int:
    """Rounded down to its three leading bits.

    SGLang makes a metric label of every priority that it has ever seen and keeps it for ever:
    this leaves it 75 for each class. Where predictions are that close, arrival decides.
    """
    shift = max(tokens.bit_length() - 3, 0)
    return tokens >> shift << shift
