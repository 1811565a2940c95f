"""Translation speed on a test: many sentences at once by one or several processes, and one sentence at a time."""

from __future__ import annotations

import inspect
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq2seq.comparison.pace import call_in_process, call_in_processes, matmul_rate, peak_memory
from speed.turns import Show, run_in_turns, summary

if TYPE_CHECKING:
    from seq2seq.checkpoint.model import LoadedModel
    from seq2seq.translation.translation import Translation


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to translate: keyword arguments of Translator.load and of `translate`."""

    load: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    exported: bool = False  # translated by onnxruntime, from the export


VARIANTS = {  # the first is exact search in float32, with which the BLEU of the others is compared
    "float32": Variant(),
    "shortlist": Variant(options={"shortlist": True}),
    "int8": Variant(options={"int8": True}),
    "shortlist, int8": Variant(options={"shortlist": True, "int8": True}),
    "onnx": Variant(exported=True),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement of translation, in plain values that can be pickled and sent to a process."""

    run: Path
    variant: str
    beam: int
    batch: int | None  # sentences; None: the translator's default
    workers: int
    lines: Sequence[str]

    @property
    def name(self) -> str:
        """The name of the measurement on the screen."""
        batch = f"batch {self.batch}" if self.batch else "batch as it is"
        return f"{self.variant}, beam {self.beam}, {batch}, {self.workers} worker{'s' * (self.workers > 1)}"


def available_variants() -> list[str]:
    """Return the variants that this version's Translator supports."""
    from seq2seq.translation.options import SearchKeywords
    from seq2seq.translation.translator import Translator

    loads, options = inspect.signature(Translator.load).parameters, SearchKeywords.__annotations__
    return [
        name
        for name, variant in VARIANTS.items()
        if variant.load.keys() <= loads.keys() and variant.options.keys() <= options.keys()
    ]


def usable_variants(run: Path, line: str, show: Show) -> list[str]:
    """Return the variants that work with this model, and show why another does not."""
    names = available_variants()
    if any(VARIANTS[name].exported for name in names):
        call_in_process("the export", export, run)
    problems = {name: call_in_process(f"trying {name}", _problem, run, name, line) for name in names}
    for name, problem in problems.items():
        if problem:
            show(name, f"left out: {problem}")
    return [name for name, problem in problems.items() if not problem]


def _problem(run: Path, variant: str, line: str) -> str:
    """Return the error message of a variant on this line, "" if it works."""
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
    """Return tokens and sentences per second of each variant, and BLEU, so that fast but wrong translations show."""
    jobs = _jobs(run, lines, variants, batches)
    work = {beam: call_in_process(f"work of beam {beam}", count_work, run, lines[::5], beam) for beam in (1, 5)}

    def show_turn(name: str, turn: dict[str, Any]) -> None:
        show(name, f"{turn['tokens'] / turn['seconds']:,.0f} tokens/s beside {turn['matmul'] / 1e9:.0f} GFLOP/s")

    found = run_in_turns({job.name: (job,) for job in jobs}, _translate_in_processes, repeats, show_turn)
    results = [_entry(job, found[job.name], references, work[job.beam]["flop_per_token"]) for job in jobs]
    return {
        "sentences": len(lines),
        "work": {f"beam {beam}": counted for beam, counted in work.items()},
        "results": results,
    }


def _jobs(run: Path, lines: Sequence[str], variants: Sequence[str], batches: Sequence[int]) -> list[Job]:
    """Return the jobs: each variant greedy and with a beam of 5, by one and two workers; batch sizes for the first."""
    kinds = [(variant, beam, None, workers) for variant in variants for beam in (1, 5) for workers in (1, 2)]
    kinds += [(variants[0], 5, batch, 1) for batch in batches]
    return [Job(run, *kind, lines) for kind in kinds]


def _translate_in_processes(job: Job) -> dict[str, Any]:
    """Translate with several processes, each every n-th line; the time is that of the slowest."""
    barrier = multiprocessing.get_context("spawn").Barrier(job.workers)
    found = call_in_processes(job.name, _translate_share, [(job, number, barrier) for number in range(job.workers)])
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


def model_directory(run: Path, variant: str) -> Path:
    """Return the directory that a variant loads: the run, or the export beside it."""
    return run.with_name(f"{run.name}.onnx") if VARIANTS[variant].exported else run


def export(run: Path) -> None:
    """Export the run again, so that the export is never out of date."""
    import shutil

    from seq2seq.checkpoint.model import load_model
    from seq2seq.onnx.export import export_onnx

    target = model_directory(run, "onnx")
    shutil.rmtree(target, ignore_errors=True)
    export_onnx(load_model(run), target)


def _load(run: Path, variant: str) -> Any:
    import torch

    from seq2seq.onnx.translator import OnnxTranslator
    from seq2seq.translation.translator import Translator

    if VARIANTS[variant].exported:
        return OnnxTranslator.load(model_directory(run, variant), threads=torch.get_num_threads())
    return Translator.load(run, **VARIANTS[variant].load)


def _translate_share(job: Job, number: int, barrier: Any) -> dict[str, Any]:
    """Translate one worker's lines. The first worker measures a matmul with all threads before and after."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // job.workers))
    translator, lines = _load(job.run, job.variant), job.lines[number :: job.workers]
    options = {"beam_size": job.beam, "batch_size": job.batch, **VARIANTS[job.variant].options}
    translator.translate(lines[:8], **options)
    readings = _measure_matmul(number, threads, barrier)
    began = time.perf_counter()
    translations = translator.translate(lines, **options)
    seconds = time.perf_counter() - began
    readings += _measure_matmul(number, threads, barrier)
    return {
        "seconds": seconds,
        "tokens": output_tokens(translations),
        "texts": [one.text for one in translations],
        "matmul": statistics.median(readings) if readings else 0.0,
        "peak": peak_memory(),
    }


def _measure_matmul(number: int, threads: int, barrier: Any) -> list[float]:
    """Measure a matmul in the first worker while all others wait at the barrier; return [] in the others."""
    import torch

    barrier.wait()
    own = torch.get_num_threads()
    torch.set_num_threads(threads)
    reading = [matmul_rate()] if number == 0 else []
    torch.set_num_threads(own)
    barrier.wait()
    return reading


def count_work(run: Path, lines: Sequence[str], beam: int) -> dict[str, float]:
    """Return `work_of_search` for the model of a run."""
    from seq2seq.checkpoint.model import load_model

    return work_of_search(load_model(run), lines, beam)


def work_of_search(loaded: LoadedModel, lines: Sequence[str], beam: int) -> dict[str, float]:
    """Return the FLOP per output token of exact search in float32, counting only live hypotheses.

    Counted while each sentence is searched alone, because then no slot of the beam is empty and no position is padding.
    """
    from seq2seq.comparison.flops import Work, forward_flops
    from seq2seq.errors import Seq2SeqError
    from seq2seq.translation.translator import Translator

    step, slots = loaded.model.step, list[tuple[int, int]]()

    def count_step(tokens: Any, state: Any, *rest: Any) -> Any:
        slots.append((tokens.numel(), state.memory.mask.shape[1]))
        return step(tokens, state, *rest)

    loaded.model.step = count_step
    translator = Translator([loaded])
    translations = translator.translate(lines, beam_size=beam, batch_size=1)
    if not slots:
        raise Seq2SeqError("exact search did not go through Seq2Seq.step, so its work could not be counted")
    lengths = [len(ids) + 1 for ids in translator.tokenizers.source.encode_batch(list(lines))]
    live = sum(live for live, _ in slots)
    work = Work(len(lines), sum(lengths), live, sum(live * source for live, source in slots))
    flops = forward_flops(loaded.model.architecture, translator.tokenizers.target.vocabulary_size, work)
    tokens = output_tokens(translations)
    return {"sentences": len(lines), "slots_per_token": live / tokens, "flop_per_token": sum(flops.values()) / tokens}


def output_tokens(translations: Sequence[Translation]) -> int:
    """Return the number of output tokens, ends counted."""
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
    """Return the milliseconds per sentence with a beam of 5, one sentence at a time: percentiles 50, 95 and 99."""
    jobs = {variant: (variant, _measure_latency, run, variant, lines) for variant in variants}

    def show_turn(name: str, turn: dict[str, Any]) -> None:
        show(f"{name}, one by one", ", ".join(f"p{rank} {turn[f'p{rank}']:.0f} ms" for rank in (50, 95, 99)))

    found = run_in_turns(jobs, call_in_process, repeats, show_turn)
    ranks = ("p50", "p95", "p99")
    return [
        {"variant": variant, "sentences": len(lines)}
        | {rank: summary([turn[rank] for turn in turns], 2) for rank in ranks}
        | {"matmul_gflops": summary([turn["matmul"] / 1e9 for turn in turns], 1)}
        for variant, turns in found.items()
    ]


def _measure_latency(run: Path, variant: str, lines: Sequence[str]) -> dict[str, Any]:
    translator, options = _load(run, variant), VARIANTS[variant].options
    readings, spent = [matmul_rate()], []
    for line in [*lines[:5], *lines]:
        began = time.perf_counter()
        translator.translate([line], beam_size=5, **options)
        spent.append((time.perf_counter() - began) * 1e3)
    cuts = statistics.quantiles(spent[5:], n=100, method="inclusive")
    readings.append(matmul_rate())
    return {f"p{rank}": cuts[rank - 1] for rank in (50, 95, 99)} | {"matmul": statistics.median(readings)}
