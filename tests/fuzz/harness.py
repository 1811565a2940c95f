"""Coverage-guided fuzzing of all that reads what a stranger wrote: harness.py TARGET FOLDER [libFuzzer options].

Only Seq2SeqError may come out of a reader; any other exception, a crash or a hang is a finding, printed with the input
that made it. Every target starts from valid inputs, which libFuzzer changes where that reaches new code of ours.
"""

import contextlib
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["seq2seq", "tomllib"]):
    import tomllib

    from seq2seq import Translator
    from seq2seq.bulk.streams import LineStream
    from seq2seq.checkpoint.model import build_model, save_model
    from seq2seq.config import Config, CorpusConfig
    from seq2seq.config_file import load_config, parse_config
    from seq2seq.errors import Seq2SeqError
    from seq2seq.nn.initialisation import initialise
    from seq2seq.text.compression import unpack
    from seq2seq.text.delimited import read_delimited
    from seq2seq.text.lines import read_lines
    from seq2seq.text.readers import SentencePair, read_aligned, read_json, read_jsonl
    from seq2seq.text.tokenizer import train_tokenizers

TEXTS = (b"ein hund\nzwei hunde\n", "\ufeffa b\r\n\u2028ü\n".encode(), b'{"de": "a", "en": "b"}\n{"translation": {}}\n')
SETTINGS = """[data]
source_language = "de"
target_language = "en"
train = {source = "a", target = "b"}
validation = {tsv = "c"}
[tokenizer]
kind = "word"
vocabulary_size = 9
symbols = ["<x>"]
[model]
score = "dot"
embedding_dim = 2
encoder_dim = 2
decoder_dim = 4
attention_dim = 1
[training]
learning_rate = 1e-3
learning_rate_factors = {encoder = 0.5}
trackers = []
"""


# --- text readers


def texts(folder: Path) -> tuple[list[bytes], Callable[[bytes], object]]:
    """First byte: which reader, if the files are called .gz, and if they are; then both sides, NUL NUL between."""

    def lines(path: Path) -> None:
        found = read_lines(path)
        chunks = LineStream("stream", unpack(io.BytesIO(path.read_bytes()))).chunks(3)
        assert found == [line for chunk in chunks for line in chunk]

    def rows(found: Iterator[object]) -> None:
        for row in found:
            for side in (row.source, row.target) if isinstance(row, SentencePair) else ():
                assert side.strip()
                assert not set(side) & {"\n", "\0"}
                side.encode()

    def table(path: Path, kind: str) -> Iterator[object]:
        return read_delimited(path, kind, CorpusConfig(tsv="x"), ("de", "en"), [])

    readers: list[Callable[[Path, Path], None]] = [
        lambda first, _: lines(first),
        lambda first, second: rows(read_aligned(first, second)),
        lambda first, _: rows(table(first, "tsv")),
        lambda first, _: rows(read_jsonl(first, ("de", "en"))),
        lambda first, _: rows(table(first, "csv")),
        lambda first, _: rows(read_json(first, ("de", "en"))),
    ]

    def read(data: bytes) -> None:
        choice, (first, _, second) = data[0] if data else 0, data[1:].partition(b"\0\0")
        kind = ".gz" if choice & 8 else ""
        sides = [folder / f"{name}{kind}" for name in ("source", "target")]
        for path, content in zip(sides, (first, second), strict=True):
            path.write_bytes(gzip.compress(content, 1) if choice & 16 else content)
        readers[(choice & 7) % len(readers)](*sides)

    seeds = [bytes([choice]) + text + b"\0\0" + text for text in TEXTS for choice in (0, 1, 2, 3, 4, 5, 9, 25, 26, 27)]
    return [*seeds, b"\2a\tb\nc\td\n", b'\4de,en\n"a ""b""",c\n', b'\5[{"de": "a", "en": "b"}]'], read


# --- config reader


def config(folder: Path) -> tuple[list[bytes], Callable[[bytes], object]]:
    """A line for each --set, then NUL, then the TOML."""
    path = folder / "run.toml"

    def read(data: bytes) -> None:
        overrides, _, document = data.partition(b"\0")
        path.write_bytes(document)
        load_config(path, overrides.decode("utf-8", "surrogateescape").split("\n") if overrides else [])

    written = SETTINGS.encode()
    sets = b'model.score=additive\ntraining.trackers=["x"]\ndata.train={tsv = "x"}\n[tokenizer]'
    return [b"\0" + written, b"model.wiring=luong\ntraining.seed=3\0" + written, sets + b"\0" + written], read


# --- model directory


def model(folder: Path) -> tuple[list[bytes], Callable[[bytes], object]]:
    """First byte: which file of a valid model directory the rest replaces. config.json is made to list its hash."""
    settings = parse_config(tomllib.loads(SETTINGS), "fuzz")
    intact = save(settings, folder)
    names = sorted(intact)

    def read(data: bytes) -> None:
        changed = names[data[0] % len(names)] if data else names[0]
        contents = {**intact, changed: data[1:]}
        if changed != "config.json":
            tree = json.loads(contents["config.json"])
            tree["files"][changed] = hashlib.sha256(data[1:]).hexdigest()
            contents["config.json"] = json.dumps(tree).encode()
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        Translator.load(folder).translate(["ein hund"], max_length=3, min_length=0, beam_size=2)

    return [bytes([number]) + intact[name] for number, name in enumerate(names)], read


def save(settings: Config, folder: Path) -> dict[str, bytes]:
    """A model directory as small as can be; its files."""
    tokenizers = train_tokenizers(["ein hund", "zwei hunde"], ["a dog", "two dogs"], settings.tokenizer)
    network = build_model(settings, tokenizers)
    initialise(network, 1)
    save_model(folder, config=settings, weights=network.state_dict(), tokenizers=tokenizers, record={"step": 1})
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".md"}


# --- main

TARGETS = {"texts": texts, "config": config, "model": model}


def main() -> None:
    """Work below FOLDER until the options say that it is enough; what is found, stays there."""
    target, name, *options = sys.argv[1:]
    folder = Path(name)
    for part in ("corpus", "work"):
        (folder / part).mkdir()
    seeds, read = TARGETS[target](folder / "work")
    for number, seed in enumerate(seeds):
        (folder / "corpus" / str(number)).write_bytes(seed)

    def test(data: bytes) -> None:
        with contextlib.suppress(Seq2SeqError):
            read(data)

    # All seeds stay and are taken whole: those of a model reach the same code, and the fuzzer would keep the shortest.
    own = ["-keep_seed=1", "-len_control=0", "-max_len=20000", "-timeout=60", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *own, *options, str(folder / "corpus")], test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
