"""The refusal of a request: a status code, and words for its client."""

from __future__ import annotations

import math


class Refusal(Exception):
    """A request that is not carried out.

    status: of HTTP. text: for the client; never a path of this machine, never text of another request. retry_after:
    seconds after which a new try makes sense, None where it makes none. close: whether the connection is closed,
    because the rest of the request was not read.
    """

    def __init__(self, status: int, text: str, *, retry_after: float | None = None, close: bool = False) -> None:
        super().__init__(text)
        self.status, self.text = status, text
        self.retry_after, self.close = retry_after, close

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer beside its type."""
        found = {} if self.retry_after is None else {"Retry-After": str(max(1, math.ceil(self.retry_after)))}
        return found | ({"Connection": "close"} if self.close else {})
