"""The model card: README.md of a model directory, for people and for the Hugging Face hub."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from seq2seq.checkpoint.files import Vocabulary
from seq2seq.config import Config, CorpusConfig
from seq2seq.nn.normalisation import NORMALISATIONS
from seq2seq.nn.scores import SCORE_FUNCTIONS
from seq2seq.nn.windows import WINDOWS
from seq2seq.text.escaping import code_span, escape_markdown
from seq2seq.text.languages import LANGUAGES
from seq2seq.version import __version__

# Keys whose values are paths, which are private.
_PATHS = {
    "train", "validation", "root", "source_model", "target_model", "start", "source_vectors", "target_vectors",
}  # fmt: skip

_USE = """\
## Use

With `seq2seq` {version} or newer, in a terminal, one sentence a line:

```
seq2seq translate MODEL --input source.txt --output translation.txt
```

and in Python:

```python
from seq2seq import Translator

translator = Translator.load("MODEL")
translation = translator.translate(["..."])[0]
print(translation.text, translation.score, translation.alignment)
```

`MODEL` stands for this folder, or for its name on the hub."""

_LIMITS = """\
## Limits

- It translates sentence by sentence and knows nothing of the sentences around them.
- It has seen {pairs}, and nothing else. On other kinds of text, expect it to be worse; expect names, numbers and rare
  words to be dropped or invented, in fluent sentences, without any warning.
- It repeats the habits and prejudices of its training text.
- Attention weights show where the model looked. They are no proof of why it chose a word."""


def model_card(config: Config, vocabulary: Vocabulary, record: Mapping[str, Any]) -> str:
    """Return the card's text, made from the config, the vocabularies' sizes and the record of the training."""
    directions = list(dict.fromkeys(_direction(config, text) for text in config.data.texts))
    blocks = [
        _front_matter(config),
        "# " + ", ".join(f"{source} to {target}" for source, target in directions),
        _summary(config, record, directions),
        _USE.format(version=__version__),
        *_tags(config),
        _data(config, vocabulary, record),
        _scores(config, record),
        _LIMITS.format(pairs=_pairs(record)),
        _settings(config),
    ]
    return "\n\n".join(blocks) + "\n"


def _front_matter(config: Config) -> str:
    """Return the YAML header that the hub reads.

    JSON's strings are valid YAML, and without the quotes, the code of Norwegian (no) would be read as false.
    """
    sides = [side for text in config.data.texts for side in config.data.languages(text)]
    codes = [code for code in dict.fromkeys(sides) if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", code)]
    language = ["language:", *(f"- {json.dumps(code)}" for code in codes)] if codes else []
    fixed = ["library_name: seq2seq", "pipeline_tag: translation", "tags:", "- translation", "- attention", "- rnn"]
    return "\n".join(["---", *language, *fixed, "metrics:", "- bleu", "---"])


def _direction(config: Config, text: CorpusConfig) -> tuple[str, str]:
    source, target = config.data.languages(text)
    return _language(source), _language(target)


def _tags(config: Config) -> Iterator[str]:
    """Yield a section on the tags that the model knows, if it knows any."""
    texts = config.data.texts
    if not config.data.tags:
        return
    rows = []
    for tag in [*config.data.tags, None]:
        read = [text for text in texts if text.tag == tag]
        kinds = list(dict.fromkeys(" to ".join(_direction(config, text)) for text in read))
        if read:
            shown = "none" if tag is None else code_span(tag)
            rows.append(f"| {shown} | {', '.join(kinds)} | {', '.join(code_span(text.called) for text in read)} |")
    needed = "One of them is needed" if all(text.tag for text in texts) else "Without one, nothing is put before it"
    lead = (
        "A tag is a piece that the model reads before the source, given as `--tag` (in Python `tag`). "
        f"{needed}. It stands for the kind of text that the model learnt it from:"
    )
    cells = [row.replace("\n", " ") for row in rows]
    yield "\n".join(["## Tags", "", lead, "", "| tag | direction | texts |", "|---|---|---|", *cells])


def _summary(config: Config, record: Mapping[str, Any], directions: list[tuple[str, str]]) -> str:
    model = config.model
    reading = "bidirectional " if model.bidirectional else ""
    feeding = " with input feeding" if model.input_feeding else ""
    size = f", {record['parameters']:,} parameters" if record.get("parameters") else ""
    translated = " and ".join(f"{source} into {target}" for source, target in directions)
    lines = [
        f"Translates {translated}: a recurrent encoder-decoder with attention, made by "
        f"`seq2seq` {__version__}. {model.cell.upper()} cells, a {reading}encoder, `{model.wiring}` wiring"
        f"{feeding}{size}.",
        f"Attention score function: `{model.score}`, {_first_paragraph(SCORE_FUNCTIONS[model.score])}",
    ]
    if model.window != "none":
        lines.append(
            f"Window (`{model.window}`, {model.window_size} positions to either side): "
            f"{_first_paragraph(WINDOWS[model.window])}"
        )
    if model.normalisation != "softmax":
        lines.append(f"Normalisation: `{model.normalisation}`, {_first_paragraph(NORMALISATIONS[model.normalisation])}")
    if model.heads > 1:
        lines.append(f"{model.heads} attention heads; the weights that are shown are their mean.")
    if not SCORE_FUNCTIONS[model.score].attends:
        lines.append(
            "**This is a control**: it cannot attend, and shows what attention is worth. Do not translate with it."
        )
    return "\n\n".join(lines)


def _data(config: Config, vocabulary: Vocabulary, record: Mapping[str, Any]) -> str:
    tokenizer = config.tokenizer
    if config.training.start:
        more = " and extended by pieces of the training text" if tokenizer.extend else ""
        pieces = f"Text is cut into pieces by the SentencePiece model that was there at the start{more},"
    elif tokenizer.source_model is not None:
        pieces = "Text was cut into pieces by SentencePiece models that were given,"
    else:
        pieces = f"Text is cut into pieces by SentencePiece (`{tokenizer.kind}`), trained on the training text,"
    return "\n".join(
        [
            "## Data",
            "",
            f"- Training: {_pairs(record)}, from {'; '.join(map(_corpus, config.data.texts))}",
            "- Validation, by which this checkpoint was chosen: " + "; ".join(map(_corpus, config.data.validations)),
            f"- {pieces} {vocabulary.source:,} of them for the source and {vocabulary.target:,} for the target.",
            *_start(record),
            *_vectors(config),
        ]
    )


def _start(record: Mapping[str, Any]) -> list[str]:
    """Return what is known of the model that the training started from; of a path the last part alone."""
    start = record.get("start")
    if not isinstance(start, dict):
        return []
    name = str(start.get("name"))
    known = code_span(name if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name) else Path(name).name)
    score = f", perplexity {start['perplexity']:.2f} on the validation text" if start.get("perplexity") else ""
    return [f"- Start: the model {known} (SHA-256 of its weights {code_span(str(start.get('sha256')))}){score}"]


def _vectors(config: Config) -> Iterator[str]:
    """Yield what embeddings began with, where that was word vectors; of a path the last part alone."""
    for side in ("source", "target"):
        if name := getattr(config.training, f"{side}_vectors"):
            which = "source and target" if config.model.tie == "all" else side
            yield f"- Word vectors: the embedding of the {which} began with those of {code_span(Path(name).name)}"


def _corpus(corpus: CorpusConfig) -> str:
    """Return a corpus by name; of files the last part of the path alone, since the rest is private."""
    if corpus.dataset is not None:
        parts = [corpus.dataset if not Path(corpus.dataset).is_absolute() else Path(corpus.dataset).name]
        parts += [part for part in (corpus.name, corpus.split) if part is not None]
    else:
        files = (corpus.source, corpus.target, corpus.tsv, corpus.jsonl)
        parts = [Path(file).name for file in files if file is not None]
    return ", ".join(map(code_span, parts))


def _scores(config: Config, record: Mapping[str, Any]) -> str:
    """Return the scores measured in training. BLEU without its signature is left out, as it could not be compared."""
    rows = []
    mean = ", the mean over the texts" if record.get("texts") and not config.training.criterion_text else ""
    if record.get("perplexity") is not None:
        rows.append(f"- Perplexity per piece, the end of sentence counted{mean}: {record['perplexity']:.2f}")
    if record.get("bleu") is not None and record.get("signature"):
        beam = config.training.validation_beam_size
        rows.append(f"- BLEU{mean}: {record['bleu']:.2f} (beam {beam}; {code_span(record['signature'])})")
    for label, each in record.get("texts", {}).items():
        if each["perplexity"] is None:
            continue
        score = "" if each.get("bleu") is None else f", BLEU {each['bleu']:.2f} ({code_span(str(each['signature']))})"
        rows.append(f"- On {code_span(label)}: perplexity {each['perplexity']:.2f}{score}")
    if not rows:
        return "## Scores\n\nNone were recorded."
    made = {"best": "the best of its run", "last": "the last of its run", "averaged": "averaged over a run's last ones"}
    made["start_averaged"] = "the mean of a run's model and the one that it started from"
    which = made.get(str(record.get("kind")), "one checkpoint")
    steps = f" after {record['step']:,} steps" if record.get("step") else ""
    lead = (
        f"Of this checkpoint ({which}{steps}) on the validation text, by which it was chosen; "
        "expect less on unseen text."
    )
    return "\n".join(["## Scores", "", lead, "", *rows])


def _settings(config: Config) -> str:
    """Return a table of all settings but the data's paths, with their meanings."""
    lines = ["## Settings", "", "| setting | value | meaning |", "|---|---|---|"]
    for name in type(config).model_fields:
        section: BaseModel = getattr(config, name)
        for key, field in type(section).model_fields.items():
            value = getattr(section, key)
            if key in _PATHS:
                continue
            cells = [f"{name}.{key}", code_span(json.dumps(value, ensure_ascii=False)), str(field.description)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _pairs(record: Mapping[str, Any]) -> str:
    pairs = record.get("train_pairs")
    return f"{pairs:,} pairs of sentences" if pairs else "pairs of sentences (their number was not recorded)"


def _language(code: str) -> str:
    return LANGUAGES.get(re.split("[-_]", code)[0], escape_markdown(code))


def _first_paragraph(mechanism: type) -> str:
    """Return the first paragraph of a mechanism's docstring, its formula and source, as one line."""
    return " ".join((inspect.getdoc(mechanism) or "").split("\n\n")[0].replace("`", "'").split())
