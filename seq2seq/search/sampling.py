"""Sampling of hypotheses, reproducible for each sentence by itself.

A token is drawn as argmax(log p + g) with standard Gumbel noise g for each token (Gumbel 1954; Maddison et al. 2014).
The alternative, inverting the distribution function at one uniform number, depends on thousands of boundaries that move
with the last digits of the probabilities, and so with the batch: with noise of 1e-6 on the log-probabilities, it
changed 4 of 10,000 draws, and Gumbel noise none of 20,000.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.errors import InputError
from seq2seq.search.history import History, StepRecord, nan_error
from seq2seq.search.limits import Limits
from seq2seq.search.penalty import AVERAGE, LengthPenalty
from seq2seq.search.ranking import stable_topk, topk
from seq2seq.search.rules import Rules
from seq2seq.search.stepping import Hypothesis, S, Step, StepFunction
from seq2seq.search.written import Written


@torch.no_grad()
def sample(
    step: StepFunction[S],
    state: S,
    *,
    seeds: Sequence[int],
    count: int = 1,
    bos: int,
    eos: int,
    max_lengths: Sequence[int],
    min_lengths: Sequence[int] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    length_penalty: LengthPenalty = AVERAGE,
    forbidden: Sequence[int] = (),
    rules: Rules | None = None,
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """Return `count` independent samples for each sentence, in the order drawn; some may be equal.

    `rules` apply first. Then log-probabilities are divided by `temperature`; of the tokens only the top_k most probable
    remain (None: all), and of these the fewest most probable ones that together reach the probability top_p (1: all).
    log_prob and score are those of the unchanged model, so they agree with scoring the same pair.

    seeds: one per sentence. Sample j of a sentence depends on its seed, j and the model's answers alone: not on the
    batch, the order in it, `count` or the maximum length (except that this may cut it). state, lengths, forbidden,
    device: as in `beam_search`. Raises InputError for values out of range, Seq2SeqError if the model answers NaN or
    leaves no token to draw.
    """
    _check_sizes(seeds, count, max_lengths)
    if not seeds:
        return []
    if rules is not None and rules.constraints:
        raise ValueError("constraints share out a beam, which sampling has not")
    limits = Limits(
        eos=eos,
        max_lengths=max_lengths,
        min_lengths=min_lengths,
        forbidden=forbidden,
        penalty=length_penalty,
        device=device,
    )
    samples = _Samples(limits, _Noise(seeds, count), _Filter(temperature, top_k, top_p), count, rules or Rules())
    tokens = torch.full((len(seeds), count), bos, device=device)
    state = state.select(torch.zeros_like(tokens))
    while len(tokens) > 0:
        tokens, state = samples.advance(step(tokens, state))
    drawn = samples.history.endings(minimum=count)
    return samples.history.hypotheses([sorted(endings, key=lambda ending: ending.slot) for endings in drawn])


def _check_sizes(seeds: Sequence[int], count: int, max_lengths: Sequence[int]) -> None:
    if len(seeds) != len(max_lengths):
        raise ValueError(f"one seed per sentence: {len(max_lengths)} sentences but {len(seeds)} seeds")
    if count < 1:
        raise InputError(f"the number of samples must be 1 or more, given {count}")
    for seed in seeds:
        if seed < 0:
            raise InputError(f"a seed must be 0 or more, given {seed}")


def check_sampling_options(temperature: float, top_k: int | None, top_p: float) -> None:
    """Raise InputError for a temperature, top_k or top_p out of range."""
    if not 0 < temperature < float("inf"):
        raise InputError(f"the temperature must be above 0 (1 leaves the model as it is), given {temperature}")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k must be 1 or more, given {top_k}; leave it out to draw from all tokens")
    if not 0 < top_p <= 1:
        raise InputError(f"top_p must be above 0 and at most 1 (1 draws from all tokens), given {top_p}")


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter that leaves the tokens which can be drawn, at a temperature."""

    temperature: float
    top_k: int | None
    top_p: float

    def __post_init__(self) -> None:
        check_sampling_options(self.temperature, self.top_k, self.top_p)

    def __call__(
        self, log_probs: Float[Tensor, "sentences samples vocabulary"]
    ) -> Float[Tensor, "sentences samples vocabulary"]:
        """Return the logits to draw from: at the temperature, -inf for what is filtered out.

        top_k applies first, then top_p (Holtzman et al. 2020, section 3.1) to the renormalised rest.
        """
        floor = torch.finfo(log_probs.dtype).min
        below_best = log_probs - log_probs.amax(2, keepdim=True).clamp(min=floor)
        logits = below_best / max(
            self.temperature, 1e-30
        )  # single precision rounds smaller ones to 0, and 0 / 0 is NaN
        if self.top_k is None and self.top_p == 1:
            return logits
        flat = logits.flatten(0, 1)
        values, indices = self._highest(flat)
        probs = values.softmax(1)
        before = probs.cumsum(1) - probs
        if self.top_p < 1:
            values = values.masked_fill(before >= self.top_p, -torch.inf)
        return torch.full_like(flat, -torch.inf).scatter(1, indices, values).view_as(logits)

    def _highest(
        self, logits: Float[Tensor, "rows vocabulary"]
    ) -> tuple[Float[Tensor, "rows highest"], Int[Tensor, "rows highest"]]:
        """Return the top_k logits, falling, and their tokens; of equal ones the lower token comes first."""
        if self.top_k is None:
            return stable_topk(logits, logits.shape[1])[:2]
        values, indices, tied = topk(logits, self.top_k)
        return stable_topk(logits, self.top_k)[:2] if bool(tied.any()) else (values, indices)


class _Noise:
    """One random generator for every sample of every sentence still sampled."""

    def __init__(self, seeds: Sequence[int], count: int) -> None:
        self._generators: list[list[torch.Generator | None]] = [_generators(seed, count) for seed in seeds]

    def keep(self, alive: Sequence[Sequence[int]]) -> None:
        """Drop the generators of samples that are not alive, and the sentences that have none left."""
        together = zip(self._generators, alive, strict=True)
        self._generators = [
            [generator if lives else None for generator, lives in zip(generators, lives_of, strict=True)]
            for generators, lives_of in together
            if any(lives_of)
        ]

    def draw(self, vocabulary: int) -> Float[Tensor, "sentences samples vocabulary"]:
        """Return standard Gumbel noise for every token, on the CPU and in double precision, as its tail needs it."""
        shape = len(self._generators), len(self._generators[0]), vocabulary
        uniform = torch.full(shape, 0.5, dtype=torch.float64)
        for row, generators in enumerate(self._generators):
            for slot, generator in enumerate(generators):
                if generator is not None:
                    uniform[row, slot].uniform_(generator=generator)
        return -(-uniform.log()).log()


def _generators(seed: int, count: int) -> list[torch.Generator | None]:
    """Return a generator for each sample; its seed is hashed, for torch's generator reads only the low 32 bits."""
    digests = [hashlib.sha256(f"{seed}/{number}".encode()).digest() for number in range(count)]
    return [torch.Generator().manual_seed(int.from_bytes(digest[:4], "little")) for digest in digests]


class _Samples:
    """The state of a sampling between two steps.

    A sample stays in its slot; a sentence leaves when all its samples have ended.
    """

    def __init__(self, limits: Limits, noise: _Noise, choice: _Filter, count: int, rules: Rules) -> None:
        device = limits.max_lengths.device
        self.history = History(limits)
        self._limits = limits
        self._noise = noise
        self._filter = choice
        self._sentences = torch.arange(limits.sentences, device=device)
        self._log_probs = torch.zeros(limits.sentences, count, device=device)
        self._slots = torch.arange(count, device=device)
        self._written = Written(rules, limits.eos, limits.sentences, count, device) if rules.any() else None

    def advance(self, answer: Step[S]) -> tuple[Int[Tensor, "kept samples"], S]:
        """Draw a token for each sample; return tokens and state of the sentences that continue."""
        if answer.tokens is not None:
            raise ValueError("sampling draws among all tokens: the noise of a few would depend on how they are padded")
        tokens, log_probs = self._draw(answer.log_probs)
        parents = self._slots.expand_as(tokens)
        record = StepRecord(self._sentences, tokens, parents, log_probs, answer.weights, answer.copied)
        self.history.records.append(record)
        cut = self._limits.max_lengths[self._sentences] == self.history.steps
        live = log_probs.isfinite() & (tokens != self._limits.eos) & ~cut[:, None]
        *alive, broken = torch.cat([live, log_probs.isnan().any(0, keepdim=True)]).tolist()
        if any(broken):
            raise nan_error(self.history.steps)
        going = [row for row, lives in enumerate(alive) if any(lives)]
        if not going:
            return tokens[:0], answer.state
        self._noise.keep(alive)
        rows = torch.tensor(going, device=tokens.device)
        self._sentences = self._sentences[rows]
        if self._written is not None:
            self._written.follow(rows, parents[rows], tokens[rows])
        self._log_probs = log_probs.masked_fill(~live, -torch.inf)[rows]
        return tokens[rows], answer.state if len(going) == len(alive) else answer.state.keep(rows)

    def _draw(
        self, log_probs: Float[Tensor, "sentences samples vocabulary"]
    ) -> tuple[Int[Tensor, "sentences samples"], Float[Tensor, "sentences samples"]]:
        """Return a token for each sample and the sample's log_prob so far, -inf where no token could be drawn."""
        wide = torch.promote_types(log_probs.dtype, torch.float32)
        logits = log_probs.to(wide, copy=True, memory_format=torch.contiguous_format)
        owners = torch.arange(len(logits), device=logits.device).repeat_interleave(logits.shape[1])
        self._limits.forbid(logits.flatten(0, 1), owners, self._sentences, self.history.steps)
        if self._written is not None:
            slots = torch.arange(logits.shape[0] * logits.shape[1], device=logits.device)
            self._written.apply(logits.flatten(0, 1), log_probs.flatten(0, 1).to(wide), slots)
        logits = self._filter(logits)
        tokens = (logits + self._noise.draw(logits.shape[2]).to(logits)).argmax(2, keepdim=True)
        drawn = log_probs.gather(2, tokens).masked_fill(logits.gather(2, tokens) == -torch.inf, -torch.inf)
        return tokens.squeeze(2), self._log_probs + drawn.squeeze(2)
