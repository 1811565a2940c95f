"""Text in every compression, under any name: read whole, or refused by name with the line reached."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.bulk.streams import open_input
from seq2seq.errors import InputError
from seq2seq.text.compression import BLOCK, unpack
from seq2seq.text.lines import read_lines

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda text: zstd.compress(text, options={zstd.CompressionParameter.checksum_flag: 1}),  # as zstd does
}
LINES = [f"zeile {number} {number**9:x} \u00e4" for number in range(9000)]  # several blocks, also when compressed
TEXT = "".join(f"{line}\n" for line in LINES).encode()
forms = pytest.mark.parametrize("suffix", PACK)


def stream_lines(path: Path) -> list[str]:
    """As translate, score, align, evaluate and shortlist read."""
    with open_input(str(path)) as source:
        return [line for chunk in source.chunks(100) for line in chunk]


@pytest.fixture(params=[read_lines, stream_lines], ids=["training", "commands"])
def read(request: pytest.FixtureRequest) -> Callable[[Path], list[str]]:
    """Both ways in which the package opens a text."""
    return request.param  # type: ignore[no-any-return]


@forms
def test_a_text_is_known_by_its_bytes(tmp_path: Path, suffix: str, read: Callable[[Path], list[str]]) -> None:
    packed = PACK[suffix](TEXT)
    for name in ("text", f"text{suffix.upper()}", "text.gz"):
        (tmp_path / name).write_bytes(packed)
        assert read(tmp_path / name) == LINES


@forms
def test_standard_input_is_unpacked(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PACK[suffix](TEXT))))
    assert stream_lines(Path("-")) == LINES
    assert not sys.stdin.buffer.closed


@forms
def test_streams_that_follow_each_other_are_one_text(tmp_path: Path, suffix: str) -> None:
    halves = [PACK[suffix](TEXT[: len(TEXT) // 2]), PACK[suffix](TEXT[len(TEXT) // 2 :])]
    for between in (b"", b"\0" * 8, b"\0" * (BLOCK + 4)):
        (tmp_path / "text").write_bytes(between.join([*halves, b""]))
        assert read_lines(tmp_path / "text") == LINES


@forms
@pytest.mark.parametrize("damage", ["cut", "cut in the second stream", "followed", "changed"])
def test_damage_is_told_with_the_line_reached(
    tmp_path: Path, suffix: str, damage: str, read: Callable[[Path], list[str]]
) -> None:
    """The Python modules for bzip2 and xz pass over what follows, and say nothing."""
    packed = PACK[suffix](TEXT)
    middle = len(packed) // 2
    content = {
        "cut": packed[:-30],
        "cut in the second stream": packed + packed[:12],
        "followed": packed + b"something else",
        "changed": packed[:middle] + bytes(255 - byte for byte in packed[middle : middle + 40]) + packed[middle + 40 :],
    }[damage]
    (tmp_path / "text").write_bytes(content)
    damaged = r"text: cannot be read( after line [\d,]+)?: the \w+ data is damaged: "
    no_text = r"|text:\d+: " if damage == "changed" else ""  # found before the checksum is
    with pytest.raises(InputError, match=damaged + no_text) as told:
        read(tmp_path / "text")
    if "second" in damage or damage == "followed":
        assert "after line 9,000: " in str(told.value)


@forms
@pytest.mark.parametrize("content", [b"", b"plain\n"])
def test_a_name_that_promises_compression_is_held_to_it(
    tmp_path: Path, suffix: str, content: bytes, read: Callable[[Path], list[str]]
) -> None:
    """An empty or overwritten download is no text of no lines."""
    (tmp_path / f"text{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=rf"text\{suffix}: cannot be read: its name says"):
        read(tmp_path / f"text{suffix}")


@given(st.sampled_from([*PACK.values(), bytes]), st.binary(max_size=300), st.integers(1, 40))
def test_any_cut_of_the_arrival_gives_the_same_text(pack: Callable[[bytes], bytes], text: bytes, size: int) -> None:
    text = b"text: " + text
    packed = io.BytesIO(pack(text))

    class Dripping(io.BytesIO):
        def read1(self, most: int | None = -1) -> bytes:
            return packed.read(size if most is None or most < 0 else min(size, most))

    assert unpack(Dripping()).read() == text


def test_lines_come_before_the_stream_ends() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", buffering=0) as sender:
        lines: Iterator[bytes] = iter(unpack(stream))
        sender.write(b"a\nb\nc")
        assert [next(lines), next(lines)] == [b"a\n", b"b\n"]
        sender.write(b"d\n")
        assert next(lines) == b"cd\n"
        assert unpack(stream).fileno() == stream.fileno()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("hallo\nwelt\n".encode("utf-16"), "is UTF-16"),
        ("hallo\n".encode("utf-16-be"), "probably UTF-16"),
        ("hallo\n".encode("utf-16-le"), "probably UTF-16"),
        ("\u4f60\u597d\n".encode("utf-16"), "is UTF-16"),
        ("hallo\n".encode("utf-32"), "is UTF-32"),
        (b"PK\x03\x04\n", "an archive of a kind that is not read; unpack it"),
        (b"test.de".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 248 + b"hallo\n", "a tar archive; unpack it"),
        (b"PAR1\x15\n", "give it as dataset"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_what_is_no_utf8_text_is_named(
    tmp_path: Path, content: bytes, kind: str, pack: Callable[[bytes], bytes], read: Callable[[Path], list[str]]
) -> None:
    (tmp_path / "text").write_bytes(pack(content))
    with pytest.raises(InputError, match=rf"text: is .*{kind.removeprefix('is ')}"):
        read(tmp_path / "text")
