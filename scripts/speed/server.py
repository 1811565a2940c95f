"""The server beside bulk translation: throughput and latency of 1, 8 and 32 clients, and memory over many requests."""

from __future__ import annotations

import http.client
import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seq2seq.comparison.pace import call_in_process, matmul_rate
from speed.turns import Show, summary

CLIENTS = (1, 8, 32)
RANKS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
THREADS = 1  # of the model, in both


class Connection:
    """One client, whose requests use one connection."""

    def __init__(self, address: str) -> None:
        self._http = http.client.HTTPConnection(address, timeout=300)

    def translate(self, text: str, languages: tuple[str, str]) -> str:
        """Return a translation. Raises RuntimeError for any answer but 200."""
        body = json.dumps({"q": text, "source": languages[0], "target": languages[1]}).encode()
        self._http.request("POST", "/translate", body, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content.decode()}")
        translated: str = json.loads(content)["translatedText"]
        return translated

    def languages(self) -> tuple[str, str]:
        """Return the first pair that is served."""
        self._http.request("GET", "/languages")
        for each in json.loads(self._http.getresponse().read()):
            if each["targets"]:
                return each["code"], each["targets"][0]
        raise RuntimeError("no pair is served")


@contextmanager
def served(run: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give the process of `seq2seq serve` on a free port, and its address."""
    line = [sys.executable, "-m", "seq2seq", "serve", str(run), "--port", "0", "--threads", str(THREADS), *options]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            found = re.search(r"http://(\S+:\d+)", first)
            if found is None:
                sys.exit(f"the server did not start: {first}{process.stderr.read()}")
            yield process, found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()


def measure(run: Path, lines: Sequence[str], requests: int, repeats: int, show: Show) -> dict[str, Any]:
    """Return throughput beside bulk translation in the same turn, latencies, and memory.

    Each request has one line. requests: of the measurement of memory, in which the lines come again and again.
    """
    bulk, matmul = list[float](), list[float]()
    turns: dict[int, list[dict[str, float]]] = {clients: [] for clients in CLIENTS}
    with served(run) as (process, address):
        languages = Connection(address).languages()
        ask(address, lines[:32], languages, 8)  # so that nothing is done for the first time
        for _ in range(repeats):
            alone = call_in_process("bulk", _bulk, run, list(lines))
            bulk.append(alone["rate"])
            matmul.append(alone["matmul"])
            show("bulk", f"{alone['rate']:,.1f} sentences/s beside {alone['matmul'] / 1e9:.0f} GFLOP/s")
            for clients in CLIENTS:
                turns[clients].append(_turn(address, lines, languages, clients, alone["rate"]))
                last = turns[clients][-1]
                show(f"{clients} clients", f"{last['share']:.2f} of bulk, p50 {last['p50']:.0f} ms")
        memory = _memory(process.pid, address, lines, languages, requests)
    show("memory", f"{memory['first_bytes'] / 1e6:,.0f} to {memory['last_bytes'] / 1e6:,.0f} MB")
    return {
        "sentences": len(lines),
        "bulk_sentences_per_second": summary(bulk, 2),
        "matmul_gflops": summary([rate / 1e9 for rate in matmul], 1),
        "clients": [
            {"clients": clients, "share_of_bulk": summary([each["share"] for each in found], 4)}
            | {rank: summary([each[rank] for each in found], 2) for rank in RANKS}
            for clients, found in turns.items()
        ],
        "memory": memory,
    }


def _bulk(run: Path, lines: list[str]) -> dict[str, float]:
    """Translate all lines at once, in a process of its own."""
    from seq2seq.bulk.engines import load_engine

    engine = load_engine([str(run)], "cpu", THREADS)
    engine.translate(lines[:8])
    before, began = matmul_rate(), time.perf_counter()
    engine.translate(lines)
    seconds = time.perf_counter() - began
    return {"rate": len(lines) / seconds, "matmul": (before + matmul_rate()) / 2}


def _turn(
    address: str, lines: Sequence[str], languages: tuple[str, str], clients: int, bulk: float
) -> dict[str, float]:
    began = time.perf_counter()
    seconds = sorted(ask(address, lines, languages, clients))
    rate = len(lines) / (time.perf_counter() - began)
    return {"share": rate / bulk} | {rank: 1000 * quantile(seconds, share) for rank, share in RANKS.items()}


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that is not exceeded by `share` of all."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def ask(address: str, lines: Sequence[str], languages: tuple[str, str], clients: int) -> list[float]:
    """Translate each line by whichever client is free, and return the seconds of each. Raises what a client raises."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for line in lines:
        waiting.put(line)
    seconds, failures = list[float](), list[Exception]()

    def work() -> None:
        connection = Connection(address)
        try:
            while not failures:
                line = waiting.get_nowait()
                began = time.perf_counter()
                connection.translate(line, languages)
                seconds.append(time.perf_counter() - began)
        except queue.Empty:
            return
        except Exception as error:  # of any kind: the main thread raises it again
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return seconds


def _memory(
    process: int, address: str, lines: Sequence[str], languages: tuple[str, str], requests: int
) -> dict[str, float]:
    """Return resident memory after the first tenth of the requests, at the most, and after all."""
    readings = list[int]()
    for _ in range(10):
        ask(address, [lines[place % len(lines)] for place in range(max(1, requests // 10))], languages, 8)
        readings.append(resident(process))
    return {
        "requests": max(1, requests // 10) * 10,
        "first_bytes": readings[0],
        "largest_bytes": max(readings),
        "last_bytes": readings[-1],
    }


def resident(process: int) -> int:
    """Return the bytes of memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) * 1024
