"""The whole path through the real command line: every score and wiring learns to reverse digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mechanisms import MECHANISMS, WIRINGS
from typer.testing import CliRunner

from seq2seq.cli import app

CONFIG = """
[data]
source_language = "forward"
target_language = "backward"
train = {source = "train.forward", target = "train.backward"}
validation = {source = "test.forward", target = "test.backward"}
[tokenizer]
kind = "char"
vocabulary_size = 40
[model]
cell = "gru"
embedding_dim = 32
encoder_dim = 32
decoder_dim = 64
attention_dim = 32
dropout_embedding = 0.0
dropout_layer = 0.0
dropout_output = 0.0
[training]
batch_tokens = 600
learning_rate = 0.01
schedule = "cosine"
warmup_steps = 30
max_steps = 200
validation_interval = 200
average = 1
log_interval = 200
label_smoothing = 0.0
trackers = []
threads = 1
"""

# The control sees one mixture of the whole string at every step: it learns, but less.
FAR_ENOUGH = {"uniform": (0.4, 0.9)}
FURTHER = {
    # A string's first digit is its reversal's last, which a window around the step's own number must still show.
    "monotonic": {"model.window_size": 7},
    # It knows places alone, by the decoder's state alone.
    "location": {"training.max_steps": 400, "training.validation_interval": 400},
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Distinct strings of 3 to 7 digits and their reversals; the test strings are not among the training ones."""
    folder = tmp_path_factory.mktemp("digits")
    generator = torch.Generator().manual_seed(7)
    strings: dict[str, None] = {}
    while len(strings) < 3200:
        length = int(torch.randint(3, 8, (), generator=generator))
        strings["".join(map(str, torch.randint(0, 10, (length,), generator=generator).tolist()))] = None
    rows = list(strings)
    for split, part in (("train", rows[:3000]), ("test", rows[3000:])):
        (folder / f"{split}.forward").write_text("".join(f"{row}\n" for row in part), encoding="utf-8")
        (folder / f"{split}.backward").write_text("".join(f"{row[::-1]}\n" for row in part), encoding="utf-8")
    (folder / "digits.toml").write_text(CONFIG, encoding="utf-8")
    return folder


def seq2seq(*arguments: str, text: str = "") -> str:
    """The command line, in this process: what it writes to standard output."""
    result = CliRunner().invoke(app, list(arguments), input=text)
    assert result.exit_code == 0, result.stderr
    return result.stdout


# Every mechanism in every wiring; without --slow one, for each is a training, and test_model.py has them all.
QUICK = {("multiplicative", 1)}
LEARNERS = [
    pytest.param(
        mechanism,
        wiring,
        id=f"{mechanism}-{wiring[0]}{'-feeding' * wiring[1]}",
        marks=[] if (mechanism, turn) in QUICK else [pytest.mark.slow],
    )
    for mechanism in MECHANISMS
    for turn, wiring in enumerate(WIRINGS)
]


@pytest.mark.usefixtures("without_shape_checks")  # test_model.py has them on for every mechanism and wiring
@pytest.mark.parametrize(("mechanism", "wiring"), LEARNERS)
def test_learns_to_reverse_digits(
    digits: Path, monkeypatch: pytest.MonkeyPatch, mechanism: str, wiring: tuple[str, bool]
) -> None:
    monkeypatch.chdir(digits)
    name = f"{mechanism}-{wiring[0]}-{wiring[1]}"
    keys = {key: value for key, value in MECHANISMS[mechanism].items() if not key.endswith("_dim")}
    keys |= {"wiring": wiring[0], "input_feeding": str(wiring[1]).lower()}
    settings = {f"model.{key}": value for key, value in keys.items()} | FURTHER.get(mechanism, {})
    seq2seq("train", "digits.toml", "--output", name, *(f"--set={key}={value}" for key, value in settings.items()))
    source = (digits / "test.forward").read_text(encoding="utf-8")
    found = [json.loads(line) for line in seq2seq("translate", name, "--format", "jsonl", text=source).splitlines()]
    right = sum(one["text"] == row[::-1] for one, row in zip(found, source.splitlines(), strict=True)) / len(found)
    least, most = FAR_ENOUGH.get(mechanism, (0.9, 1.0))
    assert least <= right <= most, f"{right:.0%} of unseen strings reversed"
