"""Engine profiles: the shipped ones, and one clear line for each that cannot be used."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from semsched.core.profile import ProfileError, load_profile, shipped_profiles

GOOD = """\
name = "mine"

[step_time]
model = "linear"
base = 1e-3
prefill_token = 1e-4
decode_seq = 1e-5

[memory]
gpu_gib = 10
utilization = 0.5
activation_share = 0.2
weights_gib = 3
kv_bytes_per_token = 1_048_576
block_size = 16

[copy_time]
load_token = 1e-6
save_token = 2e-6
"""


def test_the_papers_profiles_and_one_more_are_shipped() -> None:
    assert shipped_profiles() == ["A100_4B", "A100_7B", "A5000_4B", "A5000_7B", "H100_8B"]


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads_under_its_own_name(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description
    assert profile.kv_tokens == profile.memory.num_blocks * profile.memory.block_size
    assert profile.cost.decode_seq > 0


@pytest.mark.parametrize(
    ("name", "num_blocks"),
    [("A100_4B", 1179), ("A100_7B", 153), ("A5000_4B", 183), ("A5000_7B", 271)],
)
def test_blocks_by_the_papers_memory_rule(name: str, num_blocks: int) -> None:
    memory = load_profile(name).memory
    assert memory.block_size == 32
    assert memory.num_blocks == num_blocks


def test_a5000_7b_says_that_its_weights_take_two_bytes() -> None:
    profile = load_profile("A5000_7B")
    assert profile.memory.weights_gib == 14
    assert "2-byte weights" in profile.description


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    """10 GiB * 0.5, less a fifth, less 3 GiB of weights: 1 GiB = 1024 tokens = 64 blocks."""
    profile = load_profile(write(tmp_path, GOOD))
    assert profile.memory.num_blocks == 64
    assert profile.kv_tokens == 1024
    assert profile.cost == (True, 1e-3, 1e-4, 0.0, 1e-5, 0.0, 1e-6, 2e-6)


def test_block_size_and_utilization_can_be_overridden(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_profile(path, block_size=128).memory.num_blocks == 8
    assert load_profile(path, utilization=1.0).memory.num_blocks == 5 * 64
    both = load_profile(path, block_size=1000, utilization=1.0)
    assert both.memory.num_blocks == 5
    assert load_profile("A100_4B", block_size=16).memory.num_blocks > 2 * 1179 - 1


def test_a_loaded_profile_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_profile("A100_4B").memory.block_size = 1


# --- what is wrong with it -----------------------------------------------------------------------


def refusal(name: str, **overrides: float) -> str:
    """The one line with which the profile is refused; it names the file."""
    with pytest.raises(ProfileError) as error:
        load_profile(name, **overrides)  # type: ignore[arg-type]
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"profile {name}: ")
    return message.removeprefix(f"profile {name}: ")


def test_an_unknown_name_lists_the_known_ones() -> None:
    message = refusal("A100_9B")
    assert all(name in message for name in shipped_profiles())
    assert ".toml" in message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(str(tmp_path / "absent.toml"))


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert "cannot be read" in refusal(str(folder))


def test_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "\xe9"')
    assert "utf-8" in refusal(str(path))


def test_not_toml_names_the_line(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, GOOD.replace('model = "linear"', "model = linear")))
    assert message.startswith("not TOML: ")
    assert "line 4" in message


@pytest.mark.parametrize(
    ("line", "wrong", "key", "why"),
    [
        ("base = 1e-3", "bass = 1e-3", "step_time.bass", "unknown key"),
        ('name = "mine"', 'name = "mine"\ncolour = "red"', "colour", "unknown key"),
        ("save_token = 2e-6", "save_token = 2e-6\n[extra]\na = 1", "extra", "unknown key"),
        ('name = "mine"', "", "name", "required"),
        ("decode_seq = 1e-5", "", "step_time.decode_seq", "required"),
        ("weights_gib = 3", "", "memory.weights_gib", "required"),
        ('model = "linear"', 'model = "cubic"', "step_time.model", "'paper' or 'linear'"),
        ("base = 1e-3", "base = nan", "step_time.base", "finite"),
        ("base = 1e-3", "base = inf", "step_time.base", "finite"),
        ("base = 1e-3", "base = -1e-3", "step_time.base", "greater than or equal to 0"),
        ("base = 1e-3", 'base = "fast"', "step_time.base", "number"),
        ("load_token = 1e-6", "load_token = -1.0", "copy_time.load_token", "greater"),
        ("gpu_gib = 10", "gpu_gib = 0", "memory.gpu_gib", "greater than 0"),
        ("gpu_gib = 10", "gpu_gib = inf", "memory.gpu_gib", "finite"),
        ("utilization = 0.5", "utilization = 1.5", "memory.utilization", "less than or equal to 1"),
        ("utilization = 0.5", "utilization = 0", "memory.utilization", "greater than 0"),
        ("utilization = 0.5", "utilization = nan", "memory.utilization", ""),
        ("activation_share = 0.2", "activation_share = 1", "memory.activation_share", "less"),
        ("weights_gib = 3", "weights_gib = nan", "memory.weights_gib", "finite"),
        ("weights_gib = 3", "weights_gib = -1", "memory.weights_gib", "greater"),
        ("weights_gib = 3", "weights_gib = 4", "memory", "no room"),
        ("weights_gib = 3", "weights_gib = 400", "memory", "no room"),
        ("block_size = 16", "block_size = 0", "memory.block_size", "greater than 0"),
        ("block_size = 16", "block_size = 1.5", "memory.block_size", "integer"),
        ("1_048_576", "0", "memory.kv_bytes_per_token", "greater than 0"),
    ],
)
def test_a_wrong_key_is_named_with_the_reason(
    tmp_path: Path, line: str, wrong: str, key: str, why: str
) -> None:
    assert line in GOOD
    message = refusal(write(tmp_path, GOOD.replace(line, wrong)))
    assert message.startswith(f"{key}: ")
    assert why in message


def test_a_memory_beyond_all_numbers(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, GOOD.replace("gpu_gib = 10", "gpu_gib = 1e308")))
    assert message.startswith("memory")


@pytest.mark.parametrize("section", ["step_time", "memory", "copy_time"])
@pytest.mark.parametrize("value", ["3", '"big"', "[1, 2]"])
def test_a_section_that_is_not_a_table(tmp_path: Path, section: str, value: str) -> None:
    head, _, rest = GOOD.partition(f"[{section}]\n")
    _, _, tail = rest.partition("\n\n")
    message = refusal(write(tmp_path, f"{section} = {value}\n{head}{tail}"))
    assert message.startswith(f"{section}: ")


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"block_size": 0}, "memory.block_size"),
        ({"utilization": 1.01}, "memory.utilization"),
        ({"utilization": float("nan")}, "memory.utilization"),
        ({"utilization": 0.1}, "memory"),
    ],
)
def test_a_wrong_override_is_named_too(overrides: dict[str, float], key: str) -> None:
    assert refusal("A100_4B", **overrides).startswith(f"{key}: ")


@pytest.mark.parametrize("value", ['"1"', "true"])
def test_text_and_truth_values_are_no_numbers(tmp_path: Path, value: str) -> None:
    message = refusal(write(tmp_path, GOOD.replace("gpu_gib = 10", f"gpu_gib = {value}")))
    assert message.startswith("memory.gpu_gib: ")
