"""The grid file of a comparison: which systems, which seeds, which texts. TOML in, cells out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from seq2seq.bounds import LARGEST_BEAM, LARGEST_COUNT
from seq2seq.comparison.noise import NOISES
from seq2seq.config import Config
from seq2seq.config_file import load_config, read_toml
from seq2seq.errors import InputError, nearest, short_repr
from seq2seq.section import Section

_LONGEST_NAME = 200  # characters of a system's name; files are called after it


class TestText(Section):
    """A text to translate and score; paths start from data.root."""

    source: str = Field(description="file of source sentences, one a line")
    reference: str = Field(description="file of their translations")
    alignment: str | None = Field(None, description="file of gold links, i-j sure and ipj possible, counted from 0")
    alignment_inverse: bool = Field(False, description="the links are target-source")
    join: Literal["source", "target", "both"] | None = Field(
        None, description="side whose words are separated by spaces only to count them; the model reads it joined"
    )

    @model_validator(mode="after")
    def _idle(self) -> Self:
        if self.alignment is None:
            self.refuse_idle(["alignment_inverse"], "without alignment")
        return self


class Noise(Section):
    """How robustness is measured: BLEU of one test whose source is disturbed."""

    test: str = Field(description="which of the tests")
    kinds: list[str] = Field(default_factory=lambda: list(NOISES), description="kinds of noise")
    rates: list[float] = Field(default=[0.1, 0.2], description="shares of the words that are changed; 0 is added")
    sentences: int = Field(200, ge=1, le=LARGEST_COUNT, description="how many of the test's first sentences")
    seed: int = Field(1, ge=0, description="of the noise, the same for all systems")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for kind in self.kinds:
            if kind not in NOISES:
                raise ValueError(f"kinds: no such noise {kind!r}; {nearest(kind, NOISES)}")
        if bad := [rate for rate in self.rates if not 0 < rate <= 1]:
            raise ValueError(f"rates: {bad[0]} is no share; allowed: above 0, up to 1")
        return self


class Examples(Section):
    """Sentences of a test whose heat-maps the report shows."""

    test: str = Field(description="which of the tests")
    lines: list[int] = Field(description="line numbers, from 1")


class CostSettings(Section):
    """How speed and memory are measured."""

    repeats: int = Field(3, ge=0, le=1000, description="interleaved repeats; 0 leaves cost out")
    seconds: float = Field(5.0, gt=0, le=3600, description="of training steps in a repeat")
    sentences: int = Field(100, ge=1, le=LARGEST_COUNT, description="of the first test, translated in a repeat")


class Search(Section):
    """How every system translates."""

    beam_size: int = Field(5, ge=1, le=LARGEST_BEAM, description="live hypotheses")
    tokenize: str | None = Field(
        None, description="sacreBLEU's tokenizer; left out: one that fits the references' script"
    )
    lowercase: bool = Field(False, description="ignore case in BLEU and chrF")


class Grid(Section):
    """A whole comparison."""

    title: str = Field(description="what the report is called")
    config: str = Field(description="config of every run, from the grid file's folder")
    seeds: list[int] = Field(min_length=1, description="training.seed of the runs of each system")
    baseline: str | None = Field(None, description="system that all are compared with; left out: the first")
    set: dict[str, Any] = Field(default_factory=dict, description="keys of the config that all runs change")
    grid: dict[str, Any] = Field(
        default_factory=dict,
        description="axes: every combination is a system. A key with its values, or a name with tables of keys",
    )
    systems: list[dict[str, Any]] = Field(default_factory=list, description="further systems: a name and keys")
    tests: dict[str, TestText] = Field(min_length=1, description="texts to score on, by name")
    noise: Noise | None = Field(None, description="robustness")
    examples: Examples | None = Field(None, description="heat-maps")
    search: Search = Field(default_factory=Search, description="search and metrics")
    cost: CostSettings = Field(default_factory=CostSettings, description="speed and memory")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, part in (("noise", self.noise), ("examples", self.examples)):
            if part is not None and part.test not in self.tests:
                raise ValueError(f"{name}.test: no such test {part.test!r}; {nearest(part.test, self.tests)}")
        if not self.grid and not self.systems:
            raise ValueError("grid and systems are both empty; nothing to compare")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: a seed is given twice, which would count one run as two")
        return self


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of one system. `values`: what the system sets beside the common keys."""

    system: str
    seed: int
    values: dict[str, Any]
    config: Config

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{re.sub('[^a-z0-9._-]+', '-', self.system.lower())}-seed-{self.seed}"


def load_grid(path: Path) -> Grid:
    """Read a grid file. Raises InputError with the file for bad TOML, unknown keys and bad values."""
    tree, _ = read_toml(path, "grid")
    if "config" not in tree and "data" in tree:
        raise InputError(
            f"{path}: the config of a training; a comparison's grid names one (see: seq2seq compare --help)"
        )
    try:
        return Grid.model_validate(tree)
    except ValidationError as error:
        problems = error.errors()
        problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])  # often the cause
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            raise InputError(f"{path}: unknown key {key}; {nearest(str(problem['loc'][-1]), _keys(key))}") from None
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise InputError(f"{path}: {key}: {message}" if key else f"{path}: {message}") from None


def _keys(key: str) -> list[str]:
    """What may stand beside a key of the grid."""
    parts: dict[str, type[Section]] = {
        "noise": Noise,
        "examples": Examples,
        "cost": CostSettings,
        "search": Search,
        "tests": TestText,
    }
    section, dot, _ = key.partition(".")
    return list((parts[section] if dot else Grid).model_fields)


def cells(grid: Grid, path: Path, overrides: Sequence[str] = ()) -> list[Cell]:
    """Every run, seed by seed, so that a comparison that is stopped early has all systems.

    Raises InputError for a system whose config is bad, for names that two systems share, and an unknown baseline.
    """
    systems = list(_systems(grid))
    names = [name for name, _ in systems]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: two systems are called {twice!r}; give one of them another name")
    if grid.baseline is not None and grid.baseline not in names:
        raise InputError(f"{path}: baseline: no such system {grid.baseline!r}; {nearest(grid.baseline, names)}")
    if long := next((name for name in names if len(name) > _LONGEST_NAME), None):
        more = f"{len(long)} characters, at most {_LONGEST_NAME} are possible; give the system or its values a name"
        raise InputError(f"{path}: the system {long[:40]!r}...: {more}")
    found = []
    for seed in grid.seeds:
        for name, values in systems:
            changes = {**grid.set, **values, "training.seed": seed}
            found.append(Cell(name, seed, values, _config(grid, path, name, changes, overrides)))
    if len({cell.name for cell in found}) < len(found):
        raise InputError(f"{path}: two systems' names differ only in signs that file names cannot have; rename one")
    return found


def _config(grid: Grid, path: Path, name: str, changes: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    try:
        return load_config(path.parent / grid.config, overrides, dict(_flat(changes)))
    except InputError as error:
        raise InputError(f"{path}: system {name!r}: {error}") from None


def _systems(grid: Grid) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and values of all systems, those of the axes first."""
    axes = [[_choice(key, value) for value in values] for key, values in _axes(grid.grid)]
    for choices in itertools.product(*axes) if axes else ():
        name = " ".join(name for name, _ in choices if name)
        yield name, {key: value for _, values in choices for key, value in values.items()}
    for system in grid.systems:
        values = dict(_flat({key: value for key, value in system.items() if key != "name"}))
        yield _name(system, values, "systems"), values


def _axes(tree: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for key, value in _flat(tree):
        if not isinstance(value, list) or not value:
            raise InputError(f"grid.{key}: a list of values is needed, one for each system")
        yield key, value


def _choice(key: str, value: Any) -> tuple[str, dict[str, Any]]:
    """One value of an axis: its name, and the keys that it sets."""
    if not isinstance(value, dict):
        return _label(key, value), {key: value}
    values = dict(_flat({key: part for key, part in value.items() if key != "name"}))
    return _name(value, values, f"grid.{key}"), values


def _name(table: Mapping[str, Any], values: Mapping[str, Any], place: str) -> str:
    """What a system or a part of one is called: its `name`, or one made of its values."""
    name = table.get("name") or " ".join(_label(key, value) for key, value in values.items())
    if not isinstance(name, str):
        raise InputError(f"{place}: name = {short_repr(name)}: a name is a text, in quotes")
    if not values:
        raise InputError(f"{place}: a system with no keys that it sets; give it one, or leave it out")
    return name


def _label(key: str, value: Any) -> str:
    """A value as part of a system's name: a word speaks for itself, anything else with its key."""
    last = key.rpartition(".")[2]
    if isinstance(value, bool):
        return last if value else f"no {last}"
    return value if isinstance(value, str) else f"{last} {value}"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values. A table that is a value itself (learning_rate_factors) stays one."""
    for key, value in tree.items():
        whole = isinstance(value, dict) and (prefix + key).count(".") == 0 and "." not in key
        if whole:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
