"""Cases of test_bad_input.py: what can be wrong with a model, and with the commands that use one."""

import gzip
import json
import math
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bad_input import GONE, HUGE, Case, Prepare, put, sparse
from fake_results import make_results
from test_checkpoint import DAMAGE, repack, replace, rewrite


def pipe(name: str) -> Prepare:
    return lambda folder: ((folder / name).unlink(missing_ok=True), os.mkfifo(folder / name))


def link(name: str, target: str) -> Prepare:
    return lambda folder: ((folder / name).unlink(), (folder / name).symlink_to(target))


def damage(name: str) -> Prepare:
    return lambda folder: DAMAGE[name][0](folder / "model")


def document(change: Callable[[dict[str, Any]], Any]) -> Prepare:
    """Another config.json in the model."""
    return lambda folder: rewrite(folder / "model", change)


def raw_document(old: str, new: str) -> Prepare:
    def prepare(folder: Path) -> None:
        text = (folder / "model" / "config.json").read_text(encoding="utf-8")
        assert old in text
        (folder / "model" / "config.json").write_text(text.replace(old, new, 1), encoding="utf-8")

    return prepare


def resized(**sizes: int) -> Prepare:
    return document(lambda tree: tree["config"]["model"].update(sizes))


def searched(**numbers: int) -> Prepare:
    return document(lambda tree: tree["config"]["search"].update(numbers))


def broken(name: str, value: float) -> Prepare:
    """One of the weights is no number; the hashes are right."""
    return lambda folder: repack(folder / "model", lambda tensors: tensors[name].view(-1)[-1].fill_(value))


def overflowing(folder: Path) -> None:
    """Every weight is a number, and no answer is."""
    repack(folder / "model", lambda tensors: [tensor.fill_(3e38) for tensor in tensors.values()])


def weights(content: bytes) -> Prepare:
    return lambda folder: replace(folder / "model", "model.safetensors", content)


def swap(folder: Path) -> None:
    """Give the model the tokenizer of the other, without a word in config.json."""
    shutil.copy(folder / "other" / "tokenizer.model", folder / "model" / "tokenizer.model")


def nested(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


TR = "translate model"
SIDES = "--source test.de --target test.en"
MODELS = [
    *(
        Case(f"a tag that the model does not know, {command.split()[0]}", f"{command} --tag '<x>'",
             "tag '<x>': the model was not trained with it; it knows none: leave the tag out")
        for command in (TR, f"score model {SIDES}", f"align model {SIDES}", f"shortlist model {SIDES}",
                        "evaluate model --source test.de --reference test.en", "plot attention model --source Hund")
    ),
    Case("a tag without a model", "evaluate --hypothesis test.en --reference test.en --tag x", "--tag has no effect"),
    Case("a tag without --reverse", f"align model {SIDES} --reverse-tag x", "--reverse-tag has no effect without"),
    Case("model missing", "translate nowhere", "nowhere: no such model directory"),
    Case("model long name", "translate %/a/b", "no such model directory"),
    Case("model of nobody", "translate ~nobody.at.all/model", "no such model directory|not available"),
    Case("model a file", "inspect model/config.json", "config.json: a file; give the model directory that holds it"),
    Case("model on the hub, offline", "inspect owner/name",
         "owner/name: no such model directory, and not available from the hub"),
    Case("no model in the folder", "score empty --source test.de --target test.en",
         "empty/config.json: missing; a model directory",
         lambda f: (f / "empty").mkdir()),
    Case("damaged to push", "push model owner/name", "SHA-256 differs", damage("flipped weights")),
    Case("nothing to push", "push nowhere owner/name", "nowhere: no such model directory"),
    Case("file to push", "push run.toml owner/name", "run.toml: a file; give the model directory"),
    Case("truncated weights", TR, "model.safetensors: not the file .*SHA-256 differs", damage("cut weights")),
    Case("edited weights", "inspect model --json", "model.safetensors: not the file .*SHA-256",
         damage("flipped weights")),
    Case("pickle", TR, "model.safetensors: not the file", damage("pickle")),
    Case("pickle with its hash", TR, "model.safetensors: not a safetensors file", damage("hashed pickle")),
    Case("torch.save with its hash", "evaluate model --source test.de --reference test.en",
         "model.safetensors: (not a safetensors file|.* bytes, but at most)",
         lambda f: (damage("torch checkpoint")(f), (f / "model" / "x").rename(f / "bomb"))),
    Case("weights empty with their hash", TR, "model.safetensors: not a safetensors file", weights(b"")),
    Case("header without end", TR, "model.safetensors: not a safetensors file",
         weights(b"\xff" * 7 + b"\x7f" + b"{}" * 40)),
    Case("tokenizer swapped", TR, "tokenizer.model: not the file .*SHA-256 differs", swap),
    Case("tokenizer missing", "score model --source test.de --target test.en", "tokenizer.model: missing",
         damage("no tokenizer")),
    Case("newer", TR, "format 2, written by seq2seq 9.1; .*install a newer one", damage("newer")),
    Case("foreign", "inspect model", "not written by seq2seq", damage("foreign")),
    Case("path out of the folder", TR, r"files: \.\./\.\./secret.*; allowed", damage("escape")),
    Case("absolute path", TR, "files: .*/etc/passwd.*; allowed",
         document(lambda t: t["files"].update({"/etc/passwd": "0"}))),
    Case("link to other content", TR, "tokenizer.model: not the file .*SHA-256",
         link("model/tokenizer.model", "../run.toml")),
    Case("link to nothing", TR, "tokenizer.model: missing", link("model/tokenizer.model", "nowhere")),
    Case("link to itself", TR, "tokenizer.model: cannot be read: Too many levels",
         link("model/tokenizer.model", "tokenizer.model")),
    Case("link to a device", TR, "model.safetensors: not a regular file", link("model/model.safetensors", "/dev/zero")),
    Case("pipe for weights", TR, "model.safetensors: not a regular file, but a pipe", pipe("model/model.safetensors")),
    Case("pipe for config", "inspect model", "config.json: not a regular file, but a pipe", pipe("model/config.json")),
    Case("pipe beside weights", TR, "model.safetensors: missing",
         lambda f: ((f / "model/model.safetensors").unlink(), pipe("model/model.safetensors.new")(f))),
    Case("weights too large", TR, r"model.safetensors: [\d,]{17} bytes, but at most [\d,]+ are possible",
         sparse("model/model.safetensors", 1 << 40)),
    Case("tokenizer too large", TR, "tokenizer.model: 68,157,440 bytes, but at most 67,108,864",
         sparse("model/tokenizer.model")),
    Case("config too large", TR, "config.json: 68,157,440 bytes, but at most 8,388,608", sparse("model/config.json")),
    Case("a billion units", TR, "embedding_dim = 1000000000: .*equal to 1000000",
         resized(decoder_dim=10**9, embedding_dim=10**9)),
    Case("a million units", TR, "do not fit into memory|bytes, but at most",
         resized(decoder_dim=10**6, embedding_dim=10**6)),
    Case("a million heads", TR, "heads = 1000000: .*equal to 1024", resized(heads=10**6)),
    Case("a search without end", TR, "search.min_length = 2147483647: .*equal to 1000", searched(min_length=2**31 - 1)),
    Case("a search through all memory", "evaluate model --source test.de --reference test.en",
         "search.beam_size = 2147483647: .*equal to 1024", searched(beam_size=2**31 - 1)),
    Case("format 0", TR, "config.json: damaged: format 0; formats are counted from 1",
         document(lambda t: t.update(format=0))),
    Case("format below 0", f"score model {SIDES}", "damaged: format -5", document(lambda t: t.update(format=-5))),
    Case("format a truth", "inspect model", "damaged: format: Input should be a valid integer",
         document(lambda t: t.update(format=True))),
    Case("a billion layers", TR, "encoder_layers = 1000000000: .*equal to 64", resized(encoder_layers=10**9)),
    Case("a billion pieces", TR, "damaged: vocabulary: source=1000000000",
         document(lambda t: t["vocabulary"].update(source=10**9, target=10**9))),
    Case("config nested deep", TR, "nested more than 32 deep", document(lambda t: t["record"].update(x=nested(200)))),
    Case("config without bottom", TR, "damaged, not JSON", damage("bottomless config")),
    Case("config with NaN", TR, "damaged, not JSON: NaN is no number",
         raw_document('"record": {', '"record": {"x": NaN, ')),
    Case("config with infinity", TR, "not JSON: 1e999 is no number",
         raw_document('"record": {', '"record": {"x": 1e999, ')),
    Case("escape sequence", TR, r"written by seq2seq \\x1b\[2Jx",
         document(lambda t: t.update(format=7, seq2seq="\x1b[2Jx"))),
    Case("lone surrogate", TR, "data.root: not valid Unicode",
         document(lambda t: t["config"]["data"].update(root="\ud800"))),
    *(Case(f"weights NaN, {command}", f"{command} model {rest}",
           "model.safetensors: source_embedding.weight has weights that are NaN",
           broken("source_embedding.weight", math.nan))
      for command, rest in [("align", SIDES), ("shortlist", SIDES), ("export", "-o out")]),
    Case("weights infinite", f"score model {SIDES}", "output_layer.bias has weights that are NaN or infinite",
         broken("output_layer.bias", math.inf)),
    *(Case(f"weights that overflow, {command}", f"{command} model {rest}", "the model answered NaN", overflowing,
           code=1)
      for command, rest in [("translate", ""), ("score", SIDES), ("align", SIDES), ("shortlist", SIDES)]),
    Case("mismatched ensemble", "translate model other", "model and other: their source tokenizers differ"),
    Case("mismatched to score", "score model other --source test.de --target test.en",
         "their source tokenizers differ"),
    Case("mismatched against", "evaluate model --source test.de --reference test.en --against run.tom",
         "run.tom: no such model"),
]  # fmt: skip


def found(change: Callable[[str], str]) -> Prepare:
    """r.json: the results of a small comparison, changed."""

    def prepare(folder: Path) -> None:
        few = make_results(2, seeds=[1, 2], tests=["test"], kinds=[], examples=1, links=False)
        text = change(few.model_dump_json())
        (folder / "r.json").write_text(text, encoding="utf-8")

    return prepare


FILES = "--hypothesis test.en --reference test.en"
USES = [
    Case("no model", "translate", "missing argument"),
    Case("unknown option", "translate model --beam-sise 3", "no such option.*--beam-size"),
    Case("document and lines", f"{TR} -i test.de --document test.de", "--input has no effect with --document"),
    Case("document again", f"{TR} --document test.de --retranslate", "--retranslate has no effect on plain text"),
    Case("no document again", f"{TR} --retranslate", "--retranslate has no effect without --document"),
    Case("document missing", f"{TR} --document x.po", f"x.po: cannot be read: {GONE}"),
    Case("document broken", f"{TR} --document x.po", "x.po:2: not PO: Syntax error", put("x.po", b"\nx\n")),
    Case("document of others", f"{TR} --document x.xlf", "x.xlf:1: not XLIFF: Start tag", put("x.xlf", b"der hund\n")),
    Case("document with a bomb", f"{TR} --document x.xlf", "x.xlf: declares entities, such as 'a'",
         put("x.xlf", b'<!DOCTYPE xliff [<!ENTITY a "b">]><xliff version="1.2"><file><body/></file></xliff>')),
    Case("document a memory", f"{TR} --document x.tmx", "x.tmx: a translation memory has nothing to fill in"),
    Case("document not UTF-8", f"{TR} --document x.txt", "x.txt:2: the line is not valid UTF-8",
         put("x.txt", b"a\n\xff")),
    Case("unknown command", "translat model", "no such command 'translat'.*'translate'"),
    Case("negative beam", f"{TR} --beam-size -3", "--beam-size.*greater than or equal to 1"),
    Case("groups of no even share", f"{TR} --diverse-groups 7 --beam-size 8", "7 groups cannot share a beam of 8"),
    Case("diversity of one beam", f"{TR} --diversity 1", "diversity has no effect without diverse_groups"),
    Case("mbr of more than there are", f"{TR} --mbr chrf --mbr-samples 2 --n-best 3", "number of samples 2, given 3"),
    Case("unknown utility", f"{TR} --mbr ter", "--mbr"),
    Case("nothing to avoid", f"{TR} --avoid blank.txt", "--avoid blank.txt: has no string to avoid",
         put("blank.txt", b" \n\n")),
    Case("avoid missing", f"{TR} --avoid nowhere.txt", "nowhere.txt: cannot read|nowhere.txt.*[Nn]o such file"),
    Case("avoid and input from one pipe", f"{TR} --avoid -", "--input and --avoid cannot both be standard input"),
    Case("three columns", f"{TR} --prefix", "standard input:2: 3 columns; --prefix reads two",
         text=b"der hund\nder hund\ta dog\tx\n"),
    Case("constraint alone", f"{TR} --constraints", "standard input:2: a constraint without a sentence",
         text=b"\n \tdog\n"),
    Case("constraint unknown", f"{TR} --constraints", r"standard input:2: .*cannot write the constraint \u2603 a: its",
         text="hund\nhund\ta\t☃ a\n".encode()),
    Case("constraint avoided", f"{TR} --constraints --avoid avoid.txt", "standard input:1: the constraint dog has d, ",
         put("avoid.txt", b"d\n"), text=b"hund\tdog\n"),
    Case("constraints too many", f"{TR} --constraints", r"standard input:1: its constraints have [\d,]+ pieces; ",
         text=b"hund" + b"\tdog" * 1001 + b"\n"),
    Case("constraints of a greedy search", f"{TR} --constraints --beam-size 1", "constraints need a beam size of 2",
         text=b"hund\tdog\n"),
    Case("constraints in groups", f"{TR} --constraints --diverse-groups 2 --beam-size 4", "choose one of the two",
         text=b"hund\tdog\n"),
    Case("constraints of samples", f"{TR} --constraints --sample", "--constraints needs a beam"),
    Case("glossary of samples", f"{TR} --glossary terms.tsv --mbr chrf", "--glossary needs a beam",
         put("terms.tsv", b"hund\tdog\n")),
    Case("glossary missing", f"{TR} --glossary nowhere.tsv", "nowhere.tsv: cannot read|nowhere.tsv.*[Nn]o such file"),
    Case("glossary without terms", f"{TR} --glossary blank.tsv", "blank.tsv: has no term", put("blank.tsv", b" \n\n")),
    Case("glossary of one column", f"{TR} --glossary terms.tsv", "terms.tsv:2: 1 columns",
         put("terms.tsv", b"hund\tdog\nhund\n")),
    Case("glossary twice", f"{TR} --glossary terms.tsv", "terms.tsv:2: the term hund is in line 1 already",
         put("terms.tsv", b"hund\tdog\nhund\ta dog\n")),
    Case("glossary unknown", f"{TR} --glossary terms.tsv", "terms.tsv:2: the model cannot write the constraint \u2603",
         put("terms.tsv", "mann\tman\nhund\t☃\n".encode())),
    Case("glossary and input from one pipe", f"{TR} --glossary -", "--input and --glossary cannot both be standard in"),
    Case("jsonl that is none", f"{TR} --input-format jsonl", "standard input:2: not a JSON object in one line",
         text=b'{"source": "hund"}\n{"source"\n'),
    Case("jsonl of a list", f"{TR} --input-format jsonl", "standard input:1: .* is not a JSON object", text=b"[1]\n"),
    Case("jsonl without a source", f"{TR} --input-format jsonl", 'standard input:1: no key "source"', text=b"{}\n"),
    Case("jsonl source of no text", f"{TR} --input-format jsonl", "standard input:1: source: 3 is no string",
         text=b'{"source": 3}\n'),
    Case("jsonl with a line break", f"{TR} --input-format jsonl", "standard input:1: source: a line break",
         text=b'{"source": "a\\nb"}\n'),
    Case("jsonl constraint of one string", f"{TR} --input-format jsonl", "standard input:1: constraints must be a list",
         text=b'{"source": "a", "constraints": "b"}\n'),
    Case("jsonl constraints of samples", f"{TR} --input-format jsonl --sample", "standard input:1: constraints need a",
         text=b'{"source": "a", "constraints": ["b"]}\n'),
    Case("jsonl and columns", f"{TR} --input-format jsonl --prefix", "--prefix has no effect with --input-format"),
    Case("prefix alone", f"{TR} --prefix", "standard input:2: a prefix without a sentence", text=b"\n \ta dog\n"),
    Case("no n-gram of nothing", f"{TR} --no-repeat-ngram 0", "--no-repeat-ngram.*greater than or equal to 1"),
    Case("a reward for repetition", f"{TR} --repetition-penalty 0.5", "--repetition-penalty.*greater than or equal"),
    Case("penalty nan", f"{TR} --repetition-penalty nan", "--repetition-penalty.*less than or equal to 100"),
    Case("beam no number", f"{TR} --beam-size five", "--beam-size.*valid integer"),
    Case("beam too large", f"{TR} --beam-size 10000000000", "--beam-size.*less than or equal to 1024"),
    Case("more best than beams", f"{TR} --n-best 3 --beam-size 2",
         "n-best must lie between 1 and the beam size 2, given 3"),
    Case("minimum above maximum", f"{TR} --min-length 9 --max-length 4",
         "max_length 4 leaves no room for min_length 9"),
    Case("too long", f"{TR} --max-length 1000000000000000000000", "--max-length.*less than or equal to"),
    Case("penalty NaN", f"{TR} --length-alpha nan", "--length-alpha.: should be"),
    Case("penalty infinite", f"{TR} --length-alpha inf", "--length-alpha.: should be"),
    Case("temperature NaN", f"{TR} --sample --temperature nan", "temperature must be above 0"),
    Case("temperature infinite", f"{TR} --sample --temperature inf", "temperature must be above 0"),
    Case("share NaN", f"{TR} --sample --top-p nan", "top_p must be above 0"),
    Case("format", f"{TR} --format xml", "'xml' is not one of"),
    Case("threads", f"{TR} --threads 1000000", "--threads.*less than or equal to 1024"),
    Case("port", "serve model --port 70000", "--port.*range|--port.*less than or equal to 65535"),
    Case("host", "serve model --port 0 --host no.such.host.invalid", "--host no.such.host.invalid: no such host; 127"),
    Case("model missing", "serve nowhere --port 0", "nowhere: no such model directory"),
    Case("pairs of another number", "serve model --pairs de-en,en-de", "--pairs: 2 for 1 models; name one pair"),
    Case("pairs without a target", "serve model --pairs de", "--pairs: 'de' is no pair of languages; write de-en"),
    Case("one pair twice", "serve model model --port 0", "model and model both translate de to en; serve one of them"),
    Case("a language into itself", "serve model --port 0 --pairs de:de", "'de:de' is no pair of languages"),
    Case("tag unknown", "serve model --port 0 --pairs de-fr=<2fr>", "model: tag .<2fr>.: the model was not"),
    Case("keys missing", "serve model --keys no", "no: cannot be read: No such file"),
    Case("keys bad", "serve model --keys k", "k:2: a line is a key, or a key and its requests a minute",
         put("k", b"secret\nanother key 3\n")),
    Case("keys blank", "serve model --keys k", "k: no key in it", put("k", b"# none\n")),
    Case("origin", "serve model --cors example.org", "--cors example.org: no origin; write https://example.org"),
    Case("no shortlist", "serve model --port 0 --shortlist", "shortlist"),
    Case("no time", "serve model --deadline 0", "--deadline.*range|--deadline.*greater than or equal to 0.1"),
    Case("no queue", "serve model --queue 0", "--queue.*greater than or equal to 1|--queue.*range"),
    Case("device", "score model --device gpu " + SIDES, "device 'gpu' cannot be used here"),
    Case("input a long name", f"{TR} -i %", "cannot be read: File name too long"),
    Case("input cut", f"{TR} -i x.gz -o out", "x.gz: cannot be read",
         put("x.gz", gzip.compress(b"der hund\n" * 99)[:-9])),
    Case("input no archive", f"{TR} -i x.gz -o out", "x.gz: cannot be read", put("x.gz", b"der hund\n")),
    Case("input of one endless line", f"{TR} -i x -o out", "x:2: a line of more than 1,048,576 bytes",
         lambda f: (put("x", b"der hund\n")(f), sparse("x", HUGE + (1 << 20))(f))),
    Case("late bad line", f"{TR} --batch-size 1 -o out", "standard input:6: .*not valid UTF-8",
         text=b"der hund\n" * 5 + b"\xff\n"),
    Case("output name too long", f"{TR} -o %", "cannot be written: File name too long", code=1),
    Case("output below a device", f"{TR} -o /dev/full/x", "/dev/full/x: cannot be written: there is no directory"),
    Case("target missing", "score model --source test.de", "missing option '--target'"),
    Case("target a directory", "score model --source test.de --target model -o out",
         "model: cannot be read: Is a directory"),
    Case("target bad", f"score model {SIDES} -o out", "test.en:3: .*not valid UTF-8", put("test.en", b"a\nb\n\xff\n")),
    Case("target with NUL", f"score model {SIDES} -o out", "test.en:1: .*NUL", put("test.en", b"\0\n" * 7)),
    Case("target short", f"score model {SIDES} -o out", "test.en ends before line 2", put("test.en", b"a\n")),
    Case("nothing to score", f"score model {SIDES} -o out", "test.de: no lines, nothing to score",
         lambda f: (put("test.de", b"")(f), put("test.en", b"")(f))),
    Case("output is read", f"score model {SIDES} -o test.en", "test.en: --output is a file that is read"),
    Case("pairs short", f"align model {SIDES} -o out", "test.en ends before line 2", put("test.en", b"a\n")),
    Case("source blank", f"align model {SIDES} -o out", "test.de:3: blank, but test.en:3 is not; there is nothing",
         put("test.de", b"a\nb\n \n" + b"c\n" * 4)),
    Case("target blank", f"align model {SIDES} -o out", "test.en:7: blank, but test.de:7 is not",
         put("test.en", b"a\n" * 6 + b"\n")),
    Case("gold missing", f"align model {SIDES} --gold no -o out", "no: cannot be read: No such file"),
    Case("gold of the other direction, and none", f"align model {SIDES} --gold-inverse -o out",
         "--gold-inverse has no effect without --gold"),
    Case("gold short", f"align model {SIDES} --gold g -o out", "g ends before line 7, test.de does not",
         put("g", b"0-0\n" * 6)),
    Case("gold long", f"align model {SIDES} --gold g -o out", "test.de ends before line 8, g does not",
         put("g", b"0-0\n" * 8)),
    Case("gold is text", f"align model {SIDES} --gold test.en -o out", "test.en:1: 'the' is no link; write i-j"),
    Case("gold bad", f"align model {SIDES} --gold g -o out", "g:2: .*not valid UTF-8", put("g", b"0-0\n\xff\n")),
    Case("gold from 1", f"align model {SIDES} --gold g -o out", r"g:7: link \d+-9 is outside of the pair.*from 0",
         put("g", b"0-0\n" * 6 + b"0-0 1p9\n")),
    Case("gold of huge numbers", f"align model {SIDES} --gold g -o out", r"g:1: '0-999+\.\.\.9+' is no link",
         put("g", b"0-" + b"9" * 5000 + b"\n" + b"0-0\n" * 6)),
    Case("gold of another huge number", f"align model {SIDES} --gold g -o out", "g:2: '999+.* is no link",
         put("g", b"0-0\n" + b"9" * 5000 + b"p0\n" + b"0-0\n" * 5)),
    Case("gold is output", f"align model {SIDES} --gold g -o g", "g: --output is a file that is read",
         put("g", b"0-0\n" * 7)),
    Case("pair too long to score", f"score model {SIDES} --max-length 3 -o out",
         r"test.de:1: too long, more than 3 pieces on one side \(--max-length\); shorten the pair, or choose"),
    Case("pair too long to align", f"align model {SIDES} --max-length 3 -o out", "test.de:1: too long, more than 3"),
    Case("no length", f"score model {SIDES} --max-length 0", "--max-length.*greater than or equal to 1"),
    Case("shift", f"align model {SIDES} --shift 2", "--shift.*less than or equal to 1"),
    Case("threshold", f"align model {SIDES} --threshold 1.5", "threshold = 1.5: must be above 0 and at most 1"),
    Case("threshold NaN", f"align model {SIDES} --threshold nan", "threshold = nan: must be above 0"),
    Case("side to join", f"align model {SIDES} --join sorce", "'sorce' is not one of 'source', 'target', 'both'"),
    Case("reverse missing", f"align model {SIDES} --reverse no", "no: no such model"),
    Case("reverse the same way", f"align model {SIDES} --reverse other",
         "other: translates de into en as model does; --reverse takes a model from en to de"),
    Case("symmetrised alone", f"align model {SIDES} --symmetrise union", "no effect without --reverse"),
    Case("symmetrised unknown", f"align model {SIDES} --reverse other --symmetrise gdfa",
         "--symmetrise gdfa: unknown; allowed: grow-diag-final-and"),
    Case("all standard input", "align model --source - --target -", "--source and --target cannot both be standard"),
    Case("nothing to align", f"align model {SIDES} -o out", "test.de: no lines, nothing to align",
         lambda f: (put("test.de", b"")(f), put("test.en", b"")(f))),
    Case("hypothesis a directory", "evaluate --hypothesis model --reference test.en",
         "model: cannot be read: Is a directory"),
    Case("reference bad", f"evaluate {FILES}", "test.en:2: .*not valid UTF-8", put("test.en", b"a\n\xff\n")),
    Case("second reference short", f"evaluate {FILES} --reference train.en", "train.en: 63 lines, but test.en has 7"),
    Case("all empty", f"evaluate {FILES}", "test.en: no lines, nothing to score", put("test.en", b"")),
    Case("reference blank", f"evaluate {FILES}", "test.en:2: the reference is blank .as are 1 more.; mend it, or leave",
         put("test.en", b"a\n \n\t\n" + b"a\n" * 4)),
    Case("reference blank, told late", "evaluate model --source test.de --reference test.en -o out",
         "test.en:1: the reference is blank; mend", put("test.en", "\u200b\n".encode() + b"a\n" * 6)),
    Case("references all blank", f"evaluate {FILES} --blank-references leave-out",
         "test.en: all lines are blank, nothing to score against", put("test.en", b"\n" * 7)),
    Case("what to do with blank references", f"evaluate {FILES} --blank-references skip",
         "'skip' is not one of 'refuse'"),
    Case("shortlist measured on a blank reference",
         f"shortlist model {SIDES} --validation-source test.de --validation-target test.en --bleu",
         "test.en:1: blank, so --bleu has nothing to score against", put("test.en", b"\n" + b"a\n" * 6)),
    Case("hypothesis of 300,000 words", "evaluate --hypothesis h --reference test.en",
         "hypotheses, line 7: 900,000 characters; a line is scored up to 100,000",
         put("h", b"a\n" * 6 + b"ab " * 300000 + b"\n")),
    Case("reference of 300,000 words", "evaluate model --source test.de --reference h",
         "line 7: 900,000 characters; a line is scored up to 100,000",
         put("h", b"a\n" * 6 + b"ab " * 300000 + b"\n")),
    Case("negative samples", f"evaluate {FILES} --samples -1", "--samples.*greater than or equal to 0"),
    Case("too many samples", f"evaluate {FILES} --samples 1000000000000", "--samples.*less than or equal to"),
    Case("one sample", f"evaluate {FILES} --samples 1", "samples|resamples"),
    Case("tokenizer of BLEU", f"evaluate {FILES} --tokenize 13", "did you mean '13a'"),
    Case("against a folder", "evaluate model --source test.de --reference test.en --against empty -o out",
         "empty/config.json: missing", lambda f: (f / "empty").mkdir()),
    Case("no results", "plot results nowhere.json -o out", f"nowhere.json: cannot read the results: {GONE}"),
    Case("results a directory", "plot results model -o out", "model: cannot read the results: Is a directory"),
    Case("results of something else", "plot results model/config.json -o out",
         "model/config.json: no results of 'seq2seq compare': version|title"),
    Case("results cut", "plot results r.json -o out", "r.json: no results of 'seq2seq compare': the file: Invalid JSON",
         found(lambda text: text[:200])),
    Case("results with a stranger", "plot results r.json -o out", "compare': systems.0.colour: Extra inputs",
         found(lambda text: text.replace('"parameters"', '"colour":1,"parameters"', 1))),
    Case("results with NaN", "plot results r.json -o out", "summary.test.bleu.mean = nan: no number that a report can",
         found(lambda text: re.sub(r'("summary":{"test":{"bleu":{"mean":)[0-9.]+', r"\1NaN", text, count=1))),
    Case("results with weights missing", "plot results r.json -o out",
         "examples.0: the weights of 'additive luong' do not fit its words: [0-9] rows of 7 are needed",
         found(lambda text: re.sub(r'"weights":\[\[[^]]*],', '"weights":[', text, count=1))),
    Case("results with buckets missing", "plot results r.json -o out",
         "'additive luong': its seeds differ in the lengths by which test is divided",
         found(lambda text: re.sub(r'"buckets":\[.*?\],"al', '"buckets":[],"al', text, count=1))),
    Case("report over a file", "plot results r.json -o run.toml", "run.toml: is a file; --output takes a directory",
         found(str)),
    Case("report nowhere", "plot results r.json -o ''", "--output: an empty name", found(str)),
    Case("report without a place", "plot results r.json", "missing option '--output'", found(str)),
    Case("report below a file", "plot results r.json -o run.toml/x", "run.toml/x: cannot be written: Not a directory",
         found(str), code=1),
    Case("picture of nothing", "plot attention model --source ' '", "--source is blank: there is nothing to look at"),
    Case("picture of two lines", "plot attention model --source 'der\nhund'", "sentence 1: a line break within"),
    Case("picture of nothing given", "plot attention model --source hund --target ''", "--target is blank"),
    Case("picture of a shift", "plot attention model --source a --shift 1", "--shift has no effect without --target"),
    Case("picture of a search", "plot attention model --source a --target b --beam-size 2",
         "--beam-size has no effect with --target"),
    Case("picture without source", "plot attention model", "missing option '--source'"),
    Case("picture of no model", "plot attention modle --source hund", "modle: no such model"),
    Case("picture in no form", "plot attention model --source hund -o a.jpg",
         "a.jpg: --output ends in .svg, .pdf, .png, given .jpg"),
    Case("picture without ending", "plot attention model --source hund -o model", "given no ending"),
    Case("picture nowhere", "plot attention model --source hund -o no/a.svg",
         "no/a.svg: cannot be written: there is no directory no"),
    Case("picture of a surrogate", "plot attention model --source a\udcff", "--source .*: not UTF-8"),
    Case("plot of what", "plot atention model", "no such command 'atention'.*'attention'"),
    Case("evaluation nowhere", "evaluate model --source test.de --reference test.en -o no/out",
         "there is no directory no"),
]  # fmt: skip
