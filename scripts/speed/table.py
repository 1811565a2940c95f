"""Tables of speed, from the newest committed measurement of each part and from peers.toml, the other toolkits."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed.training import system_name

PARTS_BY_CORES = ("training", "scores-in-turns")  # parts with one table per kind of cores


def section(results: Path, peers: Path) -> str:
    """Return all tables, the text between the markers of `speed`."""
    return "\n\n".join(
        [*measurement_tables(load_results(results)), peers_table(tomllib.loads(peers.read_text(encoding="utf-8")))]
    )


def load_results(folder: Path) -> list[dict[str, Any]]:
    """Return every committed result, the oldest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return sorted(found, key=lambda result: str(result["date"]))


def measurement_tables(history: list[dict[str, Any]]) -> list[str]:
    """Return a table for each measured part, with the setting of the measurement below it.

    Trainings have one table per kind of cores, because matrix products use other kernels there, and the other toolkits
    were run on only one kind.
    """
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for result in reversed(history):
        for part in TABLES.keys() & result.keys():
            newest.setdefault((part, result["machine"]["vectors"] if part in PARTS_BY_CORES else ""), result)
    return [
        "\n".join([*table(result[part]["results"]), "", provenance(result, part)])
        for part, table in TABLES.items()
        for (measured, _), result in newest.items()
        if measured == part
    ]


def provenance(result: dict[str, Any], part: str) -> str:
    """Return a sentence with the date, commit, machine, threads and repeats of a measurement."""
    machine, repeats = result["machine"], result[part]["repeats"]
    range_of = "first and third quartile" if part == "scores-in-turns" else "± half of largest - smallest"
    turns = f"median of {repeats} turns, {range_of}" if repeats > 1 else "one turn"
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
    remark = f"; {result['remark']}" if "remark" in result else ""
    return (
        f"{part.capitalize().replace('-', ' ')}: {result['date'][:10]}, commit `{result['commit']}`, "
        f"{machine['cores']} {machine['vectors']} cores, {threads}, torch {machine['torch']}, {turns}{remark}."
    )


def median(summary: dict[str, Any], form: str = ",.0f", scale: float = 1.0) -> str:
    """Return a median, with ± half the range of the values if there are several."""
    middle = f"{summary['median'] * scale:{form}}"
    if len(summary["values"]) == 1:
        return middle
    half = (max(summary["values"]) - min(summary["values"])) / 2 * scale
    return f"{middle} ± {half:{form}}"


def _system(one: dict[str, Any]) -> str:
    """Return the name of a measured system; results from before 2026-11-26 are all in float32."""
    return system_name(one["score"], one["wiring"], one.get("mixed_precision", "no"))


def training(results: list[dict[str, Any]]) -> list[str]:
    """Return the rows of the training table: the speed of every system, and its fraction of the matmul's FLOP/s."""
    heads = "real target tokens/s | of the matmul's FLOP/s | matmul, GFLOP/s | MFLOP/token | padding | peak RSS"
    lines = [f"| training | {heads} |", "|---|---|---|---|---|---|---|"]
    for one in results:
        lines.append(
            f"| {_system(one)} | {median(one['tokens_per_second'])} "
            f"| {median(one['fraction_of_bound'], '.2f')} | {median(one['matmul_gflops'])} "
            f"| {one['mflop_per_token']:.1f} | {one['padding']:.1%} | {one['peak_bytes'] / 1e9:.2f} GB |"
        )
    return lines


def scores_in_turns(results: list[dict[str, Any]]) -> list[str]:
    """Return the rows of the table of scores in turns, each relative to one of them."""
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
    """Return the rows of the translation table: every variant and setting, with its BLEU."""
    heads = "tokens/s | sentences/s | of exact's bound | peak RSS | BLEU"
    lines = [f"| translating {found['sentences']:,} sentences | {heads} |", "|---|---|---|---|---|---|"]
    for one in found["results"]:
        batch = f", batches of {one['batch']}" if one["batch"] else ""
        workers = f", {one['workers']} workers" if one["workers"] > 1 else ""
        lines.append(
            f"| {one['variant']}, {'greedy' if one['beam'] == 1 else 'beam ' + str(one['beam'])}{batch}{workers} "
            f"| {median(one['tokens_per_second'])} | {median(one['sentences_per_second'])} "
            f"| {median(one['fraction_of_exact_bound'], '.2f')} | {one['peak_bytes'] / 1e9:.2f} GB "
            f"| {one['bleu']:.2f} |"
        )
    costs = ", ".join(f"{kind} {work['flop_per_token'] / 1e6:.0f}" for kind, work in found["work"].items())
    signatures = sorted({one["signature"] for one in found["results"]})
    return [*lines, "", f"MFLOP a token of the output: {costs}. BLEU: `{'`, `'.join(signatures)}`."]


def latency(results: list[dict[str, Any]]) -> list[str]:
    """Return the rows of the latency table."""
    lines = ["| one sentence at a time, beam 5 | p50, ms | p95, ms | p99, ms |", "|---|---|---|---|"]
    for one in results:
        lines.append(f"| {one['variant']} | {' | '.join(median(one[rank]) for rank in ('p50', 'p95', 'p99'))} |")
    return lines


def startup(results: list[dict[str, Any]]) -> list[str]:
    """Return the rows of the start-up table."""
    lines = ["| `seq2seq ...` | to the first line, s | to the end, s |", "|---|---|---|"]
    for one in results:
        lines.append(
            f"| {one['command']} | {median(one['first_line_seconds'], '.2f')} | {median(one['end_seconds'], '.2f')} |"
        )
    return lines


def attention_memory(found: dict[str, Any]) -> list[str]:
    """Return a sentence on the memory and gradients of additive attention and of its literal formula."""
    shape = found["shape"]
    return [
        f"Additive attention, forward and backward, batch {shape['batch']}, source = target = {shape['source']}, "
        f"{shape['units']} units, takes {found['bytes'] / 1e6:,.0f} MB; the formula as it stands "
        f"{found['plain_bytes'] / 1e6:,.0f} MB. Our gradients lie within {found['gradient_error']:.0e} of exact ones "
        f"(of the largest; batch 8, double precision), the formula's own within {found['plain_gradient_error']:.0e}."
    ]


def server(found: dict[str, Any]) -> list[str]:
    """Return the rows of the server's table, and a sentence on its memory."""
    heads = "of bulk's sentences/s | p50, ms | p95, ms | p99, ms"
    lines = [f"| server, one sentence a request, beam 5 | {heads} |", "|---|---|---|---|---|"]
    for one in found["clients"]:
        ranks = " | ".join(median(one[rank]) for rank in ("p50", "p95", "p99"))
        clients = f"{one['clients']} client{'s' * (one['clients'] > 1)}"
        lines.append(f"| {clients} at once | {median(one['share_of_bulk'], '.2f')} | {ranks} |")
    bulk, memory = found["bulk_sentences_per_second"], found["memory"]
    first, largest, last = (memory[f"{key}_bytes"] / 1e6 for key in ("first", "largest", "last"))
    return [
        *lines,
        "",
        f"Bulk: {median(bulk)} sentences/s of {found['sentences']:,}, in the same turn, beside a matmul of "
        f"{median(found['matmul_gflops'])} GFLOP/s. Resident memory over {memory['requests']:,} requests: "
        f"{first:,.0f} MB after a tenth of them, {last:,.0f} MB at the end, {largest:,.0f} MB at most.",
    ]


TABLES: dict[str, Callable[[Any], list[str]]] = {
    "training": training,
    "scores-in-turns": scores_in_turns,
    "translation": translation,
    "latency": latency,
    "startup": startup,
    "server": server,
    "attention-memory": attention_memory,
}


def peers_table(peers: dict[str, Any]) -> str:
    """Return the table of the other toolkits' speed, and how they were run."""
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
    """Return a line per number of each result, sorted by name to show regressions: date, commit, name, number."""
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
        for one in result.get("server", {}).get("results", {}).get("clients", []):
            name, share = f"server, {one['clients']} clients", one["share_of_bulk"]["median"]
            lines.append((name, f"{mark}  {name:48} {one['p50']['median']:9,.0f} ms  {share:.2f} of bulk"))
        for one in result.get("latency", {}).get("results", []):
            name = f"one sentence, {one['variant']}"
            lines.append((name, f"{mark}  {name:48} {one['p50']['median']:9,.0f} ms"))
    return [line for _, line in sorted(lines, key=lambda line: line[0])]
