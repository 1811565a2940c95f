"""One new mechanism of each kind, each in one class or function; as a program, this is `seq2seq` with all of them.

It is a file of its own, because the processes of a comparison start by running the program's file again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from sacrebleu.metrics.base import Metric, Score, Signature
from sacrebleu.utils import sum_of_lists
from torch import Tensor, nn

from seq2seq.__main__ import main
from seq2seq.config import CorpusConfig
from seq2seq.metrics.metric import Rules, metric
from seq2seq.nn.decoder import Luong, wiring
from seq2seq.nn.normalisation import Softmax, normalisation
from seq2seq.nn.scores import Multiplications, ScoreFunction, score_function
from seq2seq.nn.windows import NoWindow, window
from seq2seq.text.datasets import text_reader
from seq2seq.text.lines import iter_byte_lines
from seq2seq.text.readers import Row, decode_pair


@score_function("content")
class Content(ScoreFunction):
    """e = wᵀ h: the energy depends only on the encoder state, not on the query."""

    def __init__(self, query_dim: int, key_dim: int, attention_dim: int) -> None:
        super().__init__(query_dim, key_dim, attention_dim)
        self.w = nn.Parameter(torch.empty(key_dim))

    @classmethod
    def multiplications(cls, query_dim: int, key_dim: int, attention_dim: int) -> Multiplications:
        return Multiplications(source=key_dim)

    def project(self, states: Tensor) -> Tensor:
        return (states @ self.w)[:, :, None]

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return keys.transpose(1, 2).expand(-1, query.shape[1], -1)


@window("open")
class Open(NoWindow):
    """Attend to the whole source."""


@normalisation("sharp")
class Sharp(Softmax):
    """α = exp(2 e) / Σ exp(2 e)."""

    def normalise(self, energies: Tensor) -> Tensor:
        return (2 * energies).softmax(dim=-1)


@wiring("late")
class Late(Luong):
    """The Luong wiring under another name."""


class ExactMatch(Metric):
    """Share of the hypotheses that equal a reference, in per cent."""

    _SIGNATURE_TYPE = Signature

    def _preprocess_segment(self, sent: str) -> str:
        return sent

    def _extract_reference_info(self, refs: Any) -> dict[str, Any]:
        return {"refs": refs}

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: Any) -> list[int]:
        return [int(hypothesis in ref_kwargs["refs"]), 1]

    def _aggregate_and_compute(self, stats: Any) -> Score:
        return self._compute_score_from_stats(sum_of_lists(stats))

    def _compute_score_from_stats(self, stats: Any) -> Score:
        return Score("exact", 100 * stats[0] / stats[1])


@metric("exact")
def exact(rules: Rules, lowercase: bool) -> Any:
    return ExactMatch()


@text_reader("bars", ".bars")
def read_bars(path: Path, spec: CorpusConfig, languages: tuple[str, str], notes: list[str]) -> Iterator[Row]:
    """Yield the pairs of a file with lines of SOURCE ||| TARGET."""
    for number, line in enumerate(iter_byte_lines(path), start=1):
        source, _, target = line.partition(b" ||| ")
        yield decode_pair((source, target), (f"{path}:{number}", f"{path}:{number}"))


if __name__ == "__main__":
    main()
