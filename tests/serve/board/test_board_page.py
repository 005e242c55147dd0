"""The page stands alone, runs nothing but its own script, and can be read by everyone."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import get_args

import msgspec
import pytest

from semsched.request import CLASS_NAMES
from semsched.serve.board import PAGE, PAGE_HEADERS, Snapshot
from semsched.serve.board.snapshot import BIN_TIME
from semsched.serve.row import Outcome

TEXT = PAGE.decode()
NAMESPACE = "http://www.w3.org/2000/svg"
VOID = {"meta", "link", "path"}


class Reader(HTMLParser):
    """Tags with their attributes; what is left open or closed without need is kept in `open`."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def read() -> Reader:
    reader = Reader()
    reader.feed(TEXT)
    reader.close()
    return reader


def inside(tag: str) -> str:
    (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", TEXT, re.DOTALL)
    assert isinstance(text, str)
    return text


SCRIPT, STYLE = inside("script"), inside("style")


def test_every_tag_is_closed() -> None:
    reader = read()
    assert reader.open == []
    assert ("html", {"lang": "en"}) in reader.tags


def test_it_needs_no_network() -> None:
    assert re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", TEXT.replace(NAMESPACE, "")) == []
    assert "@import" not in STYLE
    assert "url(" not in STYLE
    for tag, attributes in read().tags:
        assert attributes.get("src") is None, tag
        assert (attributes.get("href") or "data:").startswith("data:"), tag


def test_no_element_has_a_style_or_a_handler() -> None:
    for tag, attributes in read().tags:
        wrong = [name for name in attributes if name == "style" or name.startswith("on")]
        assert wrong == [], tag


@pytest.mark.parametrize(
    "way",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(",
     "createContextualFragment", "Function(", '"style"', "{ style:", ' "on'],
)  # fmt: skip
def test_data_never_becomes_markup_or_code(way: str) -> None:
    assert way not in SCRIPT


@pytest.mark.parametrize(("tag", "text"), [("script", SCRIPT), ("style", STYLE)])
def test_the_policy_allows_what_stands_in_the_page_and_nothing_else(tag: str, text: str) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in PAGE_HEADERS["content-security-policy"].split(";")
    )
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"


def test_what_is_referred_to_exists() -> None:
    tags = read().tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    made = {"cross"}  # by the script
    asked = set(re.findall(r'byId\("([\w-]+)"\)', SCRIPT))
    named = {str(a["aria-labelledby"]) for _, a in tags if "aria-labelledby" in a}
    assert (asked | named) - made <= set(ids)


def fields(kind: object) -> set[str]:
    """The names of the fields of a struct and of all that it holds."""
    found: set[str] = set()
    todo, seen = [kind], set()
    while todo:
        kind = todo.pop()
        todo += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
            seen.add(kind)
            found |= {field.name for field in msgspec.structs.fields(kind)}
            todo += [field.type for field in msgspec.structs.fields(kind)]
    return found


def test_the_page_shows_every_field_of_a_snapshot() -> None:
    names = fields(Snapshot)
    assert {"oldest_wait", "kv_usage", "words", "running_for"} <= names
    assert {name for name in names if not re.search(rf"\b{name}\b", SCRIPT)} == set()


def test_page_and_gateway_agree_on_names_and_numbers() -> None:
    classes = ", ".join(f'"{name}"' for name in CLASS_NAMES)
    assert f"const CLASSES = [{classes}];" in SCRIPT
    assert f"const BIN = {BIN_TIME:g};" in SCRIPT
    (outcomes,) = re.findall(r"const OUTCOMES = \{(.*)\};", SCRIPT)
    assert set(re.findall(r"(\w+): \[", outcomes)) == set(get_args(Outcome))


# --- contrast (WCAG 2: 4.5 for text, 3 for graphics) -------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_what_is_behind_them(theme: int) -> None:
    block = re.findall(r":root \{(.*?)\n\s*\}", STYLE, re.DOTALL)[theme]
    colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    texts = ["ink", "soft", "good", "warn", "bad", *(f"c{urgency}" for urgency in range(5))]
    for behind in ("panel", "page"):
        for text in texts:
            assert contrast(colour[text], colour[behind]) >= 4.5, (text, behind)
    for urgency in range(5):
        assert contrast(colour["on"], colour[f"c{urgency}"]) >= 4.5, urgency
    assert contrast(colour["soft"], colour["track"]) >= 4.5
    assert contrast(colour["edge"], colour["panel"]) >= 3


def test_who_wants_no_motion_gets_none() -> None:
    assert "@media (prefers-reduced-motion: reduce)" in STYLE
    assert 'matchMedia("(prefers-reduced-motion: reduce)")' in SCRIPT
    assert SCRIPT.count(".animate(") == 2
    assert "if (!still.matches) for" in SCRIPT  # the one caller of what animates
