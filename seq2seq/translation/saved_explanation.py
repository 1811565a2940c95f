"""Explanations read back from JSON, as far as they are drawn: pieces, attention and the tree of the beam."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from seq2seq.errors import InputError
from seq2seq.translation.explanation import END, VERSION

Weight = Annotated[FiniteFloat, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)  # the format may grow


class _Source(_Part):
    text: str
    pieces: list[str]


class _Target(_Part):
    text: str
    pieces: list[str]
    finished: bool


class TreeNode(_Part):
    """A node of the beam tree, as `seq2seq.translation.explanation.BeamNode` describes it."""

    id: int
    parent: int | None
    step: int
    piece: str
    log_prob: FiniteFloat
    score: FiniteFloat
    state: Literal["open", "winner", "finished", "kept", "pruned"]


class SavedExplanation(_Part):
    """An explanation as `Explanation.as_json` and the server write it."""

    version: int
    source: _Source
    target: _Target
    attention: list[list[Weight]]
    tree: list[TreeNode] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits(self) -> SavedExplanation:
        rows, columns = len(self.rows), len(self.source.pieces)
        if len(self.attention) != rows or any(len(row) != columns for row in self.attention):
            raise ValueError(f"attention is no {rows} rows of {columns} weights, as the pieces ask for")
        for number, node in enumerate(self.tree):
            parent = -1 if node.parent is None else node.parent
            if node.id != number or not (parent < number) or (parent < 0) != (number == 0):
                raise ValueError(f"tree.{number}: the ids count from 0, and each node comes after its parent")
            if node.step != (-1 if number == 0 else self.tree[parent].step + 1):
                raise ValueError(f"tree.{number}: its step is not the one after its parent's")
        return self

    @property
    def rows(self) -> list[str]:
        """The piece of each row of the attention."""
        return [*self.target.pieces, *([END] if self.target.finished else [])]


def load_explanation(path: Path) -> SavedExplanation:
    """Return the explanation in a file. Raises InputError for a file that is missing, damaged or something else."""
    try:
        found = SavedExplanation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot read the explanation: {error.strerror}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the file"
        raise InputError(f"{path}: no explanation (Explanation.as_json): {place}: {problem['msg']}") from None
    if found.version != VERSION:
        raise InputError(f"{path}: an explanation of version {found.version}; this seq2seq reads version {VERSION}")
    return found
