"""Translating a test: many sentences at once by one or several processes, and one sentence at a time."""

from __future__ import annotations

import inspect
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq.comparison.pace import apart, matmul_rate, peak_memory, side_by_side
from speed.turns import Show, in_turns, summary

if TYPE_CHECKING:
    from seq2seq.checkpoint.model import LoadedModel
    from seq2seq.translation.translation import Translation


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to translate: keywords of Translator.load, and of `translate`."""

    load: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    exported: bool = False  # by onnxruntime, from `directory`


VARIANTS = {  # the first is exact, and the measure of the others' BLEU
    "float32": Variant(),
    "shortlist": Variant(options={"shortlist": True}),
    "int8": Variant(options={"int8": True}),
    "shortlist, int8": Variant(options={"shortlist": True, "int8": True}),
    "onnx": Variant(exported=True),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What is translated how. Plain values, as they travel."""

    run: Path
    variant: str
    beam: int
    batch: int | None  # sentences; None: the translator's own
    workers: int
    lines: Sequence[str]

    @property
    def name(self) -> str:
        """For a person who waits."""
        batch = f"batch {self.batch}" if self.batch else "batch as it is"
        return f"{self.variant}, beam {self.beam}, {batch}, {self.workers} worker{'s' * (self.workers > 1)}"


def available() -> list[str]:
    """The variants that this version's Translator knows."""
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translator import Translator

    loads, options = inspect.signature(Translator.load).parameters, SearchKeywords.__annotations__
    return [
        name
        for name, variant in VARIANTS.items()
        if variant.load.keys() <= loads.keys() and variant.options.keys() <= options.keys()
    ]


def usable(run: Path, line: str, show: Show) -> list[str]:
    """Those of them that this model can be used with; why another cannot is shown."""
    names = available()
    if any(VARIANTS[name].exported for name in names):
        apart("the export", export, run)
    problems = {name: apart(f"trying {name}", _problem, run, name, line) for name in names}
    for name, problem in problems.items():
        if problem:
            show(name, f"left out: {problem}")
    return [name for name, problem in problems.items() if not problem]


def _problem(run: Path, variant: str, line: str) -> str:
    """Why the variant refuses, or nothing."""
    from seq2seq.errors import InputError

    try:
        _load(run, variant).translate([line], **VARIANTS[variant].options)
    except InputError as error:
        return str(error)
    return ""


def bulk(
    run: Path,
    lines: Sequence[str],
    references: Sequence[str],
    variants: Sequence[str],
    batches: Sequence[int],
    repeats: int,
    show: Show,
) -> dict[str, Any]:
    """Tokens and sentences per second of each variant, and BLEU, so that a fast wrong answer shows."""
    jobs = _jobs(run, lines, variants, batches)
    work = {beam: apart(f"work of beam {beam}", count_work, run, lines[::5], beam) for beam in (1, 5)}

    def told(name: str, turn: dict[str, Any]) -> None:
        show(name, f"{turn['tokens'] / turn['seconds']:,.0f} tokens/s beside {turn['matmul'] / 1e9:.0f} GFLOP/s")

    found = in_turns({job.name: (job,) for job in jobs}, _together, repeats, told)
    results = [_entry(job, found[job.name], references, work[job.beam]["flop_per_token"]) for job in jobs]
    return {
        "sentences": len(lines),
        "work": {f"beam {beam}": counted for beam, counted in work.items()},
        "results": results,
    }


def _jobs(run: Path, lines: Sequence[str], variants: Sequence[str], batches: Sequence[int]) -> list[Job]:
    """Every variant greedy and with a beam of 5, by one worker and two; batch sizes with the first alone."""
    kinds = [(variant, beam, None, workers) for variant in variants for beam in (1, 5) for workers in (1, 2)]
    kinds += [(variants[0], 5, batch, 1) for batch in batches]
    return [Job(run, *kind, lines) for kind in kinds]


def _together(job: Job) -> dict[str, Any]:
    """Each worker takes every n-th line; the time is that of the last to end."""
    barrier = multiprocessing.get_context("spawn").Barrier(job.workers)
    found = side_by_side(job.name, _work, [(job, number, barrier) for number in range(job.workers)])
    texts = [""] * len(job.lines)
    for number, one in enumerate(found):
        texts[number :: job.workers] = one["texts"]
    return {
        "seconds": max(one["seconds"] for one in found),
        "tokens": sum(one["tokens"] for one in found),
        "matmul": next(one["matmul"] for one in found if one["matmul"]),
        "peak": sum(one["peak"] for one in found),
        "texts": texts,
    }


def directory(run: Path, variant: str) -> Path:
    """What a variant loads: the run, or its export, which is made beside it."""
    return run.with_name(f"{run.name}.onnx") if VARIANTS[variant].exported else run


def export(run: Path) -> None:
    """Make the export anew, so that it is never an old one."""
    import shutil

    from seq2seq.checkpoint.model import load_model
    from seq2seq.onnx.export import export_onnx

    target = directory(run, "onnx")
    shutil.rmtree(target, ignore_errors=True)
    export_onnx(load_model(run), target)


def _load(run: Path, variant: str) -> Any:
    import torch

    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.translator import Translator

    if VARIANTS[variant].exported:
        return OnnxTranslator.load(directory(run, variant), threads=torch.get_num_threads())
    return Translator.load(run, **VARIANTS[variant].load)


def _work(job: Job, number: int, barrier: Any) -> dict[str, Any]:
    """One worker's share. The first reads the matmul, with all threads, before and after, while the others wait."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // job.workers))
    translator, lines = _load(job.run, job.variant), job.lines[number :: job.workers]
    options = {"beam_size": job.beam, "batch_size": job.batch, **VARIANTS[job.variant].options}
    translator.translate(lines[:8], **options)
    readings = _reading(number, threads, barrier)
    began = time.perf_counter()
    translations = translator.translate(lines, **options)
    seconds = time.perf_counter() - began
    readings += _reading(number, threads, barrier)
    return {
        "seconds": seconds,
        "tokens": written(translations),
        "texts": [one.text for one in translations],
        "matmul": statistics.median(readings) if readings else 0.0,
        "peak": peak_memory(),
    }


def _reading(number: int, threads: int, barrier: Any) -> list[float]:
    """The matmul of the first worker, once all have come and before any goes on."""
    import torch

    barrier.wait()
    own = torch.get_num_threads()
    torch.set_num_threads(threads)
    reading = [matmul_rate()] if number == 0 else []
    torch.set_num_threads(own)
    barrier.wait()
    return reading


def count_work(run: Path, lines: Sequence[str], beam: int) -> dict[str, float]:
    """As `work_of_search`, of a run."""
    from seq2seq.checkpoint.model import load_model

    return work_of_search(load_model(run), lines, beam)


def work_of_search(loaded: LoadedModel, lines: Sequence[str], beam: int) -> dict[str, float]:
    """What a token of the output costs: FLOP of exact search in float32, of live hypotheses alone.

    Counted while each sentence is searched by itself, for then no slot of the beam is empty and no position padding.
    """
    from seq2seq.comparison.flops import Work, forward_flops
    from seq2seq.errors import Seq2SeqError
    from seq2seq.translation.translator import Translator

    step, slots = loaded.model.step, list[tuple[int, int]]()

    def counted(tokens: Any, state: Any, *rest: Any) -> Any:
        slots.append((tokens.numel(), state.memory.mask.shape[1]))
        return step(tokens, state, *rest)

    loaded.model.step = counted
    translator = Translator([loaded])
    translations = translator.translate(lines, beam_size=beam, batch_size=1)
    if not slots:
        raise Seq2SeqError("exact search did not go through Seq2Seq.step, so its work could not be counted")
    lengths = [len(ids) + 1 for ids in translator.tokenizers.source.encode_batch(list(lines))]
    live = sum(live for live, _ in slots)
    work = Work(len(lines), sum(lengths), live, sum(live * source for live, source in slots))
    flops = forward_flops(loaded.model.architecture, translator.tokenizers.target.vocabulary_size, work)
    tokens = written(translations)
    return {"sentences": len(lines), "slots_per_token": live / tokens, "flop_per_token": sum(flops.values()) / tokens}


def written(translations: Sequence[Translation]) -> int:
    """Tokens of the output, ends counted."""
    return sum(len(one.tokens) + one.finished for one in translations)


def _entry(job: Job, turns: list[dict[str, Any]], references: Sequence[str], flop: float) -> dict[str, Any]:
    from seq2seq.metrics.scores import bleu

    score = bleu(hypotheses=turns[0]["texts"], references=[list(references)])
    return {
        "variant": job.variant,
        "beam": job.beam,
        "batch": job.batch,
        "workers": job.workers,
        "tokens_per_second": summary([turn["tokens"] / turn["seconds"] for turn in turns], 1),
        "sentences_per_second": summary([len(job.lines) / turn["seconds"] for turn in turns], 2),
        "fraction_of_exact_bound": summary(
            [flop * turn["tokens"] / turn["seconds"] / turn["matmul"] for turn in turns], 4
        ),
        "matmul_gflops": summary([turn["matmul"] / 1e9 for turn in turns], 1),
        "peak_bytes": max(turn["peak"] for turn in turns),
        "bleu": round(score.value, 2),
        "signature": score.signature,
    }


def latency(run: Path, lines: Sequence[str], variants: Sequence[str], repeats: int, show: Show) -> list[dict[str, Any]]:
    """Milliseconds of single sentences with a beam of 5: median, and what 95 and 99 in a hundred do not pass."""
    jobs = {variant: (variant, _alone, run, variant, lines) for variant in variants}

    def told(name: str, turn: dict[str, Any]) -> None:
        show(f"{name}, one by one", ", ".join(f"p{rank} {turn[f'p{rank}']:.0f} ms" for rank in (50, 95, 99)))

    found = in_turns(jobs, apart, repeats, told)
    ranks = ("p50", "p95", "p99")
    return [
        {"variant": variant, "sentences": len(lines)}
        | {rank: summary([turn[rank] for turn in turns], 2) for rank in ranks}
        | {"matmul_gflops": summary([turn["matmul"] / 1e9 for turn in turns], 1)}
        for variant, turns in found.items()
    ]


def _alone(run: Path, variant: str, lines: Sequence[str]) -> dict[str, Any]:
    translator, options = _load(run, variant), VARIANTS[variant].options
    readings, spent = [matmul_rate()], []
    for line in [*lines[:5], *lines]:
        began = time.perf_counter()
        translator.translate([line], beam_size=5, **options)
        spent.append((time.perf_counter() - began) * 1e3)
    cuts = statistics.quantiles(spent[5:], n=100, method="inclusive")
    readings.append(matmul_rate())
    return {f"p{rank}": cuts[rank - 1] for rank in (50, 95, 99)} | {"matmul": statistics.median(readings)}
