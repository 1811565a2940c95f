"""Shape annotations of the tensor code are enforced while testing, and only then; slow tests run when asked for."""

import gc
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import config as shapes
from jaxtyping import install_import_hook

# A shell lets what it runs in the background ignore Ctrl-C, and all processes that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Under a restricted instruction set the numbers are compared once more; the shapes are the same.
if "ATEN_CPU_CAPABILITY" not in os.environ:
    install_import_hook(["seq2seq.nn", "seq2seq.search"], "beartype.beartype")


def shape_checks_off() -> Iterator[None]:
    """For whole runs: network, searches and translator have tests of their own, with the checks. These take a third of
    a small training's time and nearly two thirds of a translation's.
    """
    shapes.update("jaxtyping_disable", True)
    yield
    shapes.update("jaxtyping_disable", False)


without_shape_checks = pytest.fixture(shape_checks_off)
module_without_shape_checks = pytest.fixture(shape_checks_off, scope="module")


@pytest.fixture(scope="module", autouse=True)
def imports_are_no_garbage() -> None:
    """Python looks no more at what is imported; looking took a third of a small training, which ends with a look."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow or scripts, too")
    parser.addoption(
        "--slow-within",
        type=float,
        metavar="MINUTES",
        help="run those alone, in an order of chance that the commit decides, and begin none when the minutes are over",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The time at which --slow-within ends is that of the first process, which hands its options on."""
    minutes = config.getoption("--slow-within")
    if minutes is not None and not hasattr(config.option, "last_begin"):
        config.option.last_begin = time.time() + 60 * minutes


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Wirings by name, so that `-k` can choose them."""
    if argname != "wiring" or not isinstance(val, tuple):
        return None
    return "feeding" if val[1] else str(val[0])


def git(*arguments: str) -> str | None:
    """What git says of this repository; None where there is none."""
    command = ["git", "-C", str(Path(__file__).parents[1]), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Unless asked for, leave out what is slow, and the tests of scripts where none has changed since the commit."""
    if config.getoption("--slow"):
        return
    untouched = git("status", "--porcelain", "--", "scripts", "data") == ""
    late = {"slow": "run with --slow"} | (
        {"scripts": "nothing in scripts/ changed; run with --slow"} if untouched else {}
    )
    reasons = [next((late[mark.name] for mark in item.iter_markers() if mark.name in late), None) for item in items]
    if config.getoption("--slow-within") is not None:
        _keep_in_order_of_chance(config, items, reasons)
        return
    for item, reason in zip(items, reasons, strict=True):
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def _keep_in_order_of_chance(config: pytest.Config, items: list[pytest.Item], reasons: list[str | None]) -> None:
    """Files in another order for each commit, so that in time each has its turn; but no test of many minutes."""
    kept = [item for item, reason in zip(items, reasons, strict=True) if reason and not item.get_closest_marker("long")]
    files = sorted({item.location[0] for item in kept})
    random.Random(git("rev-parse", "HEAD")).shuffle(files)
    kept.sort(key=lambda item: files.index(item.location[0]))
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin nothing when the time of --slow-within is over."""
    if time.time() > getattr(item.config.option, "last_begin", float("inf")):
        pytest.skip("no time left")
