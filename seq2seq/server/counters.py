"""Numbers about the server in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counts of requests by endpoint and status, and of the seconds that they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()  # by endpoint and status
        self._seconds: defaultdict[str, float] = defaultdict(float)  # by endpoint, summed
        self._within: Counter[tuple[str, float]] = Counter()  # by endpoint and bucket
        self.reloads: Counter[str] = Counter(loaded=0, failed=0)

    def count(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request that has its answer."""
        self._requests[endpoint, status] += 1
        self._seconds[endpoint] += seconds
        for bucket in BUCKETS:
            self._within[endpoint, bucket] += seconds <= bucket

    def text(self, gauges: dict[str, tuple[str, str, float]]) -> str:
        """Return all numbers. gauges: name -> (type, what it is, value)."""
        return "\n".join([*self._lines(), *_gauges(gauges), ""])

    def _lines(self) -> Iterator[str]:
        yield from _head("seq2seq_requests_total", "counter", "Requests that were answered.")
        for (endpoint, status), count in sorted(self._requests.items()):
            yield f'seq2seq_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}'
        yield from _head("seq2seq_request_seconds", "histogram", "Seconds from a request's headers to its answer.")
        for endpoint, seconds in sorted(self._seconds.items()):
            total = sum(count for (name, _), count in self._requests.items() if name == endpoint)
            for bucket in BUCKETS:
                within = self._within[endpoint, bucket]
                yield f'seq2seq_request_seconds_bucket{{endpoint="{endpoint}",le="{bucket:g}"}} {within}'
            yield f'seq2seq_request_seconds_bucket{{endpoint="{endpoint}",le="+Inf"}} {total}'
            yield f'seq2seq_request_seconds_sum{{endpoint="{endpoint}"}} {seconds:.6f}'
            yield f'seq2seq_request_seconds_count{{endpoint="{endpoint}"}} {total}'
        yield from _head("seq2seq_reloads_total", "counter", "Times that the models were loaded again.")
        for result, count in sorted(self.reloads.items()):
            yield f'seq2seq_reloads_total{{result="{result}"}} {count}'


def _gauges(gauges: dict[str, tuple[str, str, float]]) -> Iterator[str]:
    for name, (kind, what, value) in gauges.items():
        yield from _head(name, kind, what)
        yield f"{name} {value:g}"


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
