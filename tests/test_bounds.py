"""A number that somebody else may send has an end on both sides, and the same one wherever it can be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo
from typer.main import get_command

from seq2seq.bounds import LARGEST_ALPHA, LARGEST_BEAM, LARGEST_LENGTH_OFFSET, LARGEST_LENGTH_RATIO, LARGEST_MIN_LENGTH
from seq2seq.cli import app
from seq2seq.comparison.plan import CostSettings, Noise, Search
from seq2seq.config import Config, ModelConfig, SearchConfig, TrainingConfig
from seq2seq.config_file import parse_config
from seq2seq.errors import InputError
from seq2seq.section import Section
from seq2seq.translation.options import SearchOptions

DATA = {"train": {"tsv": "train.tsv"}, "validation": {"tsv": "validation.tsv"}}
# What nothing is made of or repeated by: counts that only end or pace a training, which stops before them, and seeds;
# and numbers that a network is trained with.
HARMLESS = {
    TrainingConfig: {
        "seed", "learning_rate", "weight_decay", "warmup_steps", "plateau_patience",
        "clip_norm", "batch_tokens", "coverage_loss", "max_steps", "max_epochs", "validation_interval", "patience",
        "log_interval", "start_decay", "guided_alignment_weight",
    },
    Noise: {"seed", "rates"},
}  # fmt: skip


def numbers(section: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if {int, float} & {field.annotation, *get_args(field.annotation)}:
            yield name, field


def ends(field: FieldInfo) -> dict[str, Any]:
    return {name: bound for mark in field.metadata for name, bound in asdict(mark).items()}


@pytest.mark.parametrize("section", [ModelConfig, SearchConfig, TrainingConfig, Noise, CostSettings, Search])
def test_every_number_of_a_config_has_two_ends(section: type[Section]) -> None:
    endless = {
        name
        for name, field in numbers(section)
        if not ({"ge", "gt"} & ends(field).keys() and {"le", "lt"} & ends(field).keys())
    }
    assert endless == HARMLESS.get(section, set())


SEARCH = {
    "beam_size": LARGEST_BEAM,
    "length_alpha": LARGEST_ALPHA,
    "min_length": LARGEST_MIN_LENGTH,
    "max_length_offset": LARGEST_LENGTH_OFFSET,
    "max_length_ratio": LARGEST_LENGTH_RATIO,
}


@pytest.mark.parametrize("key", SEARCH)
def test_a_search_that_a_model_asks_for_ends(key: str) -> None:
    assert getattr(parse_config({"data": DATA, "search": {key: SEARCH[key]}}, "x").search, key) == SEARCH[key]
    for value in (SEARCH[key] + 1, 2**31 - 1, 2**70):
        with pytest.raises(InputError, match=rf"x: search\.{key}.*(less than or equal to|too large)"):
            parse_config({"data": DATA, "search": {key: value}}, "x")
    assert set(SEARCH) == {name for name, _ in numbers(SearchConfig)}


@pytest.mark.parametrize(("key", "largest"), [("beam_size", LARGEST_BEAM), ("min_length", LARGEST_MIN_LENGTH)])
def test_python_and_the_command_line_have_the_bounds_of_the_config(key: str, largest: int) -> None:
    search = Config.model_validate({"data": DATA}).search
    SearchOptions.of(search, {key: largest})
    with pytest.raises(InputError, match=rf"{key} must lie between .* and {largest}, given {largest + 1}"):
        SearchOptions.of(search, {key: largest + 1})
    found = [option for _, option in options() if option.name == key]
    assert {option.max for option in found} == {largest}
    assert len(found) >= 2


def test_every_part_of_a_list_is_looked_at() -> None:
    with pytest.raises(InputError, match="trackers: a NUL character"):
        parse_config({"data": DATA, "training": {"trackers": ["a", "b\0"]}}, "x")
    with pytest.raises(InputError, match="learning_rate_factors: a NUL character"):
        parse_config({"data": DATA, "training": {"learning_rate_factors": {"b\0": 1.0}}}, "x")


def options() -> Iterator[tuple[str, Any]]:
    """Every option of every command that takes a whole number."""

    def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        for child in getattr(command, "commands", {}).values():
            yield from walk(child, f"{name} {child.name}")
        for parameter in command.params:
            if parameter.type_descriptor.annotation is int:
                yield name, parameter

    yield from walk(get_command(app), "seq2seq")


def test_every_whole_number_on_the_command_line_has_two_ends() -> None:
    found = list(options())
    assert len(found) > 20
    endless = {f"{command} {option.opts[0]}" for command, option in found if None in (option.min, option.max)}
    assert endless == {"seq2seq translate --seed"}
