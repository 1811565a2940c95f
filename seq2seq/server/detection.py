"""The language of a text, by py3langid: one file of features within the package, and nothing to download."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from seq2seq.text.sentences import has_words

LONGEST = 2000  # characters that are read: enough to tell, and no more work for a long text


class Detector:
    """Tells which of the served languages a text is in."""

    def __init__(self, codes: Sequence[str]) -> None:
        """Load the features. codes: of the served languages; the first is the answer where a text tells nothing."""
        self._codes = list(codes)
        self._identifier = _identifier()

    def detect(self, text: str) -> list[tuple[str, float]]:
        """Return every served language with the probability, in percent, that the text is in it; best first.

        The probability is that among all languages that py3langid knows, so a text in a language that is not served
        gets low numbers. A language that py3langid does not know has 0. A text without letters or digits is in the
        first language, with 0.
        """
        if not has_words(text):
            return [(code, 0.0) for code in self._codes[:1]]
        known: dict[str, float] = dict(self._identifier.rank(text[:LONGEST]))
        found = [(code, round(100 * known.get(primary(code), 0.0), 2)) for code in self._codes]
        return sorted(found, key=lambda each: -each[1])


@cache
def _identifier() -> Any:
    """Read py3langid's file, which takes a second, once; asking it changes nothing in it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def primary(code: str) -> str:
    """Return the language of a code without script or region: zh of zh-Hans."""
    return code.partition("-")[0]
