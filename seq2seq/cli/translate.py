"""The command `seq2seq translate`."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.bulk.job import BadLines, Job, TooLong
from seq2seq.bulk.layout import Layout
from seq2seq.bulk.streams import STANDARD, is_replaced
from seq2seq.cli import options, sampling, steering
from seq2seq.cli.document import refuse_options_of_lines, translate_document
from seq2seq.cli.lines import translate_distributed, translate_file, translate_stream
from seq2seq.errors import InputError

EXAMPLES = r"""
echo "ein Mann schläft ." | seq2seq translate runs/demo
seq2seq translate runs/demo --input test.de --output test.hypothesis.en
seq2seq translate runs/demo -i big.de -o big.en --workers 8 --resume
seq2seq translate runs/demo --shortlist < test.de
seq2seq translate runs/demo --n-best 5 --scores < test.de | head -5
printf 'ein Mann\tA man\n' | seq2seq translate runs/demo --prefix
printf 'Mann\tman\n' | seq2seq translate runs/demo --constraints
seq2seq translate runs/demo --glossary terms.tsv < test.de
seq2seq translate runs/demo --alignment < test.de | cut -f 2 > links.txt
seq2seq translate runs/demo --format jsonl --scores --alignment < test.de
seq2seq translate runs/demo --n-best 5 --diverse-groups 5 < test.de
seq2seq translate runs/demo --n-best 5 --format moses < test.de
seq2seq translate runs/demo --mbr chrf < test.de
seq2seq translate runs/demo --format grid < test.de | less
seq2seq translate runs/a runs/b runs/c --beam-size 8 < test.de
seq2seq translate runs/many --tag "<2de>" < test.en
seq2seq translate runs/demo --sample --n-best 3 --temperature 0.7 < test.de
seq2seq translate runs/demo --document de.po --output en.po
"""

_BULK, _DOCUMENT = "Many lines", "Documents"


def translate(
    models: options.Models,
    source: Annotated[
        str,
        typer.Option("--input", "-i", metavar="FILE", help="Sentences, one a line.", show_default="standard input"),
    ] = "-",
    output: options.Output = "-",
    n_best: Annotated[
        int,
        typer.Option(
            "--n-best", min=1, max=LARGEST_COUNT, metavar="N", help="Translations of each sentence, best first."
        ),
    ] = 1,
    scores: Annotated[bool, typer.Option("--scores", help="Add score and log-probability.")] = False,
    alignment: Annotated[bool, typer.Option("--alignment", help="Add word links, by attention.")] = False,
    form: Annotated[
        Literal["text", "jsonl", "grid", "moses"],
        typer.Option(
            "--format",
            help="Lines, JSON objects, drawings of where the model looked, or n-best lists as Moses has them.",
        ),
    ] = "text",
    input_format: Annotated[
        Literal["text", "jsonl"],
        typer.Option("--input-format", help="Sentences, or JSON objects with the key source."),
    ] = "text",
    beam_size: options.BeamSize = None,
    length_penalty: options.LengthPenalty = None,
    length_alpha: options.LengthAlpha = None,
    min_length: options.MinLength = None,
    max_length: options.MaxLength = None,
    max_source_length: options.MaxSourceLength = None,
    tag: options.Tag = None,
    prefix: options.Prefix = False,
    constraints: options.Constraints = False,
    glossary: options.Glossary = None,
    avoid: options.Avoid = None,
    no_repeat_ngram: options.NoRepeatNgram = None,
    repetition_penalty: options.RepetitionPenalty = None,
    diverse_groups: options.DiverseGroups = None,
    diversity: options.Diversity = None,
    shortlist: options.Shortlist = False,
    int8: options.Int8 = False,
    sample: sampling.Sample = False,
    mbr: sampling.Mbr = None,
    mbr_samples: sampling.MbrSamples = None,
    temperature: sampling.Temperature = None,
    top_k: sampling.TopK = None,
    top_p: sampling.TopP = None,
    seed: sampling.Seed = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            max=1024,
            help="Processes that translate, each with a copy of the model and one thread (or --threads).",
            show_default="this process alone",
            rich_help_panel=_BULK,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where a stopped or killed run of this command ended; from the first line if there was none.",
            rich_help_panel=_BULK,
        ),
    ] = False,
    bad_lines: Annotated[
        BadLines,
        typer.Option(
            "--bad-lines",
            help="A line that is no text (invalid UTF-8, NUL, over 1 MiB) ends the command, or is named and blank.",
            rich_help_panel=_BULK,
        ),
    ] = "refuse",
    too_long: Annotated[
        TooLong,
        typer.Option(
            "--too-long",
            help="A line above --max-source-length is translated up to there, left blank, or ends the command.",
            rich_help_panel=_BULK,
        ),
    ] = "truncate",
    document: Annotated[
        str | None,
        typer.Option(
            "--document",
            metavar="FILE",
            help="Give this document back translated: PO, XLIFF (.xlf, .xliff), else plain text.",
            rich_help_panel=_DOCUMENT,
        ),
    ] = None,
    retranslate: Annotated[
        bool,
        typer.Option(
            "--retranslate",
            help="With --document: also what has a translation. Without, only entries that have none.",
            rich_help_panel=_DOCUMENT,
        ),
    ] = False,
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    threads: options.Threads = None,
) -> None:
    """Translate, one sentence a line: a line out for every line in, in order.

    Lines are translated as they arrive and written at once. A blank line
    stays blank. Text is UTF-8, input plain or packed by gzip, bzip2, xz or
    zstd; '-' is standard input or output.

    Text has columns with a tab between them: the line number, from 1 (with
    --n-best above 1 only), the translation, score and log-probability in nats
    (with --scores), links (with --alignment) as 0-0 1-2: source word, target
    word, both from 0. --n-best N writes up to N lines for each line in.

    With --format jsonl, each translation is an object: line, rank, source,
    text, finished, truncated, source_pieces, pieces; with --scores also score
    and log_prob, with --alignment also alignment; of a model that copies also
    copied: for each piece the probability that it comes from the source.

    With --prefix, a line has a tab and the beginning of its translation after
    the sentence, which is kept as it is; the model may go on within its last
    word, unless a space follows it. It counts towards the scores, and is in
    JSON as prefix.

    With --constraints, each further column is a string that the translation
    has, after the prefix where --prefix is given too. As with a prefix, a
    space at its end says that its last word is complete. With --glossary FILE,
    the target term of each term in the sentence is such a string. In JSON they
    are constraints, and unmet those that the maximum length kept out. A beam
    of more than their pieces places them best.

    With --input-format jsonl, a line is an object with the key source, and
    prefix and constraints if it has any.

    With --avoid FILE, no translation has one of the strings in FILE, however
    pieces would spell it; a prefix is kept all the same.

    Words are what whitespace separates in the text as it was given. Characters
    that the model does not know are counted, and named at the end on standard
    error; so are translations that --max-length cut.

    With --format moses, a line is 'number ||| text ||| log_prob= X length= N
    ||| score', the number from 0, and '|' in the text is written &#124;.

    With --format grid, a drawing follows each line of text: a row for every
    word written, a column for every word read, darker for more attention.

    From file to file, what is translated is kept beside FILE when the command
    is stopped or killed, and --resume goes on there: the output is the same,
    byte for byte. So is that of torchrun -m seq2seq translate ..., which
    shares the lines among its processes.

    With --document, a PO or XLIFF file comes back with its empty translations
    filled in and marked fuzzy or in need of review, a text with its lines and
    blank lines; nothing else of it changes. A line or entry is translated
    sentence by sentence. Placeholders such as %s and {name}, tags, entities,
    URLs and e-mail addresses stay as they are; where the place of one is
    unknown, it is at the end, and a message says so.
    """
    search = options.search_options(
        beam_size=beam_size,
        length_penalty=length_penalty,
        length_alpha=length_alpha,
        min_length=min_length,
        max_length=max_length,
        max_source_length=max_source_length,
        avoid=None if avoid is None else steering.read_avoid(avoid, source),
        no_repeat_ngram=no_repeat_ngram,
        repetition_penalty=repetition_penalty,
        diverse_groups=diverse_groups,
        diversity=diversity,
        batch_size=batch_size,
        shortlist=shortlist or None,
        int8=int8 or None,
        tag=tag,
    )
    drawn = sampling.options(
        sample=sample,
        mbr=mbr,
        search=search,
        unfit={"--constraints": constraints, "--glossary": glossary is not None},
        mbr_samples=mbr_samples,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    if form == "moses" and scores:
        raise InputError("--scores has no effect with --format moses, which has them")
    if document is not None:
        lines = {"--input": source != STANDARD, "--n-best": n_best > 1, "--scores": scores, "--alignment": alignment}
        lines |= {"--format": form != "text", "--sample": sample, "--mbr": mbr is not None, "--prefix": prefix}
        lines |= {"--constraints": constraints, "--glossary": glossary is not None, "--workers": workers is not None}
        lines |= {"--input-format": input_format != "text", "--resume": resume}
        refuse_options_of_lines(lines | {"--bad-lines": bad_lines != "refuse", "--too-long": too_long != "truncate"})
        if _is_distributed():
            raise InputError("--document is translated by one process; start it without torchrun")
        translate_document(models, document, output, search, retranslate=retranslate, device=device, threads=threads)
        return
    if retranslate:
        raise InputError("--retranslate has no effect without --document")
    job = Job(
        models=models,
        device=device,
        threads=threads,
        source=source,
        layout=Layout(form, numbered=n_best > 1, scores=scores, alignment=alignment),
        n_best=n_best,
        search=search,
        sampling=drawn,
        bad_lines=bad_lines,
        too_long=too_long,
        columns=steering.columns(input_format, prefix=prefix, constraints=constraints),
        glossary=None if glossary is None else steering.read_glossary(glossary, source, avoid),
    )
    bulk = os.path.isfile(source) and is_replaced(output)
    if _is_distributed():
        if not bulk:
            raise InputError("torchrun's processes all read and one writes: give --input FILE and --output FILE")
        if workers is not None:
            raise InputError("--workers has no effect under torchrun, which has started the processes")
        translate_distributed(job, output, resume=resume)
    elif bulk:
        translate_file(job, output, workers, resume=resume)
    elif resume:
        raise InputError("--resume needs files to go on in: --input FILE and --output FILE")
    else:
        translate_stream(job, output, workers)


def _is_distributed() -> bool:
    """Return whether torchrun or `accelerate launch` started several processes, of which this is one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
