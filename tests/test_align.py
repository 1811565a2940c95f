"""`seq2seq align`, run as a person runs it, by models that have learnt to reverse digits."""

import itertools
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import fail, invoke, succeed, write
from test_learning import CONFIG

from seq2seq import Translator
from seq2seq.cli.align import check_direction
from seq2seq.config import DataConfig
from seq2seq.errors import InputError
from seq2seq.metrics.drawing import draw_weights
from seq2seq.metrics.links import alignment_error_rate, alignment_intervals
from seq2seq.metrics.symmetrisation import METHODS, reverse_links, symmetrise
from seq2seq.text.word_links import Link, format_pharaoh, parse_pharaoh

pytestmark = pytest.mark.usefixtures("module_without_shape_checks")
SHORTER = ["training.max_steps=150", "training.batch_tokens=400", "training.learning_rate=0.02"]


def digits(number: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("0123456789", k=draw.randint(3, 6))) for _ in range(number)]


def cut(text: str, draw: random.Random) -> list[str]:
    """Words of one to three digits."""
    borders = sorted({0, len(text), *draw.choices(range(len(text)), k=len(text) // 2)})
    return [text[start:end] for start, end in itertools.pairwise(borders)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two models, of either direction; and pairs, as they are and cut into words, with their true links."""
    folder = tmp_path_factory.mktemp("align")
    before = Path.cwd()
    os.chdir(folder)
    for split, number in (("train", 1500), ("test", 100)):
        rows = digits(number, len(split))
        write(folder / f"{split}.forward", rows)
        write(folder / f"{split}.backward", [row[::-1] for row in rows])
    write(folder / "digits.toml", CONFIG.split("\n"))
    swapped = CONFIG.replace("forward", "@").replace("backward", "forward").replace("@", "backward")
    write(folder / "reverse.toml", swapped.split("\n"))
    for name in ("digits", "reverse"):
        succeed("train", f"{name}.toml", "--output", name, *(f"--set={setting}" for setting in SHORTER))
    draw = random.Random(5)
    words = [cut(row, draw) for row in digits(100, 4)]
    write(folder / "words.forward", [" ".join(row) for row in words])
    write(folder / "words.backward", [" ".join(word[::-1] for word in row[::-1]) for row in words])
    write(folder / "words.gold", [" ".join(f"{i}-{len(row) - 1 - i}" for i in range(len(row))) for row in words])
    yield folder
    os.chdir(before)


PAIRS = ["--source", "words.forward", "--target", "words.backward", "--join", "both"]


def lines(name: str) -> list[str]:
    return Path(name).read_text(encoding="utf-8").splitlines()


def pharaoh(output: str) -> list[set[Link]]:
    return [parse_pharaoh(line, "output")[0] for line in output.splitlines()]


def table(stderr: str) -> dict[tuple[str, int], list[tuple[float, float, float]]]:
    """(links, shift) -> for AER, precision, recall and F1: the rate, low, high, in %."""
    found = {}
    number = r"(-?\d+\.\d)"
    rows = re.findall(
        rf"(?m)^(\S+) +([01]) +{' +'.join([number] * 4)}\n +{' +'.join([f'{number} to {number}'] * 4)}$", stderr
    )
    for name, shift, *numbers in rows:
        values = list(map(float, numbers))
        triples = zip(values[:4], values[4::2], values[5::2], strict=True)
        found[name, int(shift)] = list(triples)
    return found


# -------------------------------------------------------------------------------------------------------------- output


def test_a_line_of_links_for_each_pair(folder: Path) -> None:
    result = invoke("align", "digits", *PAIRS)
    assert (result.exit_code, result.stderr) == (0, "")
    expected = Translator.load("digits").align(lines("words.forward"), lines("words.backward"), join="both")
    assert pharaoh(result.stdout) == [set(one.links) for one in expected]
    assert result.stdout.count("\n") == 100


def test_the_words_are_found(folder: Path) -> None:
    """What was learnt from single strings of digits tells the words that were never shown."""
    gold = [parse_pharaoh(line, "gold")[0] for line in lines("words.gold")]
    found = pharaoh(succeed("align", "digits", *PAIRS))
    assert alignment_error_rate(hypothesis=found, sure=gold, possible=gold).aer < 0.15
    for row, source, target in zip(found, lines("words.forward"), lines("words.backward"), strict=True):
        assert all(i < len(source.split()) and j < len(target.split()) for i, j in row)


def test_json_lines_carry_words_links_and_weights(folder: Path, tmp_path: Path) -> None:
    options = ["--shift", 1, "--threshold", 0.2, "--reverse", "reverse", "--symmetrise", "union"]
    assert succeed("align", "digits", *PAIRS, *options, "--format", "jsonl", "--output", tmp_path / "out") == ""
    found = [json.loads(line) for line in lines(str(tmp_path / "out"))]
    sides, how = (lines("words.forward"), lines("words.backward")), {"shift": 1, "threshold": 0.2, "join": "both"}
    forward = Translator.load("digits").align(*sides, **how)
    backward = Translator.load("reverse").align(*sides[::-1], **how)
    assert [one["line"] for one in found] == list(range(1, 101))
    for one, there, back in zip(found, forward, backward, strict=True):
        assert list(one) == ["line", "source", "target", "links", "weights", "reverse_weights"]
        assert (one["source"], one["target"]) == (there.source.words, there.target.words)
        assert np.array(one["weights"]) == pytest.approx(there.weights, abs=1e-5)
        assert np.array(one["reverse_weights"]) == pytest.approx(back.weights, abs=1e-5)
        assert [tuple(link) for link in one["links"]] == sorted(set(there.links) | reverse_links(back.links))
    assert "reverse_weights" not in json.loads(succeed("align", "digits", *PAIRS, "--format", "jsonl").split("\n")[0])


def test_a_grid_follows_the_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = succeed("align", "digits", *PAIRS, "--format", "grid")
    expected = Translator.load("digits").align(lines("words.forward"), lines("words.backward"), join="both")
    for one in expected[:3]:
        drawn = draw_weights(one.weights, one.source.words, one.target.words, width=60)
        links = " ".join(f"{i}-{j}" for i, j in one.links)
        block = "\n".join([links, *(line.rstrip() for line in drawn.split("\n"))]) + "\n"
        assert shown.startswith(block)
        shown = shown.removeprefix(block)


@pytest.mark.parametrize("method", METHODS)
def test_both_directions_are_joined(folder: Path, method: str) -> None:
    sides = (lines("words.forward"), lines("words.backward"))
    forward = [one.links for one in Translator.load("digits").align(*sides, join="both")]
    backward = [reverse_links(one.links) for one in Translator.load("reverse").align(*sides[::-1], join="both")]
    assert forward != [sorted(each) for each in backward]
    expected = [symmetrise(*both, method) for both in zip(forward, backward, strict=True)]
    assert pharaoh(succeed("align", "digits", *PAIRS, "--reverse", "reverse", "--symmetrise", method)) == expected
    if method == "grow-diag-final-and":
        assert pharaoh(succeed("align", "digits", *PAIRS, "--reverse", "reverse")) == expected


def test_only_the_side_that_is_named_is_joined(folder: Path) -> None:
    """Also by the reverse model, whose source is the other side."""
    write(Path("whole.forward"), ["".join(line.split()) for line in lines("words.forward")])
    pairs = ["--source", "whole.forward", "--target", "words.backward", "--join", "target"]
    found = pharaoh(succeed("align", "digits", *pairs, "--reverse", "reverse", "--symmetrise", "union"))
    assert found == [{(0, word) for word in range(len(line.split()))} for line in lines("words.backward")]
    objects = succeed("align", "digits", *pairs, "--reverse", "reverse", "--format", "jsonl").splitlines()
    joined = Translator.load("reverse").align(lines("words.backward"), lines("whole.forward"), join="source")
    for line, one in zip(objects, joined, strict=True):
        assert np.array(json.loads(line)["reverse_weights"]) == pytest.approx(one.weights, abs=1e-5)


def test_an_ensemble_and_standard_input(folder: Path) -> None:
    expected = Translator.load("digits", "digits").align(["12 3"], ["3 21"], join="both", shift=1)
    arguments = ["--target", "one", "--join", "both", "--shift", 1]
    write(Path("one"), ["3 21"])
    assert pharaoh(succeed("align", "digits", "digits", "--source", "-", *arguments, text="12 3\n")) == [
        set(one.links) for one in expected
    ]


def test_pairs_of_blank_lines_keep_their_place(folder: Path, tmp_path: Path) -> None:
    source, target = write(tmp_path / "a", ["123", "", "45"]), write(tmp_path / "b", ["321", " ", "54"])
    assert succeed("align", "digits", "--source", source, "--target", target) == "0-0\n\n0-0\n"
    objects = succeed("align", "digits", "--source", source, "--target", target, "--format", "jsonl").splitlines()
    assert json.loads(objects[1]) == {"line": 2, "source": [], "target": [], "links": [], "weights": []}
    grid = succeed("align", "digits", "--source", source, "--target", target, "--format", "grid")
    assert grid.count("attention from") == 2


def test_more_lines_than_a_chunk(folder: Path, tmp_path: Path) -> None:
    """Each pair's own links and gold, numbered on through the chunks."""
    texts = ["1 23" if number % 2 else "456" for number in range(1100)]
    source = write(tmp_path / "a", texts)
    target = write(tmp_path / "b", [" ".join(word[::-1] for word in text.split()[::-1]) for text in texts])
    gold = write(tmp_path / "c", ["0-1 1-0" if number % 2 else "0-0" for number in range(1100)])
    arguments = ["--source", source, "--target", target, "--join", "both"]
    result = invoke("align", "digits", *arguments, "--gold", gold, "--format", "jsonl")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["line"] for one in found] == list(range(1, 1101))
    assert {len(one["source"]) for one in found[1::2]} == {2}
    assert f"{gold}: 1,100 pairs, 1,650 sure links" in result.stderr
    write(gold, [*lines(str(gold))[:1099], "2-0"])
    assert f"{gold}:1100: link 2-0 is outside" in fail_late("align", "digits", *arguments, "--gold", gold)


def fail_late(*arguments: object) -> str:
    """The message of a command that is refused when some of its output has been written."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    return result.stderr


# ---------------------------------------------------------------------------------------------------------------- gold


def test_gold_links_of_the_other_direction(folder: Path, tmp_path: Path) -> None:
    firsts = [line.split()[0] for line in lines("words.gold")]  # 0-1 in a pair of two words
    inverse = [format_pharaoh(reverse_links(parse_pharaoh(line, "gold")[0])) for line in firsts]
    gold = tmp_path / "other" / "words.gold"
    gold.parent.mkdir()
    for path, links in ((gold, firsts), (tmp_path / "words.gold", inverse)):
        path.write_text("".join(f"{line}\n" for line in links), encoding="utf-8")
    found = [
        invoke("align", "digits", *PAIRS, "--gold", str(tmp_path / "words.gold"), "--gold-inverse"),
        invoke("align", "digits", *PAIRS, "--gold", str(gold)),
        invoke("align", "digits", *PAIRS, "--gold", str(tmp_path / "words.gold")),
    ]
    assert found[0].exit_code == 0, found[0].output
    told = [one.stderr.split(":", 1)[1] for one in found]
    assert told[0] == told[1] != told[2]
    (tmp_path / "words.gold").write_text("0-0\n9-1\n" + "\n" * 98, encoding="utf-8")
    message = fail_late("align", "digits", *PAIRS, "--gold", str(tmp_path / "words.gold"), "--gold-inverse")
    assert re.search("words.gold:2: link 9-1 is outside of the pair.* links are target-source", message)


def test_error_rates_of_both_shifts(folder: Path) -> None:
    result = invoke("align", "digits", *PAIRS, "--gold", "words.gold", "--reverse", "reverse")
    assert result.exit_code == 0, result.output
    assert pharaoh(result.stdout) == pharaoh(succeed("align", "digits", *PAIRS, "--reverse", "reverse"))
    gold = [parse_pharaoh(line, "gold")[0] for line in lines("words.gold")]
    found = table(result.stderr)
    names = ["MODEL", "--reverse", "grow-diag-final-and"]
    assert list(found) == [(name, shift) for shift in (0, 1) for name in names]
    sides = (lines("words.forward"), lines("words.backward"))
    for shift in (0, 1):
        forward = [set(one.links) for one in Translator.load("digits").align(*sides, join="both", shift=shift)]
        back = Translator.load("reverse").align(*sides[::-1], join="both", shift=shift)
        backward = [reverse_links(one.links) for one in back]
        joined = [symmetrise(*both, names[2]) for both in zip(forward, backward, strict=True)]
        for name, links in zip(names, (forward, backward, joined), strict=True):
            scores = alignment_error_rate(hypothesis=links, sure=gold, possible=gold)
            bounds = alignment_intervals(hypothesis=links, sure=gold, possible=gold)
            for measure, numbers in zip(("aer", "precision", "recall", "f1"), found[name, shift], strict=True):
                expected = (getattr(scores, measure), *getattr(bounds, measure))
                assert numbers == pytest.approx([100 * each for each in expected], abs=0.051)
    assert found["MODEL", 0][0][0] < found["MODEL", 1][0][0]
    assert "note:" not in result.stderr  # what was written is what is better
    sure = sum(map(len, gold))
    assert result.stderr.startswith(f"words.gold: 100 pairs, {sure:,} sure links, 0 more are possible\n")


def test_error_rates_of_a_shift_that_is_given(folder: Path) -> None:
    result = invoke("align", "digits", *PAIRS, "--gold", "words.gold", "--shift", 1, "--threshold", 0.4)
    assert list(table(result.stderr)) == [("MODEL", 1)]
    gold = [parse_pharaoh(line, "gold")[0] for line in lines("words.gold")]
    rate = alignment_error_rate(hypothesis=pharaoh(result.stdout), sure=gold, possible=gold).aer
    assert table(result.stderr)["MODEL", 1][0][0] == pytest.approx(100 * rate, abs=0.051)


def test_the_better_shift_is_named(folder: Path) -> None:
    """Gold made of what shift 1 reads: the links of shift 0 are written, and a note says which would be right."""
    links = succeed("align", "digits", *PAIRS, "--shift", 1)
    Path("shifted.gold").write_text(links, encoding="utf-8")
    result = invoke("align", "digits", *PAIRS, "--gold", "shifted.gold")
    assert result.stdout != links
    assert table(result.stderr)["MODEL", 1][0] == (0.0, 0.0, 0.0)
    assert "\nnote: --shift 1 has the lower AER; the links written are those of 0\n" in result.stderr


def test_possible_links_count_as_such(folder: Path) -> None:
    write(Path("one.forward"), ["123"])
    write(Path("one.backward"), ["321"])
    for gold, rates in (("0-0", [0, 100, 100, 100]), ("0p0", [0, 100, 100, 100]), ("", [100, 0, 100, 0])):
        write(Path("one.gold"), [gold])
        result = invoke(
            "align", "digits", "--source", "one.forward", "--target", "one.backward", "--gold", "one.gold", "--shift", 0
        )
        assert [numbers[0] for numbers in table(result.stderr)["MODEL", 0]] == rates
        counts = (int("-" in gold), int("p" in gold))
        assert f"1 pairs, {counts[0]} sure links, {counts[1]} more are possible" in result.stderr


# --------------------------------------------------------------------------------------------------------------- errors


def test_what_cannot_be_aligned_is_refused(folder: Path, tmp_path: Path) -> None:
    source, target = write(tmp_path / "s", ["12 3", "4 5"]), write(tmp_path / "t", ["3 21", "54"])
    pair = ["align", "digits", "--source", source, "--target", target]
    short, empty = write(tmp_path / "short", ["12"]), write(tmp_path / "empty", [])
    assert f"{short} ends before line 2, {source} does not" in fail(2, *pair[:-1], short)
    assert f"{short} ends before line 2, {source} does not" in fail(2, *pair, "--gold", short)
    gold = write(tmp_path / "long", ["0-0", "0-0", ""])
    assert f"{source} ends before line 3, {gold} does not" in fail(2, *pair, "--gold", gold)
    for line, link in (("0-0 1-1", "1-1"), ("0p1", "0-1"), ("2-0", "2-0")):
        write(gold, ["0-0", line])
        message = fail(2, *pair, "--gold", gold)
        assert f"{gold}:2: link {link} is outside of the pair, which has 2 source and 1 target words" in message
    write(gold, ["0-0", "0:0"])
    assert f"{gold}:2: '0:0' is no link" in fail(2, *pair, "--gold", gold)
    blank = write(tmp_path / "blank", ["1", "\u3000"])
    there_is = f"{blank}:2: blank, but {source}:2 is not; there is nothing to align with"
    assert there_is in fail(2, *pair[:-1], blank)
    assert f"{blank}:2: blank, but {target}:2 is not" in fail(2, *pair[:3], blank, *pair[4:])
    assert f"{empty}: no lines, nothing to align" in fail(2, *pair[:3], empty, "--target", empty)
    for threshold in ("0", "1.5", "nan"):
        assert "must be above 0 and at most 1" in fail(2, *pair, "--threshold", threshold)
    assert "--symmetrise has no effect without --reverse" in fail(2, *pair, "--symmetrise", "union")
    assert "did you mean 'intersection'?" in fail(2, *pair, "--reverse", "reverse", "--symmetrise", "intersect")
    assert "--source and --gold cannot both be standard input" in fail(2, *pair[:3], "-", *pair[4:], "--gold", "-")
    same = fail(2, *pair, "--reverse", "digits")
    assert "digits: translates forward into backward as digits does; --reverse takes a model from backward to" in same


def test_a_reverse_model_may_leave_its_languages_unnamed() -> None:
    text: Any = {"train": {"tsv": "a"}, "validation": {"tsv": "b"}}
    unnamed = DataConfig(**text)
    named = DataConfig(**text, source_language="de", target_language="en")
    turned_round = DataConfig(**text, source_language="en", target_language="de")
    for forward, backward in ((unnamed, unnamed), (named, unnamed), (unnamed, named), (named, turned_round)):
        check_direction(forward, backward, "a", "b")
    with pytest.raises(
        InputError, match=r"^b: translates de into en as a does; --reverse takes a model from en to de$"
    ):
        check_direction(named, named, "a", "b")
