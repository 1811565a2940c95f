"""How a search comes to a translation: the search itself, recorded, with attention that the caller may edit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seq2seq.bounds import LARGEST_EDITS, LARGEST_TOP
from seq2seq.checkpoint.model import LoadedModel
from seq2seq.errors import InputError, WrongType, short_repr
from seq2seq.nn.decoder import DecoderState
from seq2seq.nn.model import Seq2Seq
from seq2seq.nn.narrow_output import NarrowState
from seq2seq.nn.override import EVERY_STEP, Override, StepWeights
from seq2seq.search.beam import beam_search
from seq2seq.search.ensemble import EnsembleState
from seq2seq.search.recorder import Choice, Node, Recorder, read_choice
from seq2seq.search.shortlist import Shortlist
from seq2seq.search.stepping import StepFunction
from seq2seq.text.arguments import check_choice, check_integer, check_number, check_sentence, iter_items
from seq2seq.text.special_tokens import BOS, EOS, PAD
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.translation.explanation import (
    AttentionEdit,
    BeamNode,
    ExplainedStep,
    Explanation,
    PieceChoice,
)
from seq2seq.translation.forcing import evaluation_mode
from seq2seq.translation.options import SearchOptions
from seq2seq.translation.prefix import Prefix
from seq2seq.translation.steering import search_arguments, steered_tokens
from seq2seq.translation.stepping import first_step, outcome
from seq2seq.translation.translation import Source, read_sources, write_translation

STATES = ("following", "fixed")
ROUNDING = 1e-5  # a sum of weights this near to 1 is that of a model's own
Edits = Mapping[int, StepWeights]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained: the arguments of `Translator.explain`, as they were given."""

    text: str
    prefix: str
    pieces: Iterable[str]
    edits: Iterable[AttentionEdit]
    state: str
    n_best: int | None
    top: int
    tree: bool


def explain(
    models: Sequence[LoadedModel],
    networks: Sequence[Seq2Seq],
    shortlists: Sequence[Shortlist],
    question: Question,
    settings: SearchOptions,
) -> Explanation:
    """Return the explanation of a translation; networks: those of the models, in the precision of the settings."""
    n_best = settings.slots if question.n_best is None else question.n_best
    settings.check_nbest(n_best)
    check_choice("state", question.state, STATES)
    top = check_integer("top", question.top, 1, LARGEST_TOP)
    tokenizers = models[0].tokenizers
    forced = read_pieces(tokenizers.target, question.pieces)
    source = _read_source(models, question, settings, forced)
    asked = replace(source, prefix=Prefix("", forced, [])) if forced else source  # as pieces, which no text can spell
    arguments = search_arguments([asked], settings, models)
    given = list(iter_items(question.edits, "edits: an iterable of AttentionEdit"))
    edits = read_edits(given, len(source.ids) + 1, arguments["max_lengths"][0])
    device = next(networks[0].parameters()).device
    fixed, recorder = question.state == "fixed", Recorder(top, question.tree)
    with evaluation_mode([loaded.model for loaded in models]), evaluation_mode(networks):
        step, start = first_step(networks, [source.ids], shortlists, device, steered_tokens([asked]))
        following = start if fixed or not edits else _override(networks, start, edits, False)
        (found,) = beam_search(
            step,
            following,
            sentences=1,
            beam_size=settings.slots,
            nbest=n_best,
            device=device,
            recorder=recorder,
            **arguments,
        )
        winner = [*found[0].tokens, *([EOS] if found[0].finished else [])]
        choices, weights = recorder.choices(winner), found[0].weights[:, : len(source.ids) + 1].clone()
        if fixed and edits:
            _read_aside(step, _override(networks, start, edits, True), device, winner, edits, top, choices, weights)
    nbest = [write_translation(tokenizers, source, outcome(each)) for each in found]
    pieces, architectures = tokenizers.target.pieces, [network.architecture for network in networks]
    return Explanation(
        translation=nbest[0],
        nbest=nbest,
        attention=weights.numpy(),
        steps=[_explained(choice, pieces) for choice in choices],
        tree=[_beam_node(node, pieces) for node in recorder.tree(winner)] if question.tree else [],
        edits=given,
        state=question.state,
        forced=len(asked.prefix.ids),
        beam=settings.slots,
        model=_join(loaded.directory.name for loaded in models),
        score=_join(each.score for each in architectures),
        wiring=_join(each.wiring for each in architectures),
        input_feeding=any(each.input_feeding for each in architectures),
    )


def _read_source(
    models: Sequence[LoadedModel], question: Question, settings: SearchOptions, forced: Sequence[int]
) -> Source:
    """Return the text as the models read it, with its prefix."""
    text, prefix = check_sentence(question.text, "text"), check_sentence(question.prefix, "prefix")
    if not text.strip():
        raise InputError("the text is blank: there is nothing to explain")
    if settings.prefixes is not None:
        raise WrongType("unknown option 'prefixes'; explain reads one text, which begins as `prefix` says")
    if prefix.strip() and forced:
        raise InputError("prefix and pieces both say how the translation begins; give one of them")
    (source,) = read_sources(models, [text], replace(settings, prefixes=(prefix,) if prefix.strip() else None))
    return source


def read_pieces(tokenizer: Tokenizer, pieces: Iterable[str]) -> list[int]:
    """Return the ids of pieces as the vocabulary writes them. Raises InputError for one that it lacks.

    The end is allowed as the last; padding and the beginning are not.
    """
    if isinstance(pieces, str):
        raise WrongType(f"pieces: a list of pieces is needed, not the string {short_repr(pieces)}")
    given = list(iter_items(pieces, "pieces: an iterable of strings"))
    if not given:
        return []
    known, ids = {piece: id_ for id_, piece in reversed(list(enumerate(tokenizer.pieces)))}, list[int]()
    for place, piece in enumerate(given):
        if not isinstance(piece, str):
            raise WrongType(f"piece {place}: {short_repr(piece)} is no string")
        if piece not in known:
            raise InputError(
                f"piece {place}: {short_repr(piece)} is no piece of the target vocabulary; {_hint(piece, known)}"
            )
        ids.append(known[piece])
        if ids[-1] in (PAD, BOS) or (ids[-1] == EOS and place < len(given) - 1):
            raise InputError(f"piece {place}: {piece!r} cannot stand within a translation; leave it out")
    return ids


def _hint(piece: str, known: Mapping[str, int]) -> str:
    spaced = f"▁{piece}"
    return f"did you mean {spaced!r}?" if spaced in known else "pieces are strings of Translation.pieces, as they are"


def read_edits(edits: Sequence[AttentionEdit], width: int, longest: int) -> dict[int, StepWeights]:
    """Return what the edits come to at each step; width: the number of source pieces, with the end.

    Masks of a step add up with those of every step, and weights lose what is masked. longest: the most target pieces.
    Raises InputError for values out of range, for two weights of a step, and where nothing is left to look at.
    """
    if len(edits) > LARGEST_EDITS:
        raise InputError(f"{len(edits):,} edits are too many; {LARGEST_EDITS:,} at most")
    weights, masks = dict[int, list[float]](), dict[int, set[int]]()
    for number, edit in enumerate(edits, start=1):
        place = f"edit {number}"
        if not isinstance(edit, AttentionEdit):
            raise WrongType(f"{place}: an AttentionEdit is needed, given {short_repr(edit)}")
        step = check_integer(f"{place}: step", edit.step, EVERY_STEP, longest - 1)
        if edit.weights is None and edit.mask is None:
            raise InputError(f"{place}: it has neither weights nor a mask; give one of them")
        if edit.weights is not None:
            if step == EVERY_STEP:
                raise InputError(f"{place}: step -1 is every step, and takes a mask alone")
            if step in weights:
                raise InputError(f"{place}: step {step} has weights already; give them once")
            weights[step] = _read_weights(edit.weights, width, place)
        if edit.mask is not None:
            masks[step] = masks.get(step, set()) | _read_mask(edit.mask, width, place)
    everywhere = masks.get(EVERY_STEP, set())
    found = dict[int, StepWeights]()
    for step in sorted({*weights, *masks}):
        without = sorted(masks.get(step, set()) | everywhere)
        if len(without) == width:
            raise InputError(f"{_step_name(step)}: the masks leave no source piece to look at; leave one of {width}")
        found[step] = StepWeights(_normalised(weights[step], without, step) if step in weights else None, without)
    return found


def _read_weights(weights: Any, width: int, place: str) -> list[float]:
    found = [check_number(f"{place}: a weight", each) for each in iter_items(weights, f"{place}: weights: a list")]
    if len(found) != width:
        raise InputError(f"{place}: {len(found)} weights, but the source has {width} pieces, with the end")
    if wrong := next((each for each in found if not 0 <= each < math.inf), None):
        raise InputError(f"{place}: a weight must be 0 or more, and finite, given {wrong}")
    return found


def _read_mask(mask: Any, width: int, place: str) -> set[int]:
    items = iter_items(mask, f"{place}: mask: a list")
    return {check_integer(f"{place}: a number of a source piece", each, 0, width - 1) for each in items}


def _normalised(weights: Sequence[float], without: Sequence[int], step: int) -> list[float]:
    """Return weights that add up to 1, without what is masked; those that do already are not changed."""
    left = [0.0 if place in without else weight for place, weight in enumerate(weights)]
    largest = max(left)
    if largest == 0:
        raise InputError(f"{_step_name(step)}: all weights are 0; one must be above it, where nothing masks it")
    total = sum(left)
    if abs(total - 1) <= ROUNDING:
        return left
    scaled = [weight / largest for weight in left]  # which keeps the sum finite
    return [weight / sum(scaled) for weight in scaled]


def _step_name(step: int) -> str:
    return "every step" if step == EVERY_STEP else f"step {step}"


def _override(
    networks: Sequence[Seq2Seq], start: EnsembleState[Any], edits: Edits, outputs_alone: bool
) -> EnsembleState[Any]:
    """Return the state before the first token with the edits, for each network of an ensemble."""

    def change(network: Seq2Seq, state: DecoderState) -> DecoderState:
        return network.with_override(state, Override.of([edits], state.memory.mask, outputs_alone))

    found: list[Any] = []
    for network, state in zip(networks, start.states, strict=True):
        if isinstance(state, NarrowState):
            found.append(replace(state, state=change(network, state.state)))
        else:
            found.append(change(network, state))
    return EnsembleState(tuple(found))


def _read_aside(
    step: StepFunction[Any],
    state: Any,
    device: torch.device,
    tokens: Sequence[int],
    edits: Edits,
    top: int,
    choices: list[Choice],
    weights: Tensor,
) -> None:
    """Put into choices and weights what the edited steps would say beside a translation that stays as it is."""
    last = BOS
    for number, token in enumerate(tokens):
        answer = step(torch.full((1, 1), last, device=device), state)
        if number in edits or EVERY_STEP in edits:
            columns = None if answer.tokens is None else answer.tokens[0]
            choices[number] = read_choice(answer.log_probs.flatten(), token, columns, top)
            weights[number] = answer.weights[0, 0, : weights.shape[1]].to(weights)
        last, state = token, answer.state


def _explained(choice: Choice, pieces: Sequence[str]) -> ExplainedStep:
    best = [PieceChoice(pieces[token], log_prob) for token, log_prob in choice.best]
    return ExplainedStep(pieces[choice.token], choice.log_prob, choice.rank, best)


def _beam_node(node: Node, pieces: Sequence[str]) -> BeamNode:
    piece = "" if node.parent is None else pieces[node.token]
    return BeamNode(node.id, node.parent, node.step, piece, node.log_prob, node.score, node.fate)


def _join(names: Iterable[str]) -> str:
    """Return the different names of an ensemble's members, as one."""
    return " + ".join(dict.fromkeys(names))
