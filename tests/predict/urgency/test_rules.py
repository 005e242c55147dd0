from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from semsched.errors import InputError
from semsched.predict.urgency.rules import (
    MAX_FILE_BYTES,
    MAX_HEAD,
    MAX_RULES,
    MAX_TAIL,
    Asked,
    Rule,
    matching,
    read_rules,
)


def rule(**conditions: object) -> Rule:
    return Rule.model_validate({"name": "r", "urgency": 1, **conditions})


def holds(asked: Asked, **conditions: object) -> bool:
    return matching([rule(**conditions)], asked) is not None


def test_the_first_rule_that_holds_decides() -> None:
    rules = [rule(name=name, pattern=pattern) for name, pattern in (("a", "x"), ("b", "y"))]
    rules.append(rule(name="c", pattern="."))
    found = [matching(rules, Asked(text)) for text in ("y x", "y", "z", "")]
    assert [rule.name if rule else None for rule in found] == ["a", "b", "c", None]


def test_a_tenant_is_meant_exactly() -> None:
    asked = Asked("", tenant="ward")
    assert holds(asked, tenant="ward")
    assert not holds(asked, tenant="Ward")
    assert not holds(asked, tenant="war")


@pytest.mark.parametrize(
    ("glob", "value", "fits"),
    [
        ("ward-7", "ward-7", True),
        ("ward-7", "ward-77", False),
        ("Ward-7", "ward-7", False),
        ("ward-*", "ward-", True),
        ("*-7", "ward-7", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("*bc*b", "abcb", True),
        ("*bc*b", "abc", False),
        ("*", "", True),
        ("", "", True),
        ("a?[b]", "a?[b]", True),
        ("a.c", "abc", False),
    ],
)
def test_a_header_is_meant_exactly_or_with_stars(glob: str, value: str, fits: bool) -> None:
    assert holds(Asked("", headers={"X-Source": value}), header={"x-source": glob}) is fits


def test_names_of_headers_have_no_case_and_a_missing_one_fits_nothing() -> None:
    assert holds(Asked("", headers={"x-a": "1"}), header={"X-A": "1"})
    assert not holds(Asked("", headers={"x-b": "1"}), header={"x-a": "*"})


def test_metadata_is_meant_exactly_and_may_hold_anything() -> None:
    asked = Asked("", metadata={"kind": "alarm", "number": 1, "list": ["alarm"], "none": None})
    assert holds(asked, metadata={"kind": "alarm"})
    for key, value in (("number", "1"), ("list", "alarm"), ("none", "None"), ("absent", "x")):
        assert not holds(asked, metadata={key: value})


def test_a_pattern_is_searched_in_any_case_and_any_script() -> None:
    asked = Asked("Der K\u00dcHLER brennt,\nCODE  red \u706b\u4e8b")
    for pattern in (r"code\s+red", "k\u00fchler", "\u706b.", "(?m)^code"):
        assert holds(asked, pattern=pattern)
    for pattern in ("^code", r"\bod", "brennt.CODE"):
        assert not holds(asked, pattern=pattern)


def test_all_conditions_must_hold() -> None:
    asked = Asked("fire", "t", {"a": "1", "b": "2"}, {"k": "v", "l": "w"})
    conditions = {
        "tenant": "t",
        "header": {"a": "1", "b": "*"},
        "metadata": {"k": "v", "l": "w"},
        "pattern": "fire",
    }
    wrong = {
        "tenant": "u",
        "header": {"a": "1", "b": "3"},
        "metadata": {"k": "v", "l": "v"},
        "pattern": "flood",
    }
    assert holds(asked, **conditions)
    assert not any(holds(asked, **{**conditions, key: value}) for key, value in wrong.items())


def test_patterns_see_both_ends_of_a_long_text_and_no_word_across_the_gap() -> None:
    text = "h" * MAX_HEAD + "middle" + "t" * MAX_TAIL
    assert holds(Asked(text), pattern="^h+\nt+$")
    assert not holds(Asked(text), pattern="middle|ht")
    assert holds(Asked(text.replace("middle", "")), pattern="ht")


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a|a)*$b", "(.*)*#", "([ab]*a[ab]{200})*c"])
def test_no_pattern_backtracks(pattern: str) -> None:
    hostile = rule(pattern=pattern)
    began_at = process_time()
    for text in ("x" * 10_000_000, "ab" * 5_000_000, "\U0001f692" * 1_000_000):
        matching([hostile], Asked(text))
    took = process_time() - began_at
    assert took < 0.5, f"{took:.3f} s"


@given(st.text(), st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.integers()))
def test_whatever_is_asked_nothing_is_raised(
    text: str, headers: dict[str, str], metadata: dict[str, object]
) -> None:
    asked = Asked(text + "\ud800", text, headers, metadata)
    assert not holds(asked, tenant="\x00", header={"a": "*"}, metadata={"a": "b"}, pattern="a")
    assert holds(asked, pattern=r"\?$")


def test_what_a_person_wrote_is_not_shown() -> None:
    asked = Asked("secret", "tenant", {"authorization": "secret"}, {"note": "secret"})
    assert repr(asked) == "Asked(tenant='tenant')"


def test_a_rule_stays_as_it_is() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        rule(tenant="t").urgency = 0


# --- files -------------------------------------------------------------------------------------

GOOD = """
[[rule]]
name = "ward"
urgency = 0
tenant = "hospital"
header = { x-source = "ward-*" }
metadata = { kind = "alarm" }
pattern = 'code (blue|red)'

[[rule]]
name = "newsletter"
urgency = 4
pattern = "unsubscribe"
"""


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "rules.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_rules_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    first, second = read_rules(written(tmp_path, GOOD))
    assert (first.name, first.urgency, first.header) == ("ward", 0, {"x-source": "ward-*"})
    assert (second.name, second.tenant, second.pattern) == ("newsletter", None, "unsubscribe")
    assert read_rules(written(tmp_path, "")) == ()


RULE = '[[rule]]\nname = "a"\nurgency = 1\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + RULE, "rule 3 'a': must have a condition: tenant, header, metadata or pattern"),
        (RULE + "header = {}", "rule 1 'a': must have a condition"),
        (RULE + "pattern = '(b'", "rule 1 'a': pattern: missing ): (b"),
        (RULE + r"pattern = '(b)\1'", r"rule 1 'a': pattern: invalid escape sequence: \1"),
        (RULE + 'pattern = "[\\n"', "rule 1 'a': pattern: missing ]: ["),
        (RULE + "pattern = '(ab?){999}'", "rule 1 'a': pattern: too large: compiles to "),
        (RULE + "pattern = '((a{99}){9}){99}'", "rule 1 'a': pattern: "),
        (RULE + "pattern = ''", "rule 1 'a': pattern: String should have at least 1 char"),
        (RULE + "tenants = 'b'", "rule 1 'a': tenants: unknown key"),
        (RULE + "tenant = 1", "rule 1 'a': tenant: Input should be a valid string"),
        (RULE + "metadata.n = 1", "rule 1 'a': metadata: n: Input should be a valid string"),
        ("[[rule]]\nname = 'b'\nurgency = 5\ntenant = 't'", "rule 1 'b': urgency: "),
        ("[[rule]]\nname = 'b'\nurgency = true\ntenant = 't'", "rule 1 'b': urgency: "),
        ("[[rule]]\nurgency = 1\ntenant = 't'", "rule 1: name: Field required"),
        ("rule = [1]", "rule 1: Input should be"),
        ("rule = 1", "'rule': rules must be tables [[rule]], nothing else"),
        ("[[rules]]\nname = 'a'", "'rules': rules must be tables [[rule]], nothing else"),
        ("[[rule]", "not TOML: "),
        ("a = " + "[" * 100_000, "not TOML: "),
        (b"\xff", "cannot be read: "),
        (b"#" * (MAX_FILE_BYTES + 1), f"larger than {MAX_FILE_BYTES} bytes"),
        ((RULE + "tenant = 't'\n") * (MAX_RULES + 1), f"has {MAX_RULES + 1} rules, may have"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError) as raised:
        read_rules(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: "):
        read_rules(tmp_path / "none.toml")


def test_as_many_rules_as_may_be_are_soon_tried(tmp_path: Path) -> None:
    content = "".join(
        f'[[rule]]\nname = "r{i}"\nurgency = 1\npattern = "outage of (db|web){i}\\\\b"\n'
        for i in range(MAX_RULES)
    )
    rules, asked = read_rules(written(tmp_path, content)), Asked("no outage of anything " * 1_000)
    matching(rules, asked)
    began_at = process_time()
    assert matching(rules, asked) is None
    took = process_time() - began_at
    assert took < 0.5, f"{took:.3f} s"
