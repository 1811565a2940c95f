"""The pages on which scripts/results-table writes: each generated part stands between two markers with its name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "scripts/README.md",
    "scripts/results/README.md",
    "scripts/results/speed/README.md",
    "seq2seq/README.md",
)


def read_pages(root: Path = ROOT) -> dict[str, str]:
    """Return the text of every page by its path from the root."""
    return {page: (root / page).read_text(encoding="utf-8") for page in PAGES}


def fill(pages: dict[str, str], parts: dict[str, str]) -> dict[str, str]:
    """Return the pages with every part between its markers; exit with a message unless parts and markers match."""
    marked = [name for text in pages.values() for name in re.findall(r"<!-- ([\w-]+):begin -->", text)]
    for name in sorted({*parts, *marked}):
        if name not in parts:
            sys.exit(f"markers of {name}: no such part is written; take them out of the page")
        if marked.count(name) != 1:
            sys.exit(f"markers of {name}: needed once, found {marked.count(name)} times in {', '.join(pages)}")
    return {page: _fill_page(page, text, parts) for page, text in pages.items()}


def _fill_page(page: str, text: str, parts: dict[str, str]) -> str:
    def part(found: re.Match[str]) -> str:
        return f"{found[1]}{parts[found[2]]}\n{found[3]}"

    filled, count = re.subn(r"(<!-- ([\w-]+):begin -->\n).*?(<!-- \2:end -->)", part, text, flags=re.DOTALL)
    if count != text.count(":begin -->"):
        sys.exit(f"{page}: a part that begins has no end, or another begins within it")
    return filled
