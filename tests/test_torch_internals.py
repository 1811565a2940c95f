"""What torch does not promise is named in one file, and all that rests on it falls back or is refused without it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mechanisms import SOURCE_VOCABULARY, TARGET_VOCABULARY, random_ids, tiny_model
from test_translator import close, pair, sentences, tiny  # noqa: F401  # pair is a fixture

from seq2seq import InputError, Seq2SeqError, Translator
from seq2seq.batching import make_batch
from seq2seq.nn.kernels import products, torch_internals
from seq2seq.text.tokenizer import TokenizerPair

PACKAGE = Path(__file__).parents[1] / "seq2seq"
PROBES = ("has_product_precision", "has_packed_products", "has_int8_products")


@pytest.fixture(autouse=True)
def probed_anew() -> Iterator[None]:
    def forget() -> None:
        for probe in (*(getattr(torch_internals, name) for name in PROBES), products.onednn_is_better):
            probe.cache_clear()

    forget()
    yield
    forget()


UNPROMISED = ("_version", "_backward_cls", "data_ptr", "grad_fn", "fp32_precision")  # of tensors, nodes and settings


def private_names(tree: ast.Module) -> list[str]:
    """Attributes of torch, or of a tensor, that its public interface does not promise."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            parts = dotted.split(".")
            private = any(part.startswith("_") and not part.startswith("__") for part in parts[1:])
            operator = dotted.startswith("torch.ops.")
            if (parts[0] == "torch" and private) or operator or node.attr in UNPROMISED:
                found.append(dotted)
    return found


def test_private_names_of_torch_are_in_one_file() -> None:
    code = "torch._C._f()\nx.grad_fn\ntorch.ops.aten.mm\ntorch.nn.Linear(a._b)\ntorch.__version__"
    assert {name.rpartition(".")[2] for name in private_names(ast.parse(code))} == {"_C", "_f", "grad_fn", "aten", "mm"}
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if private_names(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {"nn/kernels/torch_internals.py"}


def test_every_probe_says_yes_to_the_torch_that_is_pinned() -> None:
    """Where it has oneDNN, as every build for x86 and ARM processors does."""
    if torch.backends.mkldnn.is_available():
        assert [name for name in PROBES if not getattr(torch_internals, name)()] == []


def missing(*arguments: object) -> torch.Tensor:
    raise AttributeError("no such operator")


def test_without_packed_products_translations_are_the_same(
    pair: TokenizerPair,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, texts = tiny(pair), sentences(4)
    loaded.model.float()
    packed = Translator([loaded]).translate(texts)
    monkeypatch.setattr(torch_internals, "pack", missing)
    torch_internals.has_packed_products.cache_clear()
    assert not torch_internals.has_packed_products()
    assert all(map(close, packed, Translator([loaded]).translate(texts)))


def test_without_int8_products_they_are_refused(
    pair: TokenizerPair,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_internals, "int8_linear", missing)
    torch_internals.has_int8_products.cache_clear()
    with pytest.raises(InputError, match="int8 needs oneDNN"):
        Translator([tiny(pair)]).translate(["a"], int8=True)


def gradients() -> list[torch.Tensor]:
    model = tiny_model("additive", ("luong", True), "lstm")
    batch = make_batch(random_ids([4, 6], SOURCE_VOCABULARY, 1), random_ids([5, 3], TARGET_VOCABULARY, 2))
    return list(torch.autograd.grad(model(*batch.tensors(), 0.1, 0.0).total, [*model.decoder.parameters()]))


def test_without_the_setting_mkl_makes_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})
    monkeypatch.setattr(torch_internals, "_ALLOWED", "a_name_that_torch_lacks")
    monkeypatch.setattr(torch_internals, "allow_bfloat16_products", missing)
    assert not products.onednn_is_better()
    assert gradients()


def test_without_numbers_of_backward_passes_training_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C, "_current_graph_task_id")
    with pytest.raises(Seq2SeqError, match=r"torch \S+ cannot train here: install a version that seq2seq allows"):
        gradients()
