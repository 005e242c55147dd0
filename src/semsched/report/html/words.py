"""What things are called on the page, and how numbers are written."""

from typing import Any

from semsched.request import NUM_CLASSES

ALL = "all"
"""The urgency of rows over all classes."""

UNKNOWN = "–"  # noqa: RUF001 - a dash for people

UNITS = {
    "user_request_gap": "s",
    "priority_predictor_latency": "s",
    "length_predictor_latency": "s",
    "rate": "requests/s",
    "max_prompt_length": "tokens",
    "max_output_length": "tokens",
    "max_num_batched_tokens": "tokens",
    "block_size": "tokens",
}
"""Of the settings that have one."""


NAMES = {"setting": "GPU and model"}
"""Of the settings whose own name says too little."""


def axis_name(axis: str) -> str:
    """A setting in words: user_request_gap -> user request gap."""
    return NAMES.get(axis, axis.replace("_", " "))


def axis_title(axis: str) -> str:
    """A setting in words, with its unit."""
    return f"{axis_name(axis)} ({UNITS[axis]})" if axis in UNITS else axis_name(axis)


def value_text(value: Any) -> str:
    """A value of a setting."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.12g}"
    return "unset" if value is None else str(value)


def setting_text(axis: str, value: Any) -> str:
    """A setting and its value: user request gap 0.01 s."""
    unit = f" {UNITS[axis]}" if axis in UNITS else ""
    return f"{axis_name(axis)} {value_text(value)}{unit}"


def group_name(urgency: str) -> str:
    """The requests of one row: class 0 (most urgent)."""
    remarks = {"0": " (most urgent)", str(NUM_CLASSES - 1): " (least urgent)"}
    return "all requests" if urgency == ALL else f"class {urgency}{remarks.get(urgency, '')}"


def number(value: float) -> str:
    """Three digits at least, whole above 100, thousands parted."""
    size = abs(value)
    decimals = 0 if size >= 100 or value == 0 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:,.{decimals}f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def ratio(value: float) -> str:
    return f"{value:.2f}"


def count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def margin(value: float) -> str:
    """Half the width of an interval, in two digits."""
    if value >= 10 or value == 0:
        return f"{value:,.0f}"
    return f"{value:#.2g}" if value >= 0.001 else "0.00"


def margin_percent(value: float) -> str:
    return f"{margin(100 * value)} %"
