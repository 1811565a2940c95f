"""The grid file of a comparison in TOML: its systems, seeds and texts, and the runs that follow from them."""

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

_LONGEST_NAME = 200  # characters of a system's name, which is part of file names


class TestText(Section):
    """A text to translate and score; paths start from data.root."""

    source: str = Field(description="file of source sentences, one a line")
    reference: str = Field(description="file of their translations")
    alignment: str | None = Field(None, description="file of gold links, i-j sure and ipj possible, counted from 0")
    alignment_inverse: bool = Field(False, description="the links are written target-source")
    tag: str | None = Field(None, description="what every system reads before each source (data.train.tag)")
    join: Literal["source", "target", "both"] | None = Field(
        None, description="side whose words are separated by spaces only to count them; the model reads it joined"
    )

    @model_validator(mode="after")
    def _check_links(self) -> Self:
        if self.alignment is None:
            self.refuse_idle(["alignment_inverse"], "without alignment")
        return self


class Noise(Section):
    """Measurement of robustness: BLEU on one test whose source is changed by noise."""

    test: str = Field(description="name of the test")
    kinds: list[str] = Field(default_factory=lambda: list(NOISES), description="kinds of noise")
    rates: list[float] = Field(default=[0.1, 0.2], description="shares of the words that are changed; 0 is added")
    sentences: int = Field(200, ge=1, le=LARGEST_COUNT, description="number of sentences, from the test's first")
    seed: int = Field(1, ge=0, description="seed of the noise, the same for all systems")

    @model_validator(mode="after")
    def _check_kinds(self) -> Self:
        for kind in self.kinds:
            if kind not in NOISES:
                raise ValueError(f"kinds: no such noise {kind!r}; {nearest(kind, NOISES)}")
        if bad := [rate for rate in self.rates if not 0 < rate <= 1]:
            raise ValueError(f"rates: {bad[0]} is no share; allowed: above 0, up to 1")
        return self


class Examples(Section):
    """Sentences of a test whose attention the report shows as heat-maps."""

    test: str = Field(description="name of the test")
    lines: list[int] = Field(description="line numbers, from 1")


class CostSettings(Section):
    """Measurement of speed and memory."""

    repeats: int = Field(3, ge=0, le=1000, description="interleaved repeats; 0 leaves cost out")
    seconds: float = Field(5.0, gt=0, le=3600, description="seconds of training in a repeat")
    sentences: int = Field(
        100, ge=1, le=LARGEST_COUNT, description="sentences of the first test to translate in a repeat"
    )


class Search(Section):
    """Settings of search and metrics, the same for every system."""

    beam_size: int = Field(5, ge=1, le=LARGEST_BEAM, description="live hypotheses")
    tokenize: str | None = Field(
        None, description="sacreBLEU's tokenizer; left out: one that fits the references' script"
    )
    lowercase: bool = Field(False, description="ignore case in BLEU and chrF")


class Grid(Section):
    """The whole grid file."""

    title: str = Field(description="title of the report")
    config: str = Field(description="config file of every run, relative to the grid file's folder")
    seeds: list[int] = Field(min_length=1, description="training.seed of the runs of each system")
    baseline: str | None = Field(None, description="system that all are compared with; left out: the first")
    set: dict[str, Any] = Field(default_factory=dict, description="keys of the config with values for all runs")
    grid: dict[str, Any] = Field(
        default_factory=dict,
        description="axes: every combination is a system. A key with its values, or a name with tables of keys; "
        "{seed} in a text, such as a file's name, is the seed of the run",
    )
    systems: list[dict[str, Any]] = Field(
        default_factory=list, description="further systems: each a name and keys of the config"
    )
    tests: dict[str, TestText] = Field(min_length=1, description="texts to score on, by name")
    noise: Noise | None = Field(None, description="robustness")
    examples: Examples | None = Field(None, description="heat-maps")
    search: Search = Field(default_factory=Search, description="search and metrics")
    cost: CostSettings = Field(default_factory=CostSettings, description="speed and memory")

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        for name, part in (("noise", self.noise), ("examples", self.examples)):
            if part is not None and part.test not in self.tests:
                raise ValueError(f"{name}.test: no such test {part.test!r}; {nearest(part.test, self.tests)}")
        if not self.grid and not self.systems:
            raise ValueError("grid and systems are both empty; nothing to compare")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: a seed is given twice, which would count one run as two")
        return self


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of one system. values: the keys that the system sets, as the grid has them, without those that are common
    to all.
    """

    system: str
    seed: int
    values: dict[str, Any]
    config: Config

    @property
    def name(self) -> str:
        """The name of the run, in file names and messages."""
        return f"{re.sub('[^a-z0-9._-]+', '-', self.system.lower())}-seed-{self.seed}"


def load_grid(path: Path) -> Grid:
    """Return the grid of a file. Raises InputError that names the file for bad TOML, unknown keys and bad values."""
    tree, _ = read_toml(path, "grid")
    if "config" not in tree and "data" in tree:
        raise InputError(
            f"{path}: the config of a training; a comparison's grid names one (see: seq2seq compare --help)"
        )
    try:
        return Grid.model_validate(tree)
    except ValidationError as error:
        problems = error.errors()
        # An unknown key is often the cause of the other problems.
        problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            raise InputError(
                f"{path}: unknown key {key}; {nearest(str(problem['loc'][-1]), _allowed_keys(key))}"
            ) from None
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise InputError(f"{path}: {key}: {message}" if key else f"{path}: {message}") from None


def _allowed_keys(key: str) -> list[str]:
    """Return the keys that are allowed in the section of a key."""
    parts: dict[str, type[Section]] = {
        "noise": Noise,
        "examples": Examples,
        "cost": CostSettings,
        "search": Search,
        "tests": TestText,
    }
    section, dot, _ = key.partition(".")
    return list((parts[section] if dot else Grid).model_fields)


def planned_runs(grid: Grid, path: Path, overrides: Sequence[str] = ()) -> list[PlannedRun]:
    """Return all runs of a grid, seed by seed, so that a comparison that is stopped early has all systems.

    Raises InputError for a system with a bad config, for two systems with one name, and an unknown baseline.
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
            changes = {**_of_seed({**grid.set, **values}, seed), "training.seed": seed}
            found.append(PlannedRun(name, seed, values, _config(grid, path, name, changes, overrides)))
    for run in found:
        _check_tags(grid, path, run)
    if len({run.name for run in found}) < len(found):
        raise InputError(f"{path}: two systems' names differ only in signs that file names cannot have; rename one")
    return found


def _of_seed(value: Any, seed: int) -> Any:
    """Return a value with the run's seed in place of "{seed}" in all its strings, such as the names of files."""
    if isinstance(value, str):
        return value.replace("{seed}", str(seed))
    if isinstance(value, Mapping):
        return {key: _of_seed(each, seed) for key, each in value.items()}
    return [_of_seed(each, seed) for each in value] if isinstance(value, list) else value


def _check_tags(grid: Grid, path: Path, run: PlannedRun) -> None:
    """Refuse a test under a tag, or under none, that a system never sees in training."""
    data = run.config.data
    for name, test in grid.tests.items():
        if test.tag not in [text.tag for text in data.texts]:
            given = f"tag = {test.tag!r}: not a tag of" if test.tag else "tag is missing: there is one in every text of"
            known = ", ".join(data.tags) or "it has none"
            raise InputError(f"{path}: tests.{name}.{given} system {run.system!r}; its tags: {known}")


def _config(grid: Grid, path: Path, name: str, changes: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    try:
        return load_config(path.parent / grid.config, overrides, dict(_flatten(changes)))
    except InputError as error:
        raise InputError(f"{path}: system {name!r}: {error}") from None


def _systems(grid: Grid) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names and values of all systems, first the combinations of the axes."""
    axes = [[_choice(key, value) for value in values] for key, values in _axes(grid.grid)]
    for choices in itertools.product(*axes) if axes else ():
        name = " ".join(name for name, _ in choices if name)
        yield name, {key: value for _, values in choices for key, value in values.items()}
    for system in grid.systems:
        values = dict(_flatten({key: value for key, value in system.items() if key != "name"}))
        yield _name(system, values, "systems"), values


def _axes(tree: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for key, value in _flatten(tree):
        if not isinstance(value, list) or not value:
            raise InputError(f"grid.{key}: a list of values is needed, one for each system")
        yield key, value


def _choice(key: str, value: Any) -> tuple[str, dict[str, Any]]:
    """Return the name of one value of an axis, and the keys that it sets."""
    if not isinstance(value, dict):
        return _label(key, value), {key: value}
    values = dict(_flatten({key: part for key, part in value.items() if key != "name"}))
    return _name(value, values, f"grid.{key}"), values


def _name(table: Mapping[str, Any], values: Mapping[str, Any], place: str) -> str:
    """Return the name of a system or of a value of an axis: its `name`, or one composed of its values."""
    name = table.get("name") or " ".join(_label(key, value) for key, value in values.items())
    if not isinstance(name, str):
        raise InputError(f"{place}: name = {short_repr(name)}: a name is a text, in quotes")
    if not values:
        raise InputError(f"{place}: a system with no keys that it sets; give it one, or leave it out")
    return name


def _label(key: str, value: Any) -> str:
    """Return a value as part of a system's name: a string alone, anything else with the last part of its key."""
    last = key.rpartition(".")[2]
    if isinstance(value, bool):
        return last if value else f"no {last}"
    return value if isinstance(value, str) else f"{last} {value}"


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values. A table that is itself a value (learning_rate_factors) stays a table."""
    for key, value in tree.items():
        whole = isinstance(value, dict) and (prefix + key).count(".") == 0 and "." not in key
        if whole:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
