"""The decoder wirings: which state is the query, and where the context goes.

Notation: s is the decoder state, c the context, y the embedded previous target token, and a the attentional state,
which the output layer reads. A decoder computes the same numbers for a whole sequence as step by step, which a test
checks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.nn.architecture import Architecture
from seq2seq.nn.attention import Attention, Memory, Past
from seq2seq.nn.beam_slots import Slots
from seq2seq.nn.dropout import SequenceDropout
from seq2seq.nn.encoder import EncoderOutput
from seq2seq.nn.kernels.loop_gradients import AffineSteps
from seq2seq.nn.kernels.loop_steps import tanh_step
from seq2seq.nn.kernels.products import SequenceLinear
from seq2seq.nn.recurrent import RecurrentLayer, State
from seq2seq.nn.registry import register


@dataclass(frozen=True, slots=True)
class DecoderState:
    """Everything that a decoder carries from step to step.

    Tensors are [sentences, beam, ...]; the memory has no beam axis.
    """

    memory: Memory
    cells: tuple[State, ...]  # per layer: (h,) or (h, c), each [sentences, beam, decoder_dim]
    fed: Float[Tensor, "sentences beam output_dim"] | None  # attentional state of the last step, with input feeding
    past: Past

    def _map(self, change: Callable[[Tensor], Tensor], memory: Memory) -> "DecoderState":
        cells = tuple(tuple(change(part) for part in layer) for layer in self.cells)
        return DecoderState(memory, cells, None if self.fed is None else change(self.fed), self.past.map(change))

    def select(self, parents: Int[Tensor, "sentences beam"]) -> "DecoderState":
        """Return the state reordered within each sentence: new slot k continues old slot parents[:, k]."""
        slots = self.cells[0][0].shape[1]
        first = torch.arange(parents.shape[0], device=parents.device)[:, None] * slots
        rows, shape = (first + parents).flatten(), parents.shape
        # index_select copies a row at a time, where indexing by two tensors goes number by number.
        return self._map(
            lambda part: part.flatten(0, 1).index_select(0, rows).view(*shape, *part.shape[2:]), self.memory
        )

    def keep(self, sentences: Int[Tensor, " kept"]) -> "DecoderState":
        """Return the state of the sentences with these row numbers alone."""
        return self._map(lambda part: part.index_select(0, sentences), self.memory.select(sentences))


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """The vectors that the output layer reads, the attention weights, and the state for the next step."""

    outputs: Float[Tensor, "batch target output_dim"]
    weights: Float[Tensor, "batch target source"]
    state: DecoderState
    gate: Float[Tensor, "batch target 1"] | None = None  # logit of g, with which pieces are copied (copying.py)


Noise = list[Tensor | None]  # dropout factors [batch, target, dim] per layer, drawn before the loop


class Decoder(nn.Module, ABC):
    """The base of all wirings: recurrent layers, an attention, and the readout a = tanh(W[...]) of output_dim units."""

    name: ClassVar[str]
    no_input_feeding: ClassVar[str] = "which has none"  # why, where there is no such class with input feeding

    def __init__(self, architecture: Architecture, attention: Attention) -> None:
        super().__init__()
        self.attention = attention
        self.dim, self.output_dim = architecture.decoder_dim, architecture.output_dim
        dim, layers = architecture.decoder_dim, architecture.decoder_layers
        sizes = [architecture.embedding_dim + self.extra_input(architecture)] + [dim] * (layers - 1)
        self.layers = nn.ModuleList(RecurrentLayer(architecture.cell, size, dim) for size in sizes)
        norm = nn.LayerNorm if architecture.layer_norm else nn.Identity
        self.norms = nn.ModuleList(norm(dim) for _ in range(layers))
        self.residual = architecture.residual
        self.dropout = SequenceDropout(architecture.dropout_layer, architecture.variational)
        self.bridge = nn.Linear(architecture.key_dim, layers * dim)
        self.readout = SequenceLinear(self.readout_input(architecture), self.output_dim)
        gate_input = dim + architecture.key_dim + architecture.embedding_dim
        self.copy_gate = nn.Linear(gate_input, 1) if architecture.copy else None
        self.state_count = RecurrentLayer.states[architecture.cell]

    @classmethod
    def extra_input(cls, architecture: Architecture) -> int:
        """Return the units that the first recurrent layer reads beside y."""
        return 0

    @classmethod
    def readout_input(cls, architecture: Architecture) -> int:
        """Return the units that the readout reads."""
        return architecture.decoder_dim + architecture.key_dim

    def start(self, source: EncoderOutput) -> DecoderState:
        """Return the state before the first token: s_0 = tanh(W h_final) for each layer, and c_0 = 0 for an LSTM.

        Bahdanau et al. (2015), appendix A.2.2, but from both directions' last states.
        """
        memory = self.attention.bind(source.states, source.mask)
        first = self.bridge(source.final).to(self.bridge.weight.dtype)  # later states keep its dtype
        hidden = torch.tanh(first).view(-1, 1, len(self.layers), self.dim)
        rest = [torch.zeros_like(hidden[:, :, 0])] * (self.state_count - 1)
        cells = tuple((hidden[:, :, depth], *rest) for depth in range(len(self.layers)))
        return DecoderState(memory, cells, self.initial_attentional_state(source), self.attention.begin(memory))

    def initial_attentional_state(self, source: EncoderOutput) -> Float[Tensor, "batch 1 output_dim"] | None:
        """Return the attentional state fed back at the first step; None for a wiring without input feeding."""
        return None

    @abstractmethod
    def step(self, embedded: Float[Tensor, "rows input_dim"], state: DecoderState, slots: Slots) -> DecoderOutput:
        """Decode one token of every occupied slot; the output and the new state of an empty slot are zeros."""

    @abstractmethod
    def forward(self, embedded: Float[Tensor, "batch target input_dim"], state: DecoderState) -> DecoderOutput:
        """Decode all positions of known targets (teacher forcing), from a state with one beam slot."""

    def gate(
        self,
        top: Float[Tensor, "*rows dim"],
        context: Float[Tensor, "*rows key_dim"],
        embedded: Float[Tensor, "*rows input_dim"],
    ) -> Float[Tensor, "*rows 1"]:
        """Return the logit of g from the top layer's output, the context and y; only where model.copy is set."""
        assert self.copy_gate is not None
        logit: Tensor = self.copy_gate(torch.cat([top, context, embedded], dim=-1))
        return logit

    def recur(
        self, inputs: Float[Tensor, "rows input"], cells: tuple[State, ...], slots: Slots
    ) -> tuple[Float[Tensor, "rows dim"], tuple[State, ...]]:
        """Run all layers for one step of a search; return the top layer's output and the new states."""
        after: list[State] = []
        for depth, (layer, norm) in enumerate(self.stack()):
            new = layer.step(inputs, tuple(slots.rows(part) for part in cells[depth]))
            outputs = norm(new[0])
            inputs = outputs + inputs if self.residual and depth else outputs
            after.append(tuple(slots.scatter(part) for part in new))
        return inputs, tuple(after)

    def stack(self) -> Iterator[tuple[RecurrentLayer, nn.Module]]:
        """Iterate over the recurrent layers from the bottom up, each with its layer normalisation."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            assert isinstance(layer, RecurrentLayer)  # the type of a ModuleList does not say so
            yield layer, norm

    def loops(self, embedded: Float[Tensor, "batch target input_dim"]) -> "LayerLoops":
        """Return the layers for a training loop; work that does not depend on the loop is done for all positions."""
        noise = [self.dropout.draw(embedded, self.dim) for _ in self.layers]
        return LayerLoops(self, embedded, noise)


class LayerLoops:
    """The recurrent layers in a training loop; each step does what `Decoder.recur` does, with dropout."""

    def __init__(self, decoder: Decoder, embedded: Float[Tensor, "batch target input_dim"], noise: Noise) -> None:
        self._norms = [norm for _, norm in decoder.stack()]
        self._loops = [
            layer.loop(embedded[..., :0] if depth else embedded) for depth, (layer, _) in enumerate(decoder.stack())
        ]
        self._noise = [None if factor is None else factor.unbind(1) for factor in noise]
        self._residual = decoder.residual

    def step(
        self, position: int, extra: Float[Tensor, "batch extra_dim"], cells: tuple[State, ...]
    ) -> tuple[Float[Tensor, "batch dim"], tuple[State, ...]]:
        """Run all layers at one position; return the top layer's output and the new states, each [batch, dim].

        extra: the input of the first layer beside y.
        """
        inputs, after = extra, []
        for depth, (loop, norm, noise) in enumerate(zip(self._loops, self._norms, self._noise, strict=True)):
            after.append(loop.step(inputs, cells[depth]))
            outputs = norm(after[-1][0])
            outputs = outputs if noise is None else outputs * noise[position]
            inputs = outputs + inputs if self._residual and depth else outputs
        return inputs, tuple(after)


DECODERS: dict[tuple[str, bool], type[Decoder]] = {}  # by name, and whether with input feeding
Wiring = TypeVar("Wiring", bound=type[Decoder])


def wiring(name: str, *, input_feeding: bool = False) -> Callable[[Wiring], Wiring]:
    """Register a wiring under the name that configs use; input_feeding: for model.input_feeding = true."""
    table: dict[Any, Any] = DECODERS
    return register(table, "wiring", name, (name, input_feeding))


def decoder_class(architecture: Architecture) -> type[Decoder]:
    """Return the class of the wiring that an architecture names."""
    return DECODERS[architecture.wiring, architecture.input_feeding]


@wiring("bahdanau")
class Bahdanau(Decoder):
    """The query is s_{t-1}; c_t enters the recurrent cell beside y_{t-1}; a_t = tanh(W[s_t; c_t; y_{t-1}]).

    Bahdanau et al. (2015), appendix A.2.2; the readout is a tanh layer where the paper has maxout.
    """

    no_input_feeding: ClassVar[str] = "which always feeds the context back"

    @classmethod
    def extra_input(cls, architecture: Architecture) -> int:
        """Return the units of the context."""
        return architecture.key_dim

    @classmethod
    def readout_input(cls, architecture: Architecture) -> int:
        """Return the units of s_t, c_t and y_{t-1} together."""
        return architecture.decoder_dim + architecture.key_dim + architecture.embedding_dim

    def step(self, embedded: Float[Tensor, "rows input_dim"], state: DecoderState, slots: Slots) -> DecoderOutput:
        """Decode one token of every occupied slot: attend with s_{t-1}, run the layers, read out."""
        attended = self.attention.look(state.cells[-1][0], state.memory, state.past)
        context = slots.rows(attended.context)
        carried = context if attended.carried is None else slots.rows(attended.carried)
        top, cells = self.recur(torch.cat([embedded, carried], dim=-1), state.cells, slots)
        outputs = slots.scatter(torch.tanh(self.readout(torch.cat([top, context, embedded], dim=-1))))
        gate = None if self.copy_gate is None else slots.scatter(self.gate(top, context, embedded))
        return DecoderOutput(outputs, attended.weights, replace(state, cells=cells, past=attended.past), gate)

    def forward(self, embedded: Float[Tensor, "batch target input_dim"], state: DecoderState) -> DecoderOutput:
        """Decode known targets: a loop over attention and cell, then the readout of all positions at once."""
        loops, past, cells = self.loops(embedded), state.past, squeeze_beam(state.cells)
        memory = self.attention.repeat(state.memory, embedded.shape[1])
        tops, contexts, weights = [], [], []
        for position in range(embedded.shape[1]):
            attended = self.attention.look(cells[-1][0][:, None], memory, past)
            top, cells = loops.step(position, attended.context[:, 0], cells)
            past = attended.past
            tops.append(top)
            contexts.append(attended.context)
            weights.append(attended.weights)
        joined = torch.cat([torch.stack(tops, 1), torch.cat(contexts, 1), embedded], dim=-1)
        gate = None if self.copy_gate is None else self.copy_gate(joined)
        state = replace(state, cells=unsqueeze_beam(cells), past=past)
        return DecoderOutput(torch.tanh(self.readout(joined)), torch.cat(weights, 1), state, gate)


@wiring("luong")
class Luong(Decoder):
    """The cell runs first; the query is s_t; a_t = tanh(W[c_t; s_t]). Luong et al. (2015), section 3, equation 5."""

    def join(
        self, context: Float[Tensor, "*rows key_dim"], top: Float[Tensor, "*rows dim"]
    ) -> Float[Tensor, "*rows output_dim"]:
        """Return the attentional state a_t = tanh(W[c_t; s_t])."""
        return torch.tanh(self.readout(torch.cat([context, top], dim=-1)))

    def step(self, embedded: Float[Tensor, "rows input_dim"], state: DecoderState, slots: Slots) -> DecoderOutput:
        """Decode one token of every occupied slot: run the layers, then attend with s_t."""
        top, cells = self.recur(self.first_input(embedded, state, slots), state.cells, slots)
        attended = self.attention.look(slots.scatter(top), state.memory, state.past)
        context = slots.rows(attended.context)
        outputs = slots.scatter(self.join(context, top))
        gate = None if self.copy_gate is None else slots.scatter(self.gate(top, context, embedded))
        fed = None if state.fed is None else outputs
        if fed is not None and attended.carried is not None:
            fed = slots.scatter(self.join(slots.rows(attended.carried), top))
        return DecoderOutput(outputs, attended.weights, DecoderState(state.memory, cells, fed, attended.past), gate)

    def first_input(
        self, embedded: Float[Tensor, "rows input_dim"], state: DecoderState, slots: Slots
    ) -> Float[Tensor, "rows input"]:
        """Return the first layer's input in a step of a search: y."""
        return embedded

    def forward(self, embedded: Float[Tensor, "batch target input_dim"], state: DecoderState) -> DecoderOutput:
        """Decode known targets: no step depends on earlier attention, so each layer runs over all positions at once."""
        inputs, after = embedded, []
        for depth, (layer, norm) in enumerate(self.stack()):
            outputs, last = layer.sequence(inputs, tuple(part[:, 0] for part in state.cells[depth]))
            outputs = self.dropout(norm(outputs))
            inputs = outputs + inputs if self.residual and depth else outputs
            after.append(tuple(part[:, None] for part in last))
        attended = self.attention.read(inputs, state.memory, state.past)
        gate = None if self.copy_gate is None else self.gate(inputs, attended.context, embedded)
        state = replace(state, cells=tuple(after), past=attended.past)
        return DecoderOutput(self.join(attended.context, inputs), attended.weights, state, gate)


@wiring("luong", input_feeding=True)
class LuongInputFeeding(Luong):
    """Luong, and a_{t-1} enters the cell beside y_{t-1}. Luong et al. (2015), section 3.3."""

    @classmethod
    def extra_input(cls, architecture: Architecture) -> int:
        """Return the units of the attentional state."""
        return architecture.output_dim

    def initial_attentional_state(self, source: EncoderOutput) -> Float[Tensor, "batch 1 output_dim"]:
        """Return zeros, because no step has attended yet."""
        return source.final.new_zeros(source.final.shape[0], 1, self.output_dim)

    def first_input(
        self, embedded: Float[Tensor, "rows input_dim"], state: DecoderState, slots: Slots
    ) -> Float[Tensor, "rows input"]:
        """Return the first layer's input in a step of a search: [y; a]."""
        return torch.cat([embedded, slots.rows(self.last_attentional_state(state))], dim=-1)

    def forward(self, embedded: Float[Tensor, "batch target input_dim"], state: DecoderState) -> DecoderOutput:
        """Decode known targets in a loop, because each step needs the attentional state of the one before."""
        loops, past, cells = self.loops(embedded), state.past, squeeze_beam(state.cells)
        memory = self.attention.repeat(state.memory, embedded.shape[1])
        fed = self.last_attentional_state(state)[:, 0]
        readout = AffineSteps(self.readout.weight.t().contiguous(), self.readout.bias, embedded.shape[1])
        outputs, weights, tops, contexts = [], [], [], []
        for position in range(embedded.shape[1]):
            top, cells = loops.step(position, fed, cells)
            attended = self.attention.look(top[:, None], memory, past)
            past = attended.past
            fed = tanh_step(readout, attended.context[:, 0], top)
            outputs.append(fed)
            weights.append(attended.weights)
            if self.copy_gate is not None:
                tops.append(top)
                contexts.append(attended.context)
        state = DecoderState(state.memory, unsqueeze_beam(cells), fed[:, None], past)
        gate = self.gate(torch.stack(tops, 1), torch.cat(contexts, 1), embedded) if tops else None
        return DecoderOutput(torch.stack(outputs, 1), torch.cat(weights, 1), state, gate)

    def last_attentional_state(self, state: DecoderState) -> Float[Tensor, "sentences beam output_dim"]:
        """Return a_{t-1}. Raises ValueError for a state of a wiring without input feeding."""
        if state.fed is None:
            raise ValueError("this decoder state was made by a wiring without input feeding")
        return state.fed


def squeeze_beam(cells: tuple[State, ...]) -> tuple[State, ...]:
    """Return states with one beam slot without the beam axis, as [batch, dim]."""
    return tuple(tuple(part[:, 0] for part in layer) for layer in cells)


def unsqueeze_beam(cells: tuple[State, ...]) -> tuple[State, ...]:
    """Return states [batch, dim] with a beam axis of one slot, as [batch, 1, dim]."""
    return tuple(tuple(part[:, None] for part in layer) for layer in cells)
