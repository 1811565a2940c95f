"""Shape annotations of the tensor code are enforced while testing, and only then; slow tests run when asked for."""

from collections.abc import Iterator

import pytest
from jaxtyping import config as shapes
from jaxtyping import install_import_hook

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Wirings by name, so that `-k` can choose them."""
    if argname != "wiring" or not isinstance(val, tuple):
        return None
    return "feeding" if val[1] else str(val[0])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))
