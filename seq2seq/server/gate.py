"""Keys and rates: who may ask, and how often."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seq2seq.bounds import LARGEST_COUNT
from seq2seq.errors import InputError
from seq2seq.server.refusal import Refusal

MOST_CLIENTS = 10_000  # whose requests are counted at a time
MINUTE = 60.0
LARGEST_KEYS = 1 << 20  # bytes of a file of keys


@dataclass(slots=True)
class _Bucket:
    allowance: float  # requests; below zero after a list longer than a minute's share
    seen: float  # time of the last request


class Rates:
    """Requests a minute, counted for each client.

    A client may send a whole minute's share at once. A list of n texts counts as n; one longer than the share is
    allowed to who has used nothing, and waited for afterwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str, count: int, rate: int) -> float:
        """Count requests of a client; return 0 where they are allowed, else the seconds until they would be."""
        now = self._clock()
        bucket = self._buckets.pop(client, None) or _Bucket(rate, now)
        bucket.allowance = min(float(rate), bucket.allowance + (now - bucket.seen) * rate / MINUTE)
        bucket.seen = now
        self._buckets[client] = bucket
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if (missing := min(count, rate) - bucket.allowance) > 1e-9:
            return missing * MINUTE / rate
        bucket.allowance -= count
        return 0.0


class Gate:
    """The decision whether a request may be carried out.

    keys: SHA-256 of each key -> its requests a minute, None for the general rate; no dictionary where no key is needed.
    rate: requests a minute of a key or an address; None for any number.
    """

    def __init__(self, keys: dict[bytes, int | None] | None, rate: int | None, rates: Rates | None = None) -> None:
        self.keys, self.rate = keys, rate
        self._rates = rates or Rates()

    def admit(self, key: str, address: str, count: int = 1) -> None:
        """Count a request. Raises Refusal: 400 where a key is needed, 403 for a wrong one, 429 for too many."""
        rate, client = self.rate, client_of(address)
        if self.keys is not None:
            digest = _digest(key)
            if not key:
                raise Refusal(400, "an API key is needed: send it as api_key")
            if digest not in self.keys:
                raise Refusal(403, "Invalid API key")
            rate, client = self.keys[digest] or rate, digest.hex()
        if rate is not None and (wait := self._rates.take(client, count, rate)):
            raise Refusal(429, f"too many requests: {rate} a minute are allowed; slow down", retry_after=wait)


def client_of(address: str) -> str:
    """Return what counts as one client: an address, of IPv6 its first 64 bits, of which one household has all."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def read_keys(path: str) -> dict[bytes, int | None]:
    """Read a file of keys: one a line, with its requests a minute behind it where they are not the general rate.

    Blank lines and lines that begin with # are left out. Raises InputError with the line of a mistake; never a key.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_KEYS + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not valid UTF-8; write one key a line") from None
    if len(content) > LARGEST_KEYS:
        raise InputError(f"{path}: larger than {LARGEST_KEYS:,} bytes; a file of keys has one key a line")
    keys = dict[bytes, int | None]()
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        rate = words[1] if len(words) == 2 else None
        valid = rate is None or (rate.isascii() and rate.isdigit() and len(rate) < 12 and 0 < int(rate) < LARGEST_COUNT)
        if len(words) > 2 or not valid:
            raise InputError(f"{path}:{number}: a line is a key, or a key and its requests a minute, such as KEY 60")
        if _digest(words[0]) in keys:
            raise InputError(f"{path}:{number}: this key is there before; name each once")
        keys[_digest(words[0])] = None if rate is None else int(rate)
    if not keys:
        raise InputError(f"{path}: no key in it; write one a line, or leave --keys out")
    return keys


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
