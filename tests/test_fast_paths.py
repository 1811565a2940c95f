"""What is written for speed gives the numbers and the gradients of the plain way."""

import gc
import itertools
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator

import pytest
import torch
from mechanisms import CELLS, SOURCE_VOCABULARY, TARGET_VOCABULARY, WIRINGS, mark_slow, perturb, random_ids, tiny_model
from torch import Tensor

from seq2seq.batching import make_batch
from seq2seq.nn import kernels
from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.kernels import vocabulary
from seq2seq.nn.kernels.additive_energies import additive_energies
from seq2seq.nn.kernels.allocator import KERNELS, tune_memory
from seq2seq.nn.kernels.loop_gradients import (
    Repeatable,
    compare,
    plain,
    repeat_keys,
    repeat_values,
    weighted_sum,
)
from seq2seq.nn.kernels.vocabulary import token_log_probs
from seq2seq.nn.recurrent import RecurrentLayer


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).requires_grad_()


def gradients(outputs: list[Tensor], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Of a sum in which every output counts differently, once of each input."""
    total = sum((output * torch.arange(1, output.numel() + 1).view(output.shape)).sin().sum() for output in outputs)
    assert isinstance(total, Tensor)
    return torch.autograd.grad(total, inputs)


@pytest.mark.parametrize("scale", [1.0, 30.0])  # of numbers whose exp is in range, and beyond
@pytest.mark.parametrize("block", [1, 50, 300, 1 << 18])  # one query, two of five, all of two sentences of three, all
def test_additive_energies_equal_the_formula(block: int, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kernels.additive_energies.BLOCK, "cpu", block)
    query, keys, v = numbers(3, 5, 7, seed=1, scale=scale), numbers(3, 3, 7, seed=2, scale=scale), numbers(7, seed=3)
    plain = torch.tanh(query[:, :, None] + keys[:, None]) @ v
    ours = additive_energies(query, keys, v)
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)
    wanted, found = gradients([plain], [query, keys, v]), gradients([ours], [query, keys, v])
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("batch", "target"), [(2, 0), (0, 3)])
def test_additive_energies_of_nothing(batch: int, target: int) -> None:
    query, keys, v = numbers(batch, target, 7), numbers(batch, 3, 7), numbers(7)
    energies = additive_energies(query, keys, v)
    assert energies.shape == (batch, target, 3)
    assert [float(gradient.sum()) for gradient in gradients([energies], [query, keys, v])] == [0.0] * 3


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_additive_gradients_numerically(scale: float) -> None:
    query, keys, v = numbers(2, 3, 5, seed=1, scale=scale), numbers(2, 7, 5, seed=2, scale=scale), numbers(5, seed=3)
    assert torch.autograd.gradcheck(additive_energies, (query, keys, v))
    assert torch.autograd.gradcheck(lambda q, k, v: additive_energies(q, repeat_keys(k, 1), v), (query, keys, v))


@pytest.mark.parametrize("opposite", [3.0, 43.0, 45.0, 1000.0])
def test_a_query_and_a_key_that_cancel(opposite: float) -> None:
    query, keys = torch.full((1, 1, 3), opposite), torch.full((1, 2, 3), 0.25 - opposite)
    energies = additive_energies(query, keys, torch.ones(3))
    torch.testing.assert_close(energies, torch.full((1, 1, 2), 3 * torch.tanh(query + keys)[0, 0, 0].item()))


MEMORY = """
import resource, sys, torch
from seq2seq.nn.kernels.additive_energies import additive_energies
torch.set_num_threads(1)
query, keys, v = torch.randn(64, 100, 512), torch.randn(64, 100, 512), torch.randn(512)
wish = torch.randn(64, 100, 100)
inputs = [part.requires_grad_() for part in (query, keys, v)]
additive_energies(*(part.detach()[:1].clone().requires_grad_() for part in inputs[:2]), v.detach()).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
additive_energies(*inputs).backward(wish)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024))
some = [value.detach()[:3].double().requires_grad_() for value in inputs[:2]]
(torch.tanh(some[0][:, :, None] + some[1][:, None]) @ v.detach().double()).backward(wish[:3].double())
for value, exact in zip(inputs, some):
    error = (value.grad[:3] - exact.grad).abs().max() / exact.grad.abs().max()
    assert error < 1e-5, error
"""


@pytest.mark.slow
def test_memory_of_additive_attention_stays_below_an_eighth() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * 100 * 100 * 512 * 4 / 8


Repeat = Callable[[Tensor, int], Repeatable]


def loop(keys_of: Repeat, values_of: Repeat, steps: int) -> Callable[[Tensor, Tensor, Tensor], list[Tensor]]:
    """Three steps of attention, prepared for `steps`; keys and values are also used as they are."""

    def run(hidden: Tensor, keys: Tensor, values: Tensor) -> list[Tensor]:
        repeated, summed = keys_of(keys, steps), values_of(values, steps)
        for _ in range(3):
            hidden = weighted_sum(compare(hidden, repeated).softmax(-1), summed)
        return [hidden, hidden @ plain(repeated).transpose(1, 2), plain(summed).sin()]

    return run


@pytest.mark.parametrize("steps", [1, 3, 5])  # more find room as well, and what fewer leave counts nothing
def test_repeated_tensors_have_autograds_gradients(steps: int) -> None:
    inputs = [numbers(2, 1, 5, seed=1), numbers(2, 7, 5, seed=2), numbers(2, 7, 5, seed=3)]
    wanted = gradients(loop(lambda tensor, _: tensor, lambda tensor, _: tensor, 3)(*inputs), inputs)
    torch.testing.assert_close(gradients(loop(repeat_keys, repeat_values, steps)(*inputs), inputs), wanted)


def test_the_gradient_of_a_repeated_tensor_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values, hidden, seen = numbers(3, 5, 5, seed=2), numbers(3, 2, 5, seed=1), list[torch.Size]()
    product = Tensor.__matmul__

    def watched(left: Tensor, right: Tensor) -> Tensor:
        seen.append(left.shape)
        return product(left, right)

    repeated = repeat_values(values, 3)
    for _ in range(3):
        hidden = weighted_sum(hidden, repeated).tanh()
    monkeypatch.setattr(Tensor, "__matmul__", watched)
    torch.autograd.grad(hidden.sum(), values)
    assert seen.count(torch.Size([3, 5, 6])) == 1  # all rows of the three steps together
    assert torch.Size([3, 5, 2]) not in seen


@pytest.mark.parametrize("score", ["additive", "multiplicative"])
@pytest.mark.parametrize("wiring", [("bahdanau", False), ("luong", True)])
def test_a_gradient_of_little_leaves_nothing_for_the_next(score: str, wiring: tuple[str, bool]) -> None:
    """A backward pass that asks for few gradients does not come to all that gathers them, and the graph stays."""
    model = perturb(tiny_model(score, wiring, "lstm"))
    batch = make_batch(random_ids([4, 6], SOURCE_VOCABULARY, 1), random_ids([5, 3], TARGET_VOCABULARY, 2))
    parameters = [part for name, part in model.named_parameters() if ".rnn.bias_hh" not in name]
    wanted = torch.autograd.grad(model(*batch.tensors(), 0.1, 0.0).total, parameters)
    total = model(*batch.tensors(), 0.1, 0.0).total
    torch.autograd.grad(total, [model.target_embedding.weight], retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(total, parameters), wanted)


def test_large_keys_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that exp would carry out of float32, too."""
    asked, exponential = list[torch.Size](), kernels.additive_energies._exponential

    def watched(values: Tensor) -> Tensor | None:
        asked.append(values.shape)
        return exponential(values)

    monkeypatch.setattr(kernels.additive_energies, "_exponential", watched)
    keys, query, v = repeat_keys(numbers(2, 3, 4, scale=1000.0), 3), numbers(2, 1, 4), numbers(4)
    for _ in range(3):
        additive_energies(query, keys, v)
    assert asked.count(plain(keys).shape) == 1


def test_no_gradient_no_node() -> None:
    wanted, unwanted = numbers(2, 3, 4), torch.ones(2, 3, 4)
    with torch.no_grad():
        assert repeat_keys(wanted, 2) is wanted
    assert repeat_values(unwanted, 2) is unwanted


@pytest.mark.parametrize("grad", [True, False])
def test_log_probs_in_pieces_equal_the_plain_ones(grad: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "BLOCK", 2 * 11)  # two of five rows
    layer, outputs = torch.nn.Linear(3, 11).double(), numbers(1, 5, 3)
    torch.nn.init.normal_(layer.bias)
    wanted = layer(outputs).log_softmax(-1)
    with torch.set_grad_enabled(grad):
        found = token_log_probs(layer, outputs)
    torch.testing.assert_close(found.detach(), wanted.detach())
    assert found.requires_grad == grad
    with torch.set_grad_enabled(grad):
        assert token_log_probs(layer, outputs[:0]).shape == (0, 5, 11)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_equals_torchs(cell: str) -> None:
    layer = RecurrentLayer(cell, 3, 5).double()
    inputs, state = numbers(2, 7, 3, seed=1), [numbers(2, 5, seed=2 + part) for part in range(layer.state_count)]
    ours, last = layer.sequence(inputs, tuple(state))
    plain, end = layer._torch_sequence(inputs, tuple(state))
    torch.testing.assert_close([ours, *last], [plain, *end])
    everything = [inputs, *state, *layer.parameters()]
    wanted = gradients([plain, *end], everything)
    torch.testing.assert_close(gradients([ours, *last], everything), wanted)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("late_dim", [2, 3])  # the rest, or all, of the inputs
def test_a_loop_equals_torchs_cell(cell: str, late_dim: int) -> None:
    layer = RecurrentLayer(cell, 3, 5).double()
    inputs, first = numbers(2, 7, 3, seed=1), [numbers(2, 5, seed=2 + part) for part in range(layer.state_count)]
    ours, plain = tuple(first), tuple(first)
    known = inputs[:, :, : 3 - late_dim]
    steps = layer.loop(known)
    outputs, wanted = [], []
    for position in range(7):
        ours = steps.step(inputs[:, position, 3 - late_dim :], ours)
        plain = layer.step(inputs[:, position], plain)
        outputs.append(ours[0])
        wanted.append(plain[0])
    torch.testing.assert_close([*outputs, *ours], [*wanted, *plain])
    everything = [inputs, *first, *layer.parameters()]
    exact = gradients([*wanted, *plain], everything)
    torch.testing.assert_close(gradients([*outputs, *ours], everything), exact)


@pytest.fixture
def poisoned() -> Iterator[None]:
    """New memory holds NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("asked", [4, 2])  # the last step that there was, and one that others followed
@pytest.mark.parametrize("cell", CELLS)
def test_a_loop_of_which_only_a_step_is_asked(cell: str, asked: int) -> None:
    layer = RecurrentLayer(cell, 3, 5).double()
    inputs, first = numbers(2, 7, 3, seed=1), tuple(numbers(2, 5, seed=2 + part) for part in range(layer.state_count))
    ours, plain, steps = [first], [first], layer.loop(inputs[:, :, :1])
    for position in range(4):
        ours.append(steps.step(inputs[:, position, 1:], ours[-1]))
        plain.append(layer.step(inputs[:, position], plain[-1]))
    everything = [inputs, *first, *layer.parameters()]
    wanted = gradients([plain[asked][0]], everything)
    torch.testing.assert_close(gradients([ours[asked][0]], everything), wanted)


@pytest.mark.parametrize("cell", CELLS)
def test_what_a_loop_recorded_goes_with_its_last_output(cell: str) -> None:
    """Not only when Python looks for cycles: it is the most of a step's memory."""
    layer, record = RecurrentLayer(cell, 3, 5).double(), []

    def run() -> None:
        loop = layer.loop(numbers(2, 7, 1))
        loop.step(numbers(2, 2), tuple(numbers(2, 5) for _ in range(layer.state_count)))[0].sum().backward()
        record.append(weakref.ref(loop._steps.factors))

    gc.disable()
    try:
        run()
        assert record[0]() is None
    finally:
        gc.enable()


def test_a_gradient_that_comes_back_is_not_written_over() -> None:
    """Autograd may hand the same tensor to another node."""
    layer, state = RecurrentLayer("lstm", 3, 5).double(), (numbers(2, 5, seed=1), numbers(2, 5, seed=2))
    ends = (
        layer.sequence(numbers(2, 7, 3), state)[1][1],
        layer.loop(numbers(2, 7, 0)).step(numbers(2, 3), state)[1],
    )
    for end in ends:
        given = torch.ones_like(end)
        torch.autograd.grad(end, state, given)
        assert (given == 1).all()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_dropout_falls_on_every_layer_and_position(wiring: tuple[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every normalised output of a step of search were multiplied by what training has drawn for it."""
    model = tiny_model("additive", wiring, decoder_layers=2, residual=True, dropout_layer=0.3).double().eval()
    source, target, drawn = torch.tensor([[5, 6, 7]]), torch.tensor([[1, 8, 9, 10]]), list[Tensor]()
    factors = SequenceDropout._factors

    def noted(dropout: SequenceDropout, like: Tensor, shape: tuple[int, int, int]) -> Tensor:
        drawn.append(factors(dropout, like, shape))
        return drawn[-1]

    monkeypatch.setattr(SequenceDropout, "_factors", noted)
    torch.manual_seed(1)
    state = model.start(source, torch.tensor([3]))
    forced = model.decoder.train()(model.target_embedding(target), state)
    assert [part.shape for part in drawn] == [(1, 4, 11)] * 2
    model.eval()
    for position, column in enumerate(target.split(1, dim=1)):
        for norm, part in zip(model.decoder.norms, drawn, strict=True):
            norm.register_forward_hook(lambda _, given, out, noise=part[:, position]: given[0] * noise)
        output = model.decoder.step(model.target_embedding(column[:, 0]), state, Slots(len(column), 1))
        state = output.state
        torch.testing.assert_close(output.outputs, forced.outputs[:, position : position + 1])


@pytest.mark.parametrize(
    ("mechanism", "wiring", "cell"),
    mark_slow(itertools.product(["additive", "multiplicative", "coverage", "monotonic", "heads"], WIRINGS, CELLS)),
)
def test_training_has_the_gradients_of_the_steps_of_search(mechanism: str, wiring: tuple[str, bool], cell: str) -> None:
    model = tiny_model(mechanism, wiring, cell, decoder_layers=2).double().eval()
    batch = make_batch(
        random_ids([1, 9, 4], SOURCE_VOCABULARY, seed=5), random_ids([6, 1, 3], TARGET_VOCABULARY, seed=6)
    )
    forced = model.force(batch.source, batch.source_lengths, batch.target_input)
    state, steps = model.start(batch.source, batch.source_lengths), []
    for column in batch.target_input.split(1, dim=1):
        output = model.decoder.step(model.target_embedding(column[:, 0]), state, Slots(len(column), 1))
        state = output.state
        steps.append(output)
    plain = [torch.cat([step.outputs for step in steps], 1), torch.cat([step.weights for step in steps], 1)]
    torch.testing.assert_close([forced.outputs, forced.weights], plain)
    used = [parameter for name, parameter in model.named_parameters() if not name.startswith("output_layer")]
    wanted = gradients(plain, used)
    torch.testing.assert_close(gradients([forced.outputs, forced.weights], used), wanted)


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.999])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    torch.manual_seed(1)
    factors = SequenceDropout(rate, variational=False).train()(torch.ones(40, 50, 103))
    kept = factors[factors != 0]
    assert len(kept) / factors.numel() == pytest.approx(1 - rate, abs=4 * (rate * (1 - rate) / factors.numel()) ** 0.5)
    assert kept.unique().tolist() == pytest.approx([1 / (1 - rate)], rel=1e-2 if rate > 0.9 else 1e-4)


def test_dropout_of_nearly_all_keeps_a_little() -> None:
    """Of 2**16 values one: no rate below 1 is rounded to it."""
    torch.manual_seed(1)
    factors = SequenceDropout(1 - 1e-7, variational=False).train()(torch.ones(100, 50, 100))
    assert 0 < (factors != 0).sum() < 40
    assert set(factors.unique().tolist()) == {0.0, 2.0**16}


@pytest.mark.parametrize("said", [None, "512"])
def test_onednn_is_told_how_many_kernels_to_remember_where_nobody_said(
    said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, said or "")
    if said is None:
        monkeypatch.delenv(name)
    tune_memory()
    assert os.environ[name] == (said or str(KERNELS))
