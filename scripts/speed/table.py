"""The tables of speed, from the newest committed measurement of each part and the peers' file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed.training import name_of

OF_CORES = ("training", "scores-in-turns")  # parts that are shown for each kind of cores


def section(results: Path, peers: Path) -> str:
    """Return all tables, as they stand between the markers of `speed`."""
    return "\n\n".join([*ours(load(results)), others(tomllib.loads(peers.read_text(encoding="utf-8")))])


def load(folder: Path) -> list[dict[str, Any]]:
    """Every committed result, the oldest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda result: str(result["date"]))


def ours(history: list[dict[str, Any]]) -> list[str]:
    """A table for each part that has been measured, with what it was measured on.

    Of trainings one for each kind of cores: products go other ways there, and the peers were run on but one kind.
    """
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for result in reversed(history):
        for part in TABLES.keys() & result.keys():
            newest.setdefault((part, result["machine"]["vectors"] if part in OF_CORES else ""), result)
    return [
        "\n".join([*table(result[part]["results"]), "", provenance(result, part)])
        for part, table in TABLES.items()
        for (measured, _), result in newest.items()
        if measured == part
    ]


def provenance(result: dict[str, Any], part: str) -> str:
    """Machine, threads, date, commit, repeats."""
    machine, repeats = result["machine"], result[part]["repeats"]
    range_of = "first and third quartile" if part == "scores-in-turns" else "± half of largest - smallest"
    turns = f"median of {repeats} turns, {range_of}" if repeats > 1 else "one turn"
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
    remark = f"; {result['remark']}" if "remark" in result else ""
    return (
        f"{part.capitalize().replace('-', ' ')}: {result['date'][:10]}, commit `{result['commit']}`, "
        f"{machine['cores']} {machine['vectors']} cores, {threads}, torch {machine['torch']}, {turns}{remark}."
    )


def value(summary: dict[str, Any], form: str = ",.0f", scale: float = 1.0) -> str:
    """A median, with half its range where it was measured more than once."""
    middle = f"{summary['median'] * scale:{form}}"
    if len(summary["values"]) == 1:
        return middle
    half = (max(summary["values"]) - min(summary["values"])) / 2 * scale
    return f"{middle} ± {half:{form}}"


def _system(one: dict[str, Any]) -> str:
    """Results from before 2026-11-26 know of float32 alone."""
    return name_of(one["score"], one["wiring"], one.get("mixed_precision", "no"))


def training(results: list[dict[str, Any]]) -> list[str]:
    """Every system, and how near it comes to the bound."""
    heads = "real target tokens/s | of the matmul's FLOP/s | matmul, GFLOP/s | MFLOP/token | padding | peak RSS"
    lines = [f"| training | {heads} |", "|---|---|---|---|---|---|---|"]
    for one in results:
        lines.append(
            f"| {_system(one)} | {value(one['tokens_per_second'])} "
            f"| {value(one['fraction_of_bound'], '.2f')} | {value(one['matmul_gflops'])} "
            f"| {one['mflop_per_token']:.1f} | {one['padding']:.1%} | {one['peak_bytes'] / 1e9:.2f} GB |"
        )
    return lines


def scores_in_turns(results: list[dict[str, Any]]) -> list[str]:
    """Every score, beside one of them."""
    heads = (
        f"time of a step, {results[0]['beside']}'s = 1 | FLOP/s, {results[0]['beside']}'s = 1 | of the matmul's FLOP/s"
    )
    lines = [f"| training, a step of each score in turns | {heads} |", "|---|---|---|---|"]
    for one in results:
        cells = " | ".join(
            f"{one[key]['median']:{form}} ({one[key]['first']:{form}} to {one[key]['third']:{form}})"
            for key, form in (("time", ".3f"), ("flops", ".3f"), ("fraction_of_bound", ".2f"))
        )
        lines.append(f"| {_system(one)} | {cells} |")
    return lines


def translation(found: dict[str, Any]) -> list[str]:
    """Every variant and setting, with its BLEU."""
    heads = "tokens/s | sentences/s | of exact's bound | peak RSS | BLEU"
    lines = [f"| translating {found['sentences']:,} sentences | {heads} |", "|---|---|---|---|---|---|"]
    for one in found["results"]:
        batch = f", batches of {one['batch']}" if one["batch"] else ""
        workers = f", {one['workers']} workers" if one["workers"] > 1 else ""
        lines.append(
            f"| {one['variant']}, {'greedy' if one['beam'] == 1 else 'beam ' + str(one['beam'])}{batch}{workers} "
            f"| {value(one['tokens_per_second'])} | {value(one['sentences_per_second'])} "
            f"| {value(one['fraction_of_exact_bound'], '.2f')} | {one['peak_bytes'] / 1e9:.2f} GB | {one['bleu']:.2f} |"
        )
    costs = ", ".join(f"{kind} {work['flop_per_token'] / 1e6:.0f}" for kind, work in found["work"].items())
    signatures = sorted({one["signature"] for one in found["results"]})
    return [*lines, "", f"MFLOP a token of the output: {costs}. BLEU: `{'`, `'.join(signatures)}`."]


def latency(results: list[dict[str, Any]]) -> list[str]:
    """One sentence at a time."""
    lines = ["| one sentence at a time, beam 5 | p50, ms | p95, ms | p99, ms |", "|---|---|---|---|"]
    for one in results:
        lines.append(f"| {one['variant']} | {' | '.join(value(one[rank]) for rank in ('p50', 'p95', 'p99'))} |")
    return lines


def startup(results: list[dict[str, Any]]) -> list[str]:
    """The command line."""
    lines = ["| `seq2seq ...` | to the first line, s | to the end, s |", "|---|---|---|"]
    for one in results:
        lines.append(
            f"| {one['command']} | {value(one['first_line_seconds'], '.2f')} | {value(one['end_seconds'], '.2f')} |"
        )
    return lines


def attention_memory(found: dict[str, Any]) -> list[str]:
    """Ours against the plain formula."""
    shape = found["shape"]
    return [
        f"Additive attention, forward and backward, batch {shape['batch']}, source = target = {shape['source']}, "
        f"{shape['units']} units, takes {found['bytes'] / 1e6:,.0f} MB; the formula as it stands "
        f"{found['plain_bytes'] / 1e6:,.0f} MB. Our gradients lie within {found['gradient_error']:.0e} of exact ones "
        f"(of the largest; batch 8, double precision), the formula's own within {found['plain_gradient_error']:.0e}."
    ]


TABLES: dict[str, Callable[[Any], list[str]]] = {
    "training": training,
    "scores-in-turns": scores_in_turns,
    "translation": translation,
    "latency": latency,
    "startup": startup,
    "attention-memory": attention_memory,
}


def others(peers: dict[str, Any]) -> str:
    """What other toolkits reached, and how they were run."""
    setting = peers["setting"]
    lines = ["| others | attention | training, tokens/s | peak RSS, GB | beam 5, tokens/s | sentences/s | |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for peer in peers["peer"]:
        cells = [peer.get(key, "") for key in ("kind", "training", "memory", "translation", "sentences", "remark")]
        lines.append(f"| {peer['name']} | {' | '.join(cells)} |")
    return "\n".join(
        [
            *lines,
            "",
            f"The others were run by themselves, at another time: {setting['text']}; {setting['model']}; "
            f"{setting['machine']}; {setting['translation']}. Networks so described differ a little in what they "
            f"multiply: there {setting['parameters']} parameters and {setting['mflop_per_token']} MFLOP for a "
            "trained token, here 12.9 M and what the table says.",
        ]
    )


def history(results: list[dict[str, Any]]) -> list[str]:
    """A line for each figure of each result, so that a regression is seen: its date, commit, and name."""
    lines = []
    for result in results:
        mark = f"{result['date']}  {result['commit']:11}"
        for one in result.get("training", {}).get("results", []):
            name = f"training {_system(one)}"
            speed, share = (one[key]["median"] for key in ("tokens_per_second", "fraction_of_bound"))
            lines.append((name, f"{mark}  {name:48} {speed:9,.0f} tokens/s  {share:.2f} of the bound"))
        for one in result.get("scores-in-turns", {}).get("results", []):
            name = f"step {_system(one)}"
            time, flops, share = (one[key]["median"] for key in ("time", "flops", "fraction_of_bound"))
            ratios = f"{time:9.3f} of {one['beside']}'s time, {flops:.3f} of its FLOP/s"
            lines.append((name, f"{mark}  {name:48} {ratios}  {share:.2f} of the bound"))
        for one in result.get("translation", {}).get("results", {}).get("results", []):
            name = f"{one['variant']}, beam {one['beam']}, batch {one['batch'] or '-'}, workers {one['workers']}"
            speed, share = (one[key]["median"] for key in ("tokens_per_second", "fraction_of_exact_bound"))
            lines.append((name, f"{mark}  {name:48} {speed:9,.0f} tokens/s  {share:.2f} of exact's bound"))
        for one in result.get("latency", {}).get("results", []):
            name = f"one sentence, {one['variant']}"
            lines.append((name, f"{mark}  {name:48} {one['p50']['median']:9,.0f} ms"))
    return [line for _, line in sorted(lines, key=lambda line: line[0])]
