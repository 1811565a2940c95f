"""A short fuzz of every reader, from fixed seeds; scripts/fuzz runs longer ones."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HARNESS = Path(__file__).parent / "fuzz" / "harness.py"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has wheels for Linux only")
@pytest.mark.parametrize("target", ["texts", "config", "model"])
def test_only_explained_errors_come_out(target: str, tmp_path: Path) -> None:
    options = ["-runs=20000", "-max_total_time=6", "-seed=1"]
    done = subprocess.run(
        [sys.executable, HARNESS, target, tmp_path, *options], capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 10  # the seeds are read, and some changes of them


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has wheels for Linux only")
def test_a_finding_would_be_seen(tmp_path: Path) -> None:
    """The harness with a reader that lets another error out."""
    broken = tmp_path / "broken.py"
    broken.write_text(
        HARNESS.read_text(encoding="utf-8").replace(
            "        load_config(path,", "        assert b'[model]' in document, 'found'\n        load_config(path,"
        ),
        encoding="utf-8",
    )
    command = [sys.executable, broken, "config", tmp_path / "run", "-runs=20000", "-max_total_time=20", "-seed=1"]
    (tmp_path / "run").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    assert done.returncode != 0
    assert "AssertionError: found" in done.stdout + done.stderr
