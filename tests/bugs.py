"""Bugs that other toolkits shipped, as edits of this package; pitfalls.py puts them in and sees the tests fail."""

# ruff: noqa: E501  # what is replaced is as long as it is

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """One bug. In `file`, under seq2seq/, `old` occurs once and gives way to `new`.

    tests: what must fail. every: all of them must, in each of their parametrisations (as a rule every score, wiring and
    cell); otherwise one is enough. only: pytest's -k, where some parametrisations cannot see the bug.
    """

    pitfall: int
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    every: bool = False
    only: str = ""


ATTENTION, BATCHING, BEAM = (
    "tests/test_attention.py::test_",
    "tests/test_batching.py::test_",
    "tests/test_beam.py::test_",
)
CHECKPOINT, CONFIG, CORPUS = (
    "tests/test_checkpoint.py::test_",
    "tests/test_config.py::test_",
    "tests/test_corpus.py::test_",
)
STATISTICS = "tests/test_statistics.py::test_"
ENSEMBLE, LOSS, METRICS = "tests/test_ensemble.py::test_", "tests/test_loss.py::test_", "tests/test_metrics.py::test_"
MODEL, SAMPLING = "tests/test_model.py::test_", "tests/test_sampling.py::test_"
TRAINING, TRANSLATOR = "tests/test_training.py::test_", "tests/test_translator.py::test_"
ENGINE = "tests/test_engine.py::test_"
CONTINUE, EXTENSION = "tests/test_continue.py::test_", "tests/test_extension.py::test_"
SELECTION = "tests/test_selection.py::test_"
SHORTLIST = "tests/test_shortlist.py::test_"
NEIGHBOURS = "tests/test_neighbours.py::test_"
STEERING = "tests/test_steering.py::test_"
CONSTRAINTS = "tests/test_constraints.py::test_"
PROCESSES, STREAMING = "tests/test_processes.py::test_", "tests/test_streaming.py::test_"

# Over every score, wiring and cell (and shapes of the network, where the name is of test_model.py).
ALONE = (MODEL + "a_sentence_does_not_feel_its_batch",)
STEPS = (MODEL + "a_sequence_equals_its_steps",)
BATCH = (TRANSLATOR + "the_batch_changes_nothing",)
RESCORED = (TRANSLATOR + "every_hypothesis_rescored",)
FORCED = (TRANSLATOR + "forced_loss_is_the_sum_of_the_steps",)
LOSS_OF_TORCH = (LOSS + "equals_torch_in_value_and_gradient",)
LOSSES = (MODEL + "loss_counts_real_positions_only",)
ONE_SHAPE = "not deep and not oneway"
# Over every wiring and cell.
STATES = (MODEL + "every_part_of_the_state_follows_its_hypothesis",)
SWITCHED = (MODEL + "switching_the_score_changes_the_score_alone",)

PLAIN = (BEAM + "equals_the_plain_search",)
BLANK = (TRANSLATOR + "blank_gives_blank_without_the_model",)
RESUMED = (TRAINING + "a_resumed_run_is_the_uninterrupted_run[False]",)
DAMAGE = CHECKPOINT + "damage_is_named"
PERPLEXITY = (TRAINING + "validation_perplexity_is_per_token_and_unsmoothed",)
BLEU_OF_TEXT = (TRAINING + "validation_bleu_is_of_text_and_keeps_its_signature",)
IDLE = (CONFIG + "a_key_that_would_change_nothing_is_refused",)
MODEL_KEYS = (CONFIG + "every_key_of_the_model_changes_the_loss",)
TRAINING_KEYS = CONFIG + "every_key_of_the_training_changes_the_run"

MASKING = [
    Bug(1, "the mask is left out of the normalisation", "nn/normalisation.py",
        'energies.masked_fill(~allowed, float("-inf"))', "energies", ALONE, every=True, only=ONE_SHAPE),
    Bug(1, "the mask is computed and dropped", "nn/normalisation.py",
        'return self.normalise(energies.masked_fill(~allowed, float("-inf")))',
        'energies.masked_fill(~allowed, float("-inf"))\n        return self.normalise(energies)',
        (ATTENTION + "weights_are_zero_on_padding_and_sum_to_one",), every=True),
    Bug(1, "the mask comes after the normalisation, so that the weights do not sum to one", "nn/normalisation.py",
        'return self.normalise(energies.masked_fill(~allowed, float("-inf")))',
        "return self.normalise(energies) * allowed", ALONE, every=True, only=ONE_SHAPE),
    Bug(1, "padding gets a low energy in place of none", "nn/normalisation.py",
        'float("-inf")', "-5.0", (ATTENTION + "weights_are_zero_on_padding_and_sum_to_one", *ALONE), every=True,
        only=f"({ONE_SHAPE}) and not (sparsemax or entmax15)"),
]  # fmt: skip

BATCHES = [
    Bug(2, "energies are scaled by the width of the batch", "nn/normalisation.py",
        "energies.masked_fill(", "(energies / energies.shape[-1] ** 0.5).masked_fill(",
        BATCH, every=True, only="not uniform"),
    Bug(2, "the maximum length is that of the longest sentence in the batch", "translation/steering.py",
        "settings.longest(len(source.ids), len(source.prefix.ids), source.wanted.pieces.total) for source in sources",
        "max(settings.longest(len(source.ids)) for source in sources) for _ in sources", BATCH, every=True),
    Bug(2, "the early exit takes the first sentence's maximum length for all", "search/limits.py",
        "self._largest.to(log_probs)[sentences]", "self._largest.to(log_probs)[:1]",
        (BEAM + "the_early_exit_knows_whose_maximum_length_it_is",)),
    Bug(2, "equal candidates are taken as topk likes", "search/beam.py",
        "if tied := [row for row, ties in enumerate(report[-2]) if ties]:", "if tied := []:", (BEAM + "the_batch_changes_nothing", BEAM + "equal_log_probs_are_taken_in_order")),
    Bug(2, "the state of padded sentences is normalised over the batch", "nn/decoder.py",
        "first = self.bridge(source.final)", "first = self.bridge(source.final - source.final.mean(0))",
        BATCH, every=True),
]  # fmt: skip

ENCODER = [
    Bug(3, "the backward encoder reads the padding before the sentence", "nn/recurrent.py",
        "            reverse = _reversal(mask)[:, :, None]\n"
        "            outputs, _ = self.backwards.sequence(inputs.gather(1, reverse.expand_as(inputs)), first)\n"
        "            sides.append(outputs.gather(1, reverse.expand_as(outputs)))\n"
        "            finals.append(outputs.gather(1, last.expand(-1, 1, self.dim)))\n",
        "            outputs, _ = self.backwards.sequence(inputs.flip(1), first)\n"
        "            sides.append(outputs.flip(1))\n"
        "            finals.append(outputs[:, -1:])\n",
        (*ALONE, MODEL + "a_source_layer_equals_torch_on_packed_sequences"), every=True, only=ONE_SHAPE),
    Bug(3, "NaN in the padding comes back through the gradient", "nn/recurrent.py",
        "inputs = inputs.masked_fill(~mask[:, :, None], 0.0)", "inputs = inputs + 0.0",
        (MODEL + "padding_does_not_leak_through_the_encoder",), every=True, only="nan"),
    Bug(3, "padded states enter the weighted sum", "nn/attention.py",
        "values = states.masked_fill(~mask[:, :, None], 0.0)", "values = states + 0.0",
        (ATTENTION + "padded_states_have_no_influence",), every=True, only="nan and not heads"),
    Bug(3, "padded states enter the weighted sum of several heads", "nn/attention.py",
        "states = states.masked_fill(~mask[:, :, None], 0.0)", "states = states + 0.0",
        (ATTENTION + "padded_states_have_no_influence",), every=True, only="nan and heads"),
    Bug(3, "the mask counts one position too many", "nn/masking.py",
        "torch.arange(width, device=lengths.device) < lengths[:, None]",
        "torch.arange(width, device=lengths.device) <= lengths[:, None]",
        (MODEL + "padding_does_not_leak_through_the_encoder", *ALONE), every=True, only=ONE_SHAPE),
    Bug(4, "the forward final state is read from the last column, padded or not", "nn/recurrent.py",
        "sides, finals = [outputs], [outputs.gather(1, last.expand(-1, 1, self.dim))]",
        "sides, finals = [outputs], [outputs[:, -1:]]",
        (MODEL + "the_initial_state_is_read_from_real_tokens", *ALONE), every=True, only=ONE_SHAPE),
    Bug(4, "the decoder starts from the encoder's last column", "nn/encoder.py",
        "final=final", "final=inputs[:, -1]", (MODEL + "the_initial_state_is_read_from_real_tokens", *ALONE), every=True, only=ONE_SHAPE),
    Bug(4, "the decoder starts from the mean over all columns", "nn/encoder.py",
        "final=final", "final=inputs.mean(1)", (MODEL + "the_initial_state_is_read_from_real_tokens", *ALONE), every=True, only=ONE_SHAPE),
]  # fmt: skip

ORDER = [
    Bug(5, "translations come back in the order of length", "translation/translator.py",
        "answers[source.row] = [",
        "answers[sorted(range(len(sources)), key=lambda row: len(sources[row].ids)).index(source.row)] = [",
        BATCH, every=True),
    Bug(5, "scores come back in the order of length", "translation/translator.py",
        "scores[row] = PairScore(", "scores[order.index(row)] = PairScore(", FORCED, every=True),
    Bug(5, "the backward encoder's outputs stay reversed", "nn/recurrent.py",
        "sides.append(outputs.gather(1, reverse.expand_as(outputs)))", "sides.append(outputs)",
        (MODEL + "each_direction_ends_on_its_own_last_token", MODEL + "a_source_layer_equals_torch_on_packed_sequences"),
        every=True),
    Bug(5, "attention is cut from the batch's width at the wrong end", "translation/translation.py",
        "found.weights[:, : len(source.ids) + 1]", "found.weights[:, -len(source.ids) - 1 :]",
        (TRANSLATOR + "weights_belong_to_their_own_sentence",)),
]  # fmt: skip

FORCING = [
    Bug(6, "teacher forcing shows the decoder the very token it is to say", "batching.py",
        "pad([[BOS, *row] for row in target])", "pad([[*row, EOS] for row in target])", FORCED, every=True),
    Bug(6, "teacher forcing asks for the token just read", "batching.py",
        "target_output, _ = pad([[*row, EOS] for row in target])", "target_output, _ = pad([[BOS, *row] for row in target])",
        FORCED, every=True),
    Bug(6, "teacher forcing does not feed the attentional state back", "nn/decoder.py",
        "loops.step(position, fed, cells)", "loops.step(position, self.last_attentional_state(state)[:, 0], cells)",
        (*STEPS, *FORCED), every=True, only="feeding and not deep and not oneway"),
    Bug(6, "teacher forcing starts the decoder from zeros", "nn/decoder.py",
        "tuple(part[:, 0] for part in state.cells[depth])", "tuple(0 * part[:, 0] for part in state.cells[depth])",
        (*STEPS, *FORCED), every=True, only="luong and not deep and not oneway"),
    Bug(6, "teacher forcing reads out the context of the step before", "nn/decoder.py",
        "torch.cat(contexts, 1), embedded]", "torch.cat(contexts, 1).roll(1, 1), embedded]",
        STEPS, every=True, only="bahdanau and not uniform and not deep and not oneway"),
    Bug(7, "search leaves the end out of the log-probability", "search/beam.py",
        "        tokens, parents = candidates.parts(ranked.indices)\n",
        "        tokens, parents = candidates.parts(ranked.indices)\n"
        "        ends, before = tokens == self._limits.eos, self._frontier.log_probs.gather(1, parents)\n"
        "        log_probs = torch.where(ends & log_probs.isfinite(), before, log_probs)\n",
        RESCORED, every=True),
    Bug(7, "score leaves the end out of the log-probability", "translation/translator.py",
        "PairScore(sum(log_probs),", "PairScore(sum(log_probs[:-1]),", (*FORCED, *RESCORED), every=True),
    Bug(7, "search shares the probability of forbidden tokens out among the others", "search/beam.py",
        "        return _Candidates(frontier.log_probs, log_probs,",
        "        return _Candidates(frontier.log_probs, log_probs.log_softmax(1),", RESCORED, every=True),
    Bug(7, "a model in training translates with dropout", "translation/forcing.py",
        "            network.eval()\n", "            network.train()\n",
        (TRANSLATOR + "a_model_in_training_is_translated_with_as_it_is_and_left_in_training",)),
    Bug(7, "an ensemble is scored by the mean of log-probabilities", "translation/forcing.py",
        "torch.stack(here).logsumexp(0) - math.log(len(here))", "torch.stack(here).mean(0)",
        (TRANSLATOR + "an_ensemble_takes_the_mean_of_probabilities_and_rescores_alike",)),
]  # fmt: skip

CELLS = "tuple(tuple(change(part) for part in layer) for layer in self.cells)"


def kept(condition: str) -> str:
    """The cells with each part left in its slot where the condition holds and the beam keeps its width."""
    stays = f"{condition} and change(part).shape == part.shape"
    return (
        f"tuple(tuple(part if {stays} else change(part) for index, part in enumerate(layer)) "
        "for depth, layer in enumerate(self.cells))"
    )


STATE = [
    Bug(8, "the hidden state h does not follow its hypothesis", "nn/decoder.py", CELLS, kept("index == 0"),
        (*STATES, *RESCORED), every=True),
    Bug(8, "the cell state c does not follow its hypothesis", "nn/decoder.py", CELLS, kept("index == 1"),
        (*STATES, *RESCORED), every=True, only="lstm"),
    Bug(8, "layers above the first do not follow their hypothesis", "nn/decoder.py", CELLS, kept("depth > 0"),
        STATES, every=True),
    Bug(8, "the vector that is fed back does not follow its hypothesis", "nn/decoder.py",
        "None if self.fed is None else change(self.fed)",
        "self.fed if self.fed is None or change(self.fed).shape == self.fed.shape else change(self.fed)",
        (*STATES, *RESCORED), every=True, only="feeding"),
    Bug(8, "stored attention weights do not follow their hypothesis", "search/history.py",
        "record.weights[rows, parents]", "record.weights[rows, slots[on].clamp(max=record.weights.shape[1] - 1)]",
        (*PLAIN, TRANSLATOR + "weights_belong_to_their_own_sentence"), every=True),
    Bug(8, "keys and mask stay when a sentence leaves the batch", "nn/decoder.py",
        "self.memory.select(sentences)", "self.memory.select(torch.arange(len(sentences)))", (*STATES, *BATCH), every=True),
    Bug(8, "the second model of an ensemble is not reordered", "search/ensemble.py",
        "tuple(state.select(parents) for state in self.states)",
        "tuple(state.select(parents.sort(1).values if index else parents) for index, state in enumerate(self.states))",
        (ENSEMBLE + "a_search_by_several_is_a_search_of_their_mean",)),
]  # fmt: skip

SEARCH = [
    Bug(9, "there are no more candidates than words", "search/beam.py",
        "frontier.log_probs.shape[1] * candidates.log_probs.shape[1])", "candidates.log_probs.shape[1])",
        (BEAM + "a_beam_as_wide_as_the_space_is_exhaustive_search",)),
    Bug(9, "each hypothesis may go on in its best way only", "search/beam.py",
        "        return _Candidates(frontier.log_probs, log_probs,",
        "        best = log_probs.amax(1, keepdim=True)\n"
        "        log_probs = log_probs.masked_fill(log_probs < best, -torch.inf)\n"
        "        return _Candidates(frontier.log_probs, log_probs,",
        (BEAM + "a_beam_as_wide_as_the_space_is_exhaustive_search", *PLAIN), every=True),
    Bug(9, "the members of a group are taken for one another", "search/ranking.py",
        "member.gather(1, best.indices // BLOCK) * width", "member.flip(1).gather(1, best.indices // BLOCK) * width",
        (BEAM + "sums_are_ranked_as_if_all_were_made",)),
    Bug(9, "of the blocks one too few is searched", "search/ranking.py",
        "sums.topk(min(count + 1, members * blocks))", "sums.topk(min(count - 1, members * blocks))",
        (BEAM + "sums_are_ranked_as_if_all_were_made",)),
    Bug(9, "a block is searched beyond the last column", "search/ranking.py",
        "    if width % BLOCK:\n        found", "    if False:\n        found", (BEAM + "a_block_ends_with_its_row",), every=True),
    Bug(9, "an impossible candidate lies beyond its row", "search/ranking.py",
        "best.indices).clamp(max=width - 1)\n", "best.indices)\n",
        (BEAM + "the_index_of_an_impossible_candidate_lies_within_its_row",), every=True),
    Bug(9, "what is left over from whole blocks is not searched", "search/ranking.py",
        "    if whole == numbers.shape[1]:\n", "    if whole:\n", (BEAM + "sums_are_ranked_as_if_all_were_made",)),
    Bug(9, "an empty slot is searched", "search/beam.py",
        "tokens.masked_fill(~lives, EMPTY)", "tokens", (BEAM + "empty_slots_are_told",)),
    Bug(9, "rows of taken slots are read from the first slots", "search/beam.py",
        "index_copy_(0, slots, numbers[: len(slots)])", "index_copy_(0, numbers[: len(slots)], numbers[: len(slots)])",
        (BEAM + "a_step_may_answer_for_the_taken_slots_alone",)),
    Bug(9, "the state of a taken slot goes to another one", "nn/beam_slots.py",
        "flat.index_copy_(0, self.occupied, rows)", "flat.index_copy_(0, self.occupied.roll(1), rows)",
        (MODEL + "empty_slots_change_nothing",), every=True),
    Bug(9, "parents are counted by the wrong axis", "search/beam.py",
        "self.tokens.gather(1, columns), indices // width",
        "self.tokens.gather(1, columns), indices % self.rows.shape[1]", PLAIN),
    Bug(9, "greedy search is a beam of two", "search/beam.py",
        "_Beam(limits, beam_size, nbest,", "_Beam(limits, max(2, beam_size), nbest,", (BEAM + "a_beam_of_one_is_greedy",)),
    Bug(10, "the search stops at the first end", "search/beam.py",
        "done = (live == 0) | (", "done = (live == 0) | finished.any(1) | (",
        (BEAM + "the_search_goes_on_after_the_first_end", *PLAIN), every=True),
    Bug(10, "the early exit compares at the present length", "search/beam.py",
        "self._limits.bounds(log_probs.amax(1), frontier.sentences)", "self._limits.scores(log_probs.amax(1), length)",
        (BEAM + "the_search_goes_on_after_the_first_end",)),
    Bug(10, "the search stops when the best of the beam has ended", "search/beam.py",
        "done = (live == 0) | (", "done = (live == 0) | (growth.log_probs.argmax(1) >= live) | (",
        (BEAM + "the_search_goes_on_after_the_first_end", *PLAIN), every=True),
    Bug(11, "finished hypotheses go on", "search/beam.py",
        "live = log_probs.isfinite() & (tokens != self._limits.eos)", "live = log_probs.isfinite()",
        (BEAM + "the_n_best_are_distinct_sorted_and_end_once",)),
    Bug(11, "the n best are in the order in which they ended", "search/beam.py",
        "sorted(each) for each in", "each for each in",
        (BEAM + "the_n_best_are_distinct_sorted_and_end_once", TRANSLATOR + "nbest_is_distinct_and_sorted"), every=True),
    Bug(11, "the end stays among the tokens", "search/history.py",
        "length if ending.unfinished else length - 1", "length", (BEAM + "the_n_best_are_distinct_sorted_and_end_once",)),
    Bug(11, "the best hypothesis comes back twice", "search/beam.py",
        "sorted(each) for each in", "sorted(each)[:1] + sorted(each) for each in",
        (BEAM + "the_n_best_are_distinct_sorted_and_end_once", TRANSLATOR + "nbest_is_distinct_and_sorted"), every=True),
    Bug(12, "what is cut at the maximum length is not flagged", "search/history.py",
        "finished=not ending.unfinished", "finished=True", (BEAM + "maximum_length_without_an_end", *RESCORED), every=True),
    Bug(12, "what is cut at the maximum length is lost", "search/history.py",
        "((record.tokens == self.limits.eos) | last[:, None])", "(record.tokens == self.limits.eos)",
        (BEAM + "maximum_length_without_an_end",)),
    Bug(12, "what is cut at the maximum length has no score", "search/history.py",
        "score=-ending.negative_score,", "score=0.0 if ending.unfinished else -ending.negative_score,",
        (*PLAIN, *RESCORED), every=True),
    Bug(12, "an end is made up at the maximum length, without its log-probability", "search/history.py",
        "found[sentence].append(Ending(token != self.limits.eos, ", "found[sentence].append(Ending(False, ",
        (BEAM + "maximum_length_without_an_end", BEAM + "finished_hypotheses_come_before_unfinished_ones"), every=True),
    Bug(13, "the length does not count the end", "search/limits.py",
        "torch.tensor(self.penalty(length), ", "torch.tensor(self.penalty(max(1, length - 1)), ",
        (BEAM + "the_score_counts_the_end",), every=True, only="not none"),
    Bug(13, "the exponent of 'gnmt' is on the length alone", "search/penalty.py",
        "float(((5 + length) / 6) ** alpha)", "float((5 + length) ** alpha / 6)", (BEAM + "penalty_by_hand",)),
    Bug(13, "'average' multiplies by alpha", "search/penalty.py",
        "float(length**alpha)", "float(length * alpha)", (BEAM + "penalty_by_hand",)),
]  # fmt: skip

LOSSES_OF_TRAINING = [
    Bug(14, "padding is in the loss", "nn/model.py",
        "length_mask(target_lengths, target_input.shape[1])", "target_input >= 0", LOSSES, every=True),
    Bug(14, "the end is not in the loss", "nn/model.py",
        "length_mask(target_lengths, target_input.shape[1])",
        "length_mask(target_lengths - 1, target_input.shape[1])", LOSSES, every=True),
    Bug(14, "smoothing is divided by one word too few", "nn/kernels/cross_entropy.py",
        "bias.sum()) / vocabulary", "bias.sum()) / (vocabulary - 1)",
        (LOSS + "value_by_hand", *LOSS_OF_TORCH), every=True, only="not 0.0"),
    Bug(14, "the gradient of the outputs is not smoothed", "nn/kernels/cross_entropy.py", ".sub_(sums, alpha=spread)", "", LOSS_OF_TORCH,
        every=True, only="not 0.0"),
    Bug(14, "the gradient of the output layer's weight is not smoothed", "nn/kernels/cross_entropy.py",
        "grad_weight.sub_(of_all, alpha=spread)", "pass", LOSS_OF_TORCH, every=True, only="not 0.0"),
    Bug(14, "the gradient of the output layer's bias is not smoothed", "nn/kernels/cross_entropy.py",
        "grad_bias.sub_(len(outputs) * spread)", "pass", LOSS_OF_TORCH, every=True, only="not 0.0"),
    Bug(14, "rows that fill no chunk are left out", "nn/kernels/products.py", "    if done < rows:", "    if False:",
        LOSS_OF_TORCH, every=True, only="4- or 100-"),
    Bug(14, "what float32 has no probability for is lost without end", "nn/kernels/cross_entropy.py", "(probs[:, 0] < LOST)",
        "(probs[:, 0] < 0)", (LOSS + "energies_of_any_size",), every=True, only="not 10.0-"),
    Bug(14, "rows that fill no block are left out", "nn/kernels/cross_entropy.py", "range(0, len(rows), block)",
        "range(0, len(rows) - block + 1, block)", LOSS_OF_TORCH, every=True),
    Bug(14, "perplexity is the mean over batches of their means", "training/validation.py",
        "sum(nats), sum(len(ids) + 1 for ids in text.target_ids)",
        "sum(part / sum(len(text.target_ids[row]) + 1 for row in rows) for part, rows in zip(nats, validation_batches(text))), len(nats)",
        PERPLEXITY, every=False),
    Bug(14, "perplexity is smoothed", "training/validation.py",
        "model(*batch.tensors()).nll", "model(*batch.tensors(), smoothing=0.1).total", PERPLEXITY),
    Bug(14, "perplexity does not count the end", "training/validation.py",
        "sum(len(ids) + 1 for ids in text.target_ids)", "sum(len(ids) for ids in text.target_ids)", PERPLEXITY, every=True),
    Bug(15, "accumulation takes the mean of the parts' means", "training/stepping.py",
        "(count if part else 0) / tokens", "(count if part else 0) / loss.tokens / len(parts)",
        (TRAINING + "accumulation_is_weighted_by_tokens",), every=True),
    Bug(15, "each part's gradient is that of its own mean", "training/stepping.py",
        "(count if part else 0) / tokens", "(count if part else 0) / loss.tokens",
        (TRAINING + "the_gradient_is_that_of_the_mean_loss_per_token",), every=True, only="7"),
    Bug(15, "the gradient is divided by sentences", "training/stepping.py",
        "tokens = pool.tokens(rows)", "tokens = len(rows)",
        (TRAINING + "the_gradient_is_that_of_the_mean_loss_per_token",), every=True),
    Bug(15, "the gradient is divided by the number of processes", "training/stepping.py",
        "(count if part else 0) / tokens", "(1 if part else 0) / tokens",
        (PROCESSES + "the_gradient_does_not_depend_on_processes",)),
    Bug(15, "a process without rows of its own adds those of another", "training/stepping.py",
        "(count if part else 0) / tokens", "count / tokens",
        (PROCESSES + "the_gradient_does_not_depend_on_processes",)),
]  # fmt: skip

SCORES = [
    Bug(16, "validation scores the pieces, joined by spaces", "training/validation.py",
        "[translation.text for translation in translations]",
        '[" ".join(translation.pieces).replace("▁", "") for translation in translations]', BLEU_OF_TEXT),
    Bug(16, "validation tokenises the references beforehand", "training/validation.py",
        "references=[[compose(line) for line", 'references=[[__import__("re").sub(r"(\\W)", r" \\1 ", line) for line', BLEU_OF_TEXT),
    Bug(16, "validation forgets the signature", "training/validation.py",
        "Validation(measured, metric.value, metric.signature)", "Validation(measured, metric.value, None)", BLEU_OF_TEXT),
    Bug(16, "subword pieces are scored without a word", "metrics/scoring_rules.py",
        "if numbers and len(numbers) >= _SHARE * len(lines):", "if False:", (METRICS + "subword_pieces_are_refused",), every=True),
    Bug(16, "tokenised text is scored without a word", "metrics/scoring_rules.py",
        'if rules.tokenize != "none":', "if False:", (METRICS + "tokenised_text_gets_a_note_and_no_warning",)),
    Bug(25, "a perfect short hypothesis scores 0 without a word", "metrics/scoring_rules.py",
        "if all(len(scorer.tokenizer(line.rstrip()).split()) < scorer.max_ngram_order for line in hypotheses):", "if False:",
        (METRICS + "short_perfect_hypotheses_have_bleu_0_and_a_note",)),
    Bug(25, "an empty list reaches sacreBLEU", "metrics/scoring_rules.py",
        "if not hypotheses:", "if False:", (METRICS + "nothing_to_score",)),
    Bug(25, "unequal lists reach sacreBLEU", "metrics/scoring_rules.py",
        "if len(lines) != len(hypotheses):", "if False:", (METRICS + "unequal_counts",)),
    Bug(25, "an unknown tokenizer reaches sacreBLEU", "metrics/scoring_rules.py",
        "if tokenize is not None and tokenize not in TOKENIZERS:", "if False:", (METRICS + "unknown_tokenizer_offers_the_nearest",)),
    Bug(25, "resamples without a match break the interval", "metrics/scorers.py",
        "score.score = float(score.score)", "score.score = score.score", (METRICS + "resamples_without_a_match_have_intervals_too",)),
    Bug(25, "a blank line is a reference", "metrics/references.py", "None if is_blank(line) else line", "line",
        (METRICS + "a_blank_line_is_no_reference", METRICS + "a_blank_translation_is_no_match_of_a_blank_reference"),
        every=True, only="not None"),
    Bug(25, "every script has spaces between words", "metrics/bleu_tokenizer.py",
        'if writing == "spaced":', "if True:", (METRICS + "bleu_is_counted_as_the_text_is_written",)),
    Bug(25, "patience counts BLEU that is always 0", "training/selection.py", "return (0.0 if", "return (value, 0.0) or (0.0 if",
        (TRAINING + "bleu_that_is_always_0_leaves_the_choice_to_perplexity", SELECTION + "bleu_that_says_nothing")),
    Bug(25, "an accident before nothing but zeros stays the best", "training/selection.py",
        "        progress.best = 0.0\n", "        pass\n", (SELECTION + "bleu_that_says_nothing",)),
    Bug(25, "a system differs significantly from itself", "metrics/scores.py",
        "1.0 if before.score == after.score else ", "", (METRICS + "a_system_does_not_differ_from_itself",)),
]  # fmt: skip

LINES = [
    Bug(17, "lines are split as str.splitlines does", "text/lines.py",
        "for index, line in enumerate(stream):",
        'for index, line in enumerate(\n        part.encode("utf-8", "surrogateescape")\n'
        '        for part in b"".join(stream).decode("utf-8", "surrogateescape").splitlines(keepends=True)\n    ):',
        (CORPUS + "lines_end_at_newline_only",), every=True),
    Bug(17, "what one side has too many is cut off", "text/readers.py",
        "    if len(sides[0]) != len(sides[1]):\n",
        "    sides = [side[: min(map(len, sides))] for side in sides]\n    if len(sides[0]) != len(sides[1]):\n",
        (CORPUS + "unequal_line_counts_are_always_refused",), every=True),
    Bug(17, "each side drops its own blank lines", "text/readers.py",
        "    lines = read_byte_lines(path)\n", "    lines = [line for line in read_byte_lines(path) if line.strip()]\n",
        (CORPUS + "bad_pairs_are_refused_or_dropped", CORPUS + "pairs_of_blank_lines_are_dropped_and_counted")),
    Bug(17, "a pair with one blank side is kept", "text/readers.py",
        "    if any(blank):", "    if False:", (CORPUS + "bad_pairs_are_refused_or_dropped",)),
    Bug(17, "blank lines are left out of the translations", "translation/translator.py",
        "        return answers\n", "        return [answer for answer in answers if answer[0].source.strip()]\n",
        (TRANSLATOR + "blanks_keep_their_place",)),
]  # fmt: skip

PROGRESS = "progress = note.progress\n"


def forgotten(name: str, value: str) -> str:
    """The progress of the stopped run, but for one number."""
    return f'progress = __import__("dataclasses").replace(note.progress, {name}={value})\n'


RESUMING = [
    Bug(18, "a resume forgets the optimiser", "training/state.py",
        "    optimizer.load_state_dict(state)\n", "", RESUMED),
    Bug(18, "a resume forgets how long the schedule has waited", "training/trainer.py",
        "self.stepper.schedule.waited = self.progress.schedule_waited", "self.stepper.schedule.waited = 0",
        (TRAINING + "the_plateau_counter_survives_a_stop",)),
    Bug(18, "a resume forgets how often the schedule has cut the rate", "training/trainer.py",
        "self.stepper.schedule.reductions = self.progress.schedule_reductions", "self.stepper.schedule.reductions = 0",
        (TRAINING + "the_plateau_cuts_survive_a_stop",)),
    Bug(18, "a resume forgets the early-stop counter", "training/run.py", PROGRESS, forgotten("waited", "0"),
        (TRAINING + "the_early_stop_counter_survives_a_stop",)),
    Bug(18, "a resume forgets the best so far", "training/run.py", PROGRESS, forgotten("best", "None"),
        (TRAINING + "the_early_stop_counter_survives_a_stop",)),
    Bug(18, "a resume forgets that BLEU says nothing", "training/run.py", PROGRESS, forgotten("silent", "0"),
        (TRAINING + "bleu_that_is_always_0_leaves_the_choice_to_perplexity",)),
    Bug(18, "a resume counts BLEU with what has been installed since", "training/validation.py",
        " or (signature and tokenizer_in_signature(signature))", "", (TRAINING + "bleu_is_counted_alike_in_all_sittings",)),
    Bug(18, "a resume begins the epoch anew", "training/run.py", PROGRESS, forgotten("position", "0"), RESUMED),
    Bug(18, "a resume begins with the first epoch", "training/run.py", PROGRESS, forgotten("epoch", "0"), RESUMED),
    Bug(18, "a resume counts steps from 0", "training/run.py", PROGRESS, forgotten("step", "0"), RESUMED),
    Bug(18, "a resume forgets what was to be averaged", "training/run.py", PROGRESS, forgotten("averaged", "[]"), RESUMED),
    Bug(18, "a resume forgets torch's generator", "processes/group.py",
        '        torch.set_rng_state(states[f"torch/{self.index}"])\n', "", RESUMED),
    Bug(18, "subword sampling draws from torch's generator", "training/segmentation.py",
        "sample_batch(source, amount, seeds[0])", 'sample_batch(source, amount, int(__import__("torch").randint(2**31, ())))',
        (TRAINING + "a_resumed_run_is_the_uninterrupted_run[True]",)),
    Bug(18, "the order of an epoch comes from torch's generator", "batching.py",
        "generator = torch.Generator().manual_seed((seed << 20) + epoch)", "generator = torch.default_generator", RESUMED),
]  # fmt: skip

SWITCHES = [
    Bug(19, "one generator fills the parameters in the order of the modules", "nn/initialisation.py",
        'torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)',
        'model.__dict__.setdefault("_generator", torch.Generator().manual_seed(seed))', SWITCHED, every=True),
    Bug(19, "one score has a bias in the readout", "nn/decoder.py",
        "self.readout_input(architecture), self.output_dim)",
        'self.readout_input(architecture), self.output_dim, attention.score.name != "dot")',
        SWITCHED, every=True),
    Bug(19, "one score slows the readout down", "training/engine.py",
        "{name: own.rate for name, own in parametrisations(model).items() if own.rate != 1}",
        '{name: own.rate for name, own in parametrisations(model).items() if own.rate != 1} | (\n'
        '        {"decoder.readout.weight": 0.5} if model.architecture.score == "multiplicative" else {})',
        (ENGINE + "switching_the_score_changes_no_other_rate",), every=True),
    Bug(19, "one score bridges to smaller values", "nn/initialisation.py",
        "parameter.copy_(_first_value(model, name, parameter, generator))",
        'parameter.copy_(_first_value(model, name, parameter, generator) * (0.5 if name.startswith("decoder.bridge")\n'
        '                and model.decoder.attention.score.name == "uniform" else 1))', SWITCHED, every=True),
]  # fmt: skip

OPTIONS = [
    Bug(20, "a key that has no effect is accepted", "section.py",
        'raise ValueError(f"{key} has no effect {reason}")', "continue", IDLE, every=True, only="not output_dim"),
    Bug(20, "a key that a mechanism cannot heed is accepted", "checkpoint/model.py", "    _refuse_ineffective_keys(config)\n", "",
        ("tests/test_checkpoint.py::test_keys_that_a_mechanism_cannot_heed_are_refused",)),
    Bug(20, "a score function's own factor of the learning rate is ignored", "training/engine.py",
        "{name: own.rate for name, own in parametrisations(model).items() if own.rate != 1}", "{}",
        (ENGINE + "a_score_function_says_how_fast_it_learns",)),
    Bug(20, "a score function's own factor decides over the config's", "training/engine.py",
        "    return factors\n", "    return {**factors, **own}\n", (ENGINE + "the_config_decides_over_the_score_function",)),
    Bug(20, "a score function's own initial values are ignored", "nn/initialisation.py",
        "parameter.mul_(own.scale) if own.value is None else parameter.fill_(own.value)", "pass",
        (ENGINE + "a_score_function_says_how_it_begins",)),
    Bug(20, "the multiplicative matrix learns at a rate for one of its sizes alone", "nn/scores.py",
        "rate=self.RATE / math.sqrt(dim * fan_in)", "rate=self.RATE / fan_in",
        (ENGINE + "the_rate_of_the_multiplicative_matrix_follows_from_its_sizes",)),
    Bug(20, "the scaled matrix learns as slowly as the unscaled one", "nn/scores.py",
        "self.RATE / math.sqrt(self.key_layer.in_features)", "self.RATE / self.key_layer.in_features",
        (ENGINE + "multiplicative_and_scaled_multiplicative_are_one_score_in_two_units",)),
    Bug(20, "a resumed run takes this version's rates", "training/run.py",
        'return note.rates if note.config["model"].get("score") == self.config.model.score else None', "return None",
        (TRAINING + "a_run_goes_on_at_the_rates_it_began_with",), every=True),
    Bug(20, "a run that goes on with another score function keeps the first one's rates", "training/run.py",
        ' if note.config["model"].get("score") == self.config.model.score else None', "",
        (TRAINING + "a_run_goes_on_at_the_rates_it_began_with",)),
    Bug(20, "inspect tells no rates of a score function", "cli/inspect.py", "{**stored, ", "{",
        ("tests/test_cli.py::test_config_and_inspect_tell_at_which_rates_a_score_learns",)),
    Bug(20, "an unknown key is accepted", "section.py", 'extra="forbid"', 'extra="ignore"',
        (DAMAGE + "[config key]", CONFIG + "an_unknown_key_is_refused_with_the_nearest"), every=True),
    Bug(20, "top_p does not reach the sampling", "translation/translator.py", "                top_p=top_p,\n", "",
        (TRANSLATOR + "a_cold_sample_is_greedy",)),
    Bug(20, "the config's min_length is ignored", "translation/options.py", 'given.get("min_length", search.min_length)',
        'given.get("min_length", 0)', (TRANSLATOR + "options_left_out_are_the_configs",)),
    Bug(20, "the config's maximum length is ignored", "translation/options.py", "ratio=search.max_length_ratio,", "ratio=2.0,",
        (TRANSLATOR + "lengths",)),
    Bug(20, "the encoder ignores model.residual", "nn/encoder.py", "self.residual = architecture.residual", "self.residual = False",
        MODEL_KEYS),
    Bug(20, "the decoder ignores model.residual", "nn/decoder.py", "self.residual = architecture.residual", "self.residual = False",
        MODEL_KEYS),
    Bug(20, "model.variational is ignored between and after the layers", "nn/dropout.py",
        "times = 1 if self.variational else values.shape[1]", "times = values.shape[1]", MODEL_KEYS),
    Bug(20, "model.variational is ignored in the loops of training", "nn/dropout.py",
        "times = 1 if self.variational else like.shape[1]", "times = like.shape[1]",
        (MODEL + "dropout_factors_of_a_loop_equal_dropout_of_the_sequence",), every=True, only="True"),
    Bug(20, "model.dropout_output is ignored", "nn/model.py", "SequenceDropout(architecture.dropout_output, ",
        "SequenceDropout(0.0, ", MODEL_KEYS),
    Bug(20, "training.label_smoothing is ignored", "training/stepping.py", "training.label_smoothing, training.coverage_loss",
        "0.1, training.coverage_loss", (TRAINING_KEYS + "[label_smoothing]",)),
    Bug(20, "training.coverage_loss is ignored", "training/stepping.py", "training.label_smoothing, training.coverage_loss",
        "training.label_smoothing, 0.0", (TRAINING_KEYS + "[coverage_loss]",)),
    Bug(20, "training.clip_norm is ignored", "training/stepping.py", "self._training.clip_norm or math.inf",
        "1.0", (TRAINING_KEYS + "[clip_norm]",)),
    Bug(20, "training.beta2 is ignored", "training/engine.py", "betas = (training.beta1, training.beta2)",
        "betas = (training.beta1, 0.98)", (TRAINING_KEYS + "[beta2]",)),
    Bug(20, "training.weight_decay is ignored", "training/engine.py", "decay = training.weight_decay if",
        "decay = 0.0 if", (TRAINING_KEYS + "[weight_decay]",)),
    Bug(20, "training.validation_beam_size is ignored", "training/validation.py",
        "beam_size=training.validation_beam_size", "beam_size=1", (TRAINING_KEYS + "[validation_beam_size]",)),
    Bug(20, "training.patience is ignored", "training/state.py",
        "if training.patience and self.waited >= training.patience:", "if False:", (TRAINING_KEYS + "[patience]",)),
]  # fmt: skip

EMPTY = [
    Bug(21, "a blank sentence is translated by the model", "translation/translation.py",
        "source.row for source in sources if source.ids", "source.row for source in sources", BLANK, every=True),
    Bug(21, "a blank pair is scored by the model", "translation/forcing.py",
        "order = sorted((row for row, source in enumerate(sources) if source), ", "order = sorted(range(len(sources)), ", BLANK, every=True),
    Bug(21, "a sentence of spaces is not blank", "translation/translation.py",
        "pieces if text.strip() else ([], [])", "pieces", BLANK),
    Bug(21, "a training pair without pieces is kept", "text/encoding.py", "if not shorter:", "if False:",
        (CORPUS + "empty_sides_are_removed",)),
    Bug(21, "a row without tokens is padded like any other", "batching.py", "if min(lengths) == 0:", "if False:",
        (BATCHING + "a_row_without_tokens_is_refused",)),
]  # fmt: skip

FILES = [
    Bug(22, "a resume takes any source tokenizer", "training/data.py",
        '            "source tokenizer": tokenizers.source.sha256,\n', "", (TRAINING + "a_swapped_tokenizer_is_refused",)),
    Bug(22, "special ids are not compared", "checkpoint/model.py",
        "if manifest.special_ids != SPECIAL_IDS:", "if False:", (DAMAGE + "[special ids]",)),
    Bug(22, "the tokenizer's size is not compared", "checkpoint/model.py",
        "if manifest.vocabulary != found:", "if False:", (DAMAGE + "[vocabulary]", DAMAGE + "[other tokenizer]"), every=True),
    Bug(22, "a foreign tokenizer's special ids are not looked at", "text/tokenizer.py",
        "if found != (PAD, UNK, BOS, EOS):", "if False:", (DAMAGE + "[foreign tokenizer]",)),
    Bug(22, "the models of an ensemble need equal sizes only", "translation/members.py",
        "getattr(first.tokenizers, side).sha256 != getattr(other.tokenizers, side).sha256",
        "getattr(first.tokenizers, side).vocabulary_size != getattr(other.tokenizers, side).vocabulary_size",
        (TRANSLATOR + "an_ensemble_needs_one_vocabulary",)),
    Bug(22, "encoded text is cached without its tokenizer", "text/encoding.py",
        'f"{tokenizers.source.sha256} {tokenizers.target.sha256} {fingerprint(corpus)}"', "fingerprint(corpus)",
        (CORPUS + "the_cache_tells_texts_and_tokenizers_apart",)),
    Bug(23, "the hashes of weights and tokenizer are not checked", "checkpoint/files.py",
        "limit)\n    if sha256(content) == digest:\n", "limit)\n    if content:\n",
        (DAMAGE + "[flipped weights]", DAMAGE + "[flipped tokenizer]"), every=True),
    Bug(23, "a newer format is read", "checkpoint/files.py", 'tree["format"] > FORMAT', "False", (DAMAGE + "[newer]",)),
    Bug(23, "a pickle is unpickled", "checkpoint/model.py", "weights = safetensors.torch.load(content)",
        'weights = (__import__("pickle").loads(content) if content[:1] == b"\\x80" else '
        'torch.load(__import__("io").BytesIO(content), weights_only=False) if content[:2] == b"PK" else '
        "safetensors.torch.load(content))", (DAMAGE + "[hashed pickle]", DAMAGE + "[torch checkpoint]"), every=True),
    Bug(23, "files outside the directory are read", "checkpoint/files.py",
        "if set(manifest.files) not in (", "if False and set(manifest.files) not in (", (DAMAGE + "[escape]",)),
    Bug(23, "the shapes of the weights are not compared", "checkpoint/model.py",
        "if problem := _difference(weights, expected):", "if problem := None:",
        (DAMAGE + "[tensor missing]", DAMAGE + "[tensor too many]"), every=True),
    Bug(23, "the hash of the training state is not checked", "training/state.py",
        "if sha256(content) != digest:", "if False:", (TRAINING + "a_damaged_state_is_refused[edited-state.safetensors]",)),
]  # fmt: skip

SEEDS = [
    Bug(24, "samples are seeded by the place in the batch", "translation/translator.py",
        "seeds=[_seed(seed, first + source.row) for source in sources]",
        "seeds=[_seed(seed, first + place) for place in range(len(sources))]", (TRANSLATOR + "samples_do_not_depend_on_the_batch",)),
    Bug(24, "all sentences have the same seed", "translation/translator.py",
        "seeds=[_seed(seed, first + source.row) for source in sources]", "seeds=[seed] * len(sources)",
        (TRANSLATOR + "samples_do_not_depend_on_the_batch",)),
    Bug(24, "all sentences draw from one generator", "search/sampling.py",
        "uniform[row, slot].uniform_(generator=generator)", "uniform[row, slot].uniform_()",
        (SAMPLING + "a_sample_depends_on_its_sentence_and_seed_alone", SAMPLING + "the_global_generator_is_left_alone"), every=True),
    Bug(24, "samples of neighbouring seeds repeat one another", "search/sampling.py",
        'int.from_bytes(digest[:4], "little")) for digest in digests', "seed + number) for number in range(count)",
        (SAMPLING + "neighbouring_seeds_do_not_share_samples", SAMPLING + "seeds_matter_to_the_last_and_to_the_first_bit"), every=True),
    Bug(24, "one seed deals out every pool of a streamed epoch", "training/streams.py",
        'derive_seed(seed, number, f"pool {end.pool}")', 'derive_seed(seed, number, "pool")',
        (STREAMING + "each_pool_is_dealt_out_by_a_draw_of_its_own",)),
]  # fmt: skip

OWN = (SHORTLIST + "the_batch_changes_nothing",)

SHORTLISTS = [
    Bug(26, "the shortlist is the whole batch's", "search/shortlist.py",
        "for each in shortlists])) for source in sources]\n",
        "for source in sources for each in shortlists])) for _ in sources]\n",
        (*OWN, SHORTLIST + "candidates_are_the_sentences_own"), every=True),
    Bug(26, "rows of the output layer stay when a sentence leaves the batch", "nn/narrow_output.py",
        "self.state.keep(sentences), self.output.keep(sentences)",
        "self.state.keep(sentences), self.output.keep(torch.arange(len(sentences), device=sentences.device))", OWN, every=True),
    Bug(26, "a token's place in the union is that of another sentence", "nn/narrow_output.py",
        "self.columns.index_select(0, owners), self", "self.columns.index_select(0, owners.flip(0)), self", OWN, every=True),
    Bug(26, "columns that pad the union are produced", "nn/narrow_output.py",
        ".masked_fill_(padding, -torch.inf)", "", OWN, every=True),
    Bug(26, "columns are taken for tokens", "search/beam.py",
        "columns if self.tokens is None else self.tokens.gather(1, columns)", "columns", OWN, every=True),
    Bug(26, "the end is forbidden in the column of its number", "search/limits.py",
        "        if tokens is None:\n", "        if length >= 0:\n", OWN, every=True),
    Bug(26, "forbidden tokens are produced from a list", "search/limits.py",
        "never |= tokens == token", "never |= tokens < 0",
        (SHORTLIST + "a_list_of_everything_changes_nothing",)),
    Bug(26, "an ensemble chooses among the first model's tokens", "search/shortlist.py",
        "for each in shortlists])) for source", "for each in shortlists[:1]])) for source",
        (SHORTLIST + "an_ensemble_chooses_among_the_lists_of_all", SHORTLIST + "candidates_are_the_sentences_own"), every=True),
    Bug(26, "a list for other weights is used", "checkpoint/shortlist.py",
        'if labels.get("files") != json.dumps(dict(files), sort_keys=True):', "if False:",
        (SHORTLIST + "what_cannot_be_used_is_explained",)),
    Bug(26, "links belong to the piece just read, not to the one predicted", "translation/lexicon.py",
        "batch.target_output[row, step]", "batch.target_input[row, step]",
        (SHORTLIST + "links_are_counted_by_hand", SHORTLIST + "recall_and_bleu_are_measured"), every=True),
]  # fmt: skip

NEAREST = (NEIGHBOURS + "the_nearest_are_those_of_a_comparison_with_all",)
INDEXED = [
    Bug(26, "states are compared by their length as well", "translation/neighbours.py",
        "torch.nn.functional.normalize(states[row, position].float(), dim=-1)", "states[row, position].float()", NEAREST, every=True),
    Bug(26, "a state is that of the piece before", "translation/neighbours.py",
        "_select(forced.outputs, here", "_select(forced.outputs.roll(1, 1), here", NEAREST, every=True),
    Bug(26, "a tag has places among the pieces", "translation/neighbours.py", "real[:, :first] = False", "pass",
        (NEIGHBOURS + "a_tag_is_read_and_has_no_place",)),
    Bug(26, "one pair fills all places", "translation/neighbours.py", "if pair not in seen and len", "if len",
        (NEIGHBOURS + "each_pair_is_there_once_and_all_of_them_if_asked",)),
    Bug(26, "the search ends with the first states that it finds", "translation/neighbours.py",
        "if len(found) == count or most == index.ntotal:", "if found:",
        (NEIGHBOURS + "one_pair_with_all_the_nearest_states_hides_no_other",)),
    Bug(26, "states of other weights are compared", "checkpoint/known_states.py",
        'if labels.get("files") != json.dumps(dict(files), sort_keys=True):', "if False:",
        (NEIGHBOURS + "what_cannot_be_used_is_explained",)),
    Bug(26, "an index of a long text has its beginning alone", "translation/neighbours.py",
        "heapq.heappush(self._heap, (-drawn,", "heapq.heappush(self._heap, (-float(self.read),",
        (NEIGHBOURS + "a_sample_is_fair_bounded_and_the_same_for_the_same_seed",)),
    Bug(26, "what people have written is uploaded with a model", "checkpoint/model.py",
        "names = [CONFIG, CARD, *manifest.files, *more]", 'names = [CONFIG, CARD, *manifest.files, *more, "states.safetensors"]',
        (NEIGHBOURS + "the_text_of_an_index_is_never_uploaded",)),
]  # fmt: skip

CONTINUED = [
    Bug(18, "a resume forgets the pull to the start model", "training/trainer.py",
        "            self._keep_start_weights(None)\n", "", (CONTINUE + "a_resumed_run_is_the_uninterrupted_run_and_needs_no_start",)),
    Bug(18, "every resume measures the start once more", "training/trainer.py",
        "if start is None or start.perplexity is not None:", "if start is None:",
        (CONTINUE + "a_resumed_run_is_the_uninterrupted_run_and_needs_no_start",)),
    Bug(18, "a resume trains the tokenizer that it began with", "training/run.py",
        "self.start) if self.resumed else ():", ") if self.resumed else ():",
        (CONTINUE + "a_resumed_run_is_the_uninterrupted_run_and_needs_no_start",)),
    Bug(20, "training.freeze is ignored", "training/stepping.py", "        freeze(config.training, model)\n", "",
        (CONTINUE + "frozen_parameters_stay_bit_for_bit", CONTINUE + "frozen_parameters_leave_the_others_their_rates"), every=True),
    Bug(20, "shared weights are frozen under one of their names", "training/freezing.py",
        "if frozen & set(together) and set(together) - frozen:", "if False:",
        (CONTINUE + "what_cannot_be_frozen_is_refused",)),
    Bug(20, "training.start_parts is ignored", "training/start.py", "return not training.start_parts or", "return True or",
        (CONTINUE + "only_the_parts_that_are_named_are_taken",)),
    Bug(20, "the pull is half of its gradient", "training/start.py", "alpha=2 * self._decay * scale", "alpha=self._decay * scale",
        (CONTINUE + "the_pull_is_a_term_of_the_loss",), every=True),
    Bug(20, "the pull comes after clipping", "training/stepping.py",
        "        pull = self._pull()\n        norm = self._clip()\n", "        norm = self._clip()\n        pull = self._pull()\n",
        (CONTINUE + "the_pull_is_a_term_of_the_loss",), every=True),
    Bug(20, "the pull is to random values, too", "training/start.py",
        "if is_taken(name, training) and not is_named(name, training.freeze):", "if not is_named(name, training.freeze):",
        (CONTINUE + "the_pull_is_a_term_of_the_loss", CONTINUE + "the_mean_with_the_start_model_is_measured")),
    Bug(20, "added rows are pulled to their first values", "training/start.py",
        "[: sizes[_SIDES[name]] if name in _SIDES else None]", "[:]", (CONTINUE + "added_rows_are_free",)),
    Bug(20, "the mean with the start model is compared with the best, not with what is kept", "training/trainer.py",
        "training.criterion, kept)", "training.criterion)", (CONTINUE + "the_mean_with_the_start_model_is_measured",)),
    Bug(20, "a pull to what is frozen is passed over in silence", "training/freezing.py",
        "if getattr(training, key) and taken <= frozen:", "if False:", (CONTINUE + "what_cannot_be_frozen_is_refused",)),
    Bug(20, "a comparison looks for the start of one seed", "comparison/comparison.py",
        "checked.setdefault((run.system, *needed), run)", "checked[(run.system,)] = run",
        (CONTINUE + "the_start_is_found_from_the_root_and_by_a_grid",)),
    Bug(20, "a translation has a tag", "translation/translation.py", "return (*FORBIDDEN, *found)", "return FORBIDDEN",
        ("tests/test_mixing.py::test_no_translation_has_a_tag",)),
    Bug(20, "a tag counts as a piece of the text", "bulk/job.py", "len(first.source_pieces) - bool(first.tag)",
        "len(first.source_pieces)", ("tests/test_mixing.py::test_a_tag_does_not_count_as_a_piece_of_the_text",)),
    Bug(20, "an extension lacks the tags of the texts", "text/extension.py", "[*config.symbols, *tags]", "config.symbols",
        ("tests/test_continued_mix.py::test_tags_and_symbols_are_pieces_after_the_old_ones",)),
    Bug(20, "a config that asks for another tokenizer goes on from a model", "training/start.py",
        "    _check_tokenizer_keys(config, loaded.config)\n", "", (CONTINUE + "keys_of_another_tokenizer_are_refused",)),
    Bug(20, "every seed of a grid starts from the same model", "comparison/plan.py",
        'value.replace("{seed}", str(seed))', "value", (CONTINUE + "the_start_is_found_from_the_root_and_by_a_grid",)),
    Bug(22, "an added row is that of its first old piece", "training/start.py", "[cut].double()", "[cut[:1]].double()",
        (CONTINUE + "what_was_known_stays_when_a_tokenizer_is_extended",)),
    Bug(22, "new bpe pieces are merged before old ones", "text/extension.py", "lowest - len(first) - place - 1", "-place / 2",
        (EXTENSION + "a_text_is_cut_where_it_was_or_joined", EXTENSION + "new_bpe_pieces_score_below_all_old_ones")),
    Bug(22, "new unigram pieces win wherever they can", "text/extension.py", "sum(scores[id_] for id_ in cut)", "0.0",
        (EXTENSION + "a_text_is_cut_where_it_was_or_joined",)),
]  # fmt: skip

COPYING = "tests/test_copying.py::test_"
COPIES = (COPYING + "a_step_is_the_mixture_written_out",)

POINTER = [
    Bug(1, "special pieces are copied", "nn/copying.py",
        "source.masked_fill(source < FIRST_ORDINARY, -1)", "source.masked_fill(source < 0, -1)", COPIES, every=True,
        only="not uniform"),
    Bug(1, "what a window's factor takes is lost", "nn/copying.py",
        "gate, weights = _wide(gate), _wide(weights).masked_fill(places < 0, 0)\n    places",
        "gate, weights = _wide(gate), _wide(weights).masked_fill(places < 0, 0)\n"
        "    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)\n    places",
        COPIES),
    Bug(6, "forced decoding forgets what is copied", "translation/forcing.py", "if network.architecture.copy:", "if False:",
        RESCORED, every=True, only="copy"),
    Bug(6, "the gate of teacher forcing does not read the input", "nn/decoder.py",
        "torch.cat([top, context, embedded], dim=-1))\n        return logit",
        "torch.cat([top, context, torch.zeros_like(embedded)], dim=-1))\n        return logit",
        (COPYING + "the_gate_reads_state_context_and_input",)),
    Bug(8, "pieces to copy stay when a sentence leaves the batch", "nn/attention.py",
        "self.pieces.index_select(0, rows)", "self.pieces[: len(rows)]", BATCH, every=True, only="copy"),
    Bug(8, "columns of copies stay when a sentence leaves the batch", "nn/narrow_output.py",
        "self.copied[sentences]", "self.copied[: len(sentences)]",
        (COPYING + "a_shortlist_has_the_sentences_own_pieces",)),
    Bug(8, "what is copied does not follow its hypothesis", "search/history.py",
        "record.copied[rows, parents]", "record.copied[rows, parents * 0]",
        (COPYING + "copied_is_the_part_of_each_piece_that_the_source_gave",)),
    Bug(8, "only the last of equal pieces is copied", "nn/copying.py", ".scatter_add(-1, places, weights)",
        ".scatter(-1, places, weights)", COPIES, every=True),
    Bug(14, "the vocabulary keeps its share whatever is copied", "nn/copying.py",
        "return _logaddexp(F.logsigmoid(-gate), F.logsigmoid(gate) + rest.log())", "return 0 * rest", COPIES, every=True),
    Bug(14, "a target that can be copied teaches the vocabulary as another", "nn/kernels/cross_entropy.py",
        "torch.sigmoid(log_probs - odds[chunk][some])", "torch.ones_like(log_probs)",
        (COPYING + "value_and_gradients_are_those_of_torch", COPYING + "gradients_of_the_loss_numerically"), every=True),
    Bug(14, "what the vocabulary keeps is not weighed as the likelihood is", "nn/loss.py",
        "total - (1 - smoothing) * kept", "total - kept",
        (COPYING + "value_and_gradients_are_those_of_torch", COPYING + "the_loss_written_out"), every=True, only="0.1"),
    Bug(14, "the gradient of a copy that has no weight is endless", "nn/copying.py",
        "torch.where(there, wanted, 1.0).log()", "wanted.log()",
        (COPYING + "a_sure_gate_has_finite_losses_and_gradients",)),
    Bug(20, "what a plain model does not copy is left out of the mean", "search/ensemble.py",
        ".sum(0) / len(answers)", ".sum(0) / len(copying)", (COPYING + "an_ensemble_of_a_copying_model_and_a_plain_one",)),
    Bug(20, "what is copied is not set against what else would have written it", "translation/translation.py",
        "math.log(copied) - log_prob", "math.log(copied)",
        (COPYING + "copied_is_the_part_of_each_piece_that_the_source_gave",)),
    Bug(20, "an export adds only what is copied", "nn/copying.py",
        "torch.maximum(first, second) +", "second +",
        ("tests/test_onnx.py::test_graphs_give_the_numbers_of_the_network",), only="copy"),
    Bug(20, "model.copy with two vocabularies is found out when all is read", "checkpoint/model.py",
        "if model.copy and (tokenizer.target_model is not None or not tokenizer.joint):", "if False:",
        (COPYING + "two_vocabularies_are_refused",)),
    Bug(26, "a shortlist lacks what could be copied", "translation/stepping.py", "copies=copies", "copies=False",
        (COPYING + "a_shortlist_has_the_sentences_own_pieces",)),
]  # fmt: skip

STEERED = [
    Bug(7, "rules change the log-probability that is reported", "search/beam.py",
        "growth.log_probs if growth.model is None else growth.model,", "growth.log_probs,",
        (STEERING + "rules_equal_the_plain_search", STEERING + "the_penalty_on_repetition_by_hand"), every=True),
    Bug(7, "the model's own log-probability stays in its slot", "search/beam.py",
        "before.gather(1, slots) + self.model[", "before[:, :1] + self.model[", (STEERING + "rules_equal_the_plain_search",)),
    Bug(8, "what is written does not follow its hypothesis", "search/written.py",
        "parents[:, :, None].expand", "torch.zeros_like(parents)[:, :, None].expand",
        (STEERING + "rules_equal_the_plain_search",)),
    Bug(8, "what is written stays when a sentence leaves the batch", "search/written.py",
        "before = self._tokens[sentences]", "before = self._tokens[: len(sentences)]",
        (STEERING + "rules_do_not_let_the_batch_in",)),
    Bug(9, "an n-gram that came again counts as begun one token later", "search/written.py",
        "begun = written[:, written.shape[1] - size + 1 :]", "begun = written[:, -size:-1]",
        (STEERING + "no_bigram_comes_twice_by_hand",)),
    Bug(26, "rules take columns for tokens", "search/written.py",
        "marks[:, :width] if choices is None else marks.gather(1, choices)", "marks[:, :width]",
        (STEERING + "rules_are_about_tokens_not_columns",)),
    Bug(20, "no_repeat_ngram is ignored", "translation/options.py",
        'given.get("no_repeat_ngram", 0)', "0", (STEERING + "no_piece_of_a_translation_comes_twice",)),
    Bug(7, "a prefix counts for nothing", "search/written.py",
        "only = model.masked_fill(", "only = torch.zeros_like(model).masked_fill(",
        (STEERING + "a_prefix_by_hand", STEERING + "prefixes_equal_the_plain_search"), every=True),
    Bug(2, "a sentence that leaves the batch takes no prefix along", "search/written.py",
        "self._prefixes[sentences], self._word_ends[sentences]", "self._prefixes, self._word_ends",
        (STEERING + "a_prefix_goes_on_when_other_sentences_have_left",)),
    Bug(12, "the maximum length cuts a prefix", "translation/options.py",
        "return max(self.max_length, prefix + 1)", "return self.max_length",
        (STEERING + "a_prefix_is_kept_to_the_letter",)),
    Bug(26, "pieces of a prefix are not in the shortlist", "translation/steering.py",
        "[*source.prefix.ids, *chain(", "[*chain(",
        (STEERING + "a_prefix_is_kept_to_the_letter",)),
    Bug(17, "a prefix comes out as its pieces spell it", "translation/translation.py",
        "source.prefix.join(*writer.decode_spans(found.tokens))", "writer.decode_spans(found.tokens)",
        (STEERING + "a_prefix_is_kept_to_the_letter",)),
    Bug(20, "a space at the end of a prefix says nothing", "translation/prefix.py",
        "return self.text[-1:].isspace()", "return False",
        (STEERING + "a_space_ends_the_last_word_of_a_prefix",)),
    Bug(7, "scores count what diversity takes away", "search/groups.py",
        "sums.flatten(1).gather(1, best), best", "preferred.flatten(1).gather(1, best), best",
        (STEERING + "groups_equal_the_plain_search",)),
    Bug(9, "a group avoids what it cannot keep", "search/groups.py",
        "kept.to(chosen)", "values[group].isfinite().to(chosen)", (STEERING + "groups_equal_the_plain_search",)),
    Bug(2, "a group avoids what other sentences chose", "search/groups.py",
        "owners, places = members // groups, members % groups", "owners, places = members * 0, members % groups",
        (STEERING + "groups_equal_the_plain_search",)),
    Bug(11, "two groups give the same hypothesis", "search/groups.py",
        "if each is own[", "if each or own[", (STEERING + "a_group_avoids_what_those_before_it_chose",)),
    Bug(20, "diversity is ignored", "translation/options.py",
        'given.get("diversity", 0.5)', "0.0", (STEERING + "diverse_translations_are_more_different",)),
    Bug(16, "a sample's utility is not weighted by how often others came", "metrics/utility.py",
        ".score * count for", ".score for", (STEERING + "the_least_risk_by_hand",), every=True),
    Bug(17, "a text in Moses' format can end its field", "bulk/layout.py",
        '.replace("|", "&#124;")', "", (STEERING + "moses_reads_the_n_best",)),
    Bug(8, "what is begun of a string does not follow its hypothesis", "search/written.py",
        "begun = self._states[sentences].gather(1, parents)", "begun = self._states[sentences][:, :1].expand_as(parents)",
        (STEERING + "no_spelling_of_a_string_is_written",)),
    Bug(20, "a string that ends another one is not avoided", "search/avoidance.py",
        "self._ends[state] |= self._ends[self._suffix[state]]", "pass",
        (STEERING + "a_string_within_another_is_found_as_well",)),
    Bug(20, "samples follow no rules", "search/sampling.py",
        "self._written.apply(logits.flatten(0, 1), log_probs.flatten(0, 1).to(wide), slots)", "pass",
        (STEERING + "samples_follow_the_rules", STEERING + "no_piece_of_a_translation_comes_twice"), every=True),
]  # fmt: skip

CONSTRAINED = [
    Bug(2, "progress stays when a sentence leaves the batch", "search/allocation.py",
        "[self._progress[sentence] for sentence in sentences]", "self._progress[: len(sentences)]",
        (CONSTRAINTS + "constraints_equal_the_plain_search",)),
    Bug(8, "progress does not follow its hypothesis", "search/allocation.py",
        "own.advance(known[parent], token)", "own.advance(known[0], token)", (CONSTRAINTS + "constraints_equal_the_plain_search",)),
    Bug(9, "the best continuation of each hypothesis is no candidate", "search/allocation.py",
        "torch.cat([ranked.indices[at], best,", "torch.cat([ranked.indices[at], best[:, :1],",
        (CONSTRAINTS + "constraints_equal_the_plain_search",)),
    Bug(9, "more candidates of the whole beam than there are free slots", "search/allocation.py",
        "values[:, : ranked.indices.shape[1]].masked_fill_(beyond, -torch.inf)", "pass",
        (CONSTRAINTS + "finished_hypotheses_take_candidates_along",)),
    Bug(9, "what is left over goes to the first bank", "search/constraints.py",
        "sizes[-1] += slots % banks", "sizes[0] += slots % banks", (CONSTRAINTS + "allocation_by_hand",)),
    Bug(9, "slots that a bank cannot use go to the farthest", "search/constraints.py",
        "(abs(other - bank), -other)", "(-abs(other - bank), -other)", (CONSTRAINTS + "allocation_by_hand",)),
    Bug(10, "a hypothesis ends before its constraints are met", "search/allocation.py",
        "if not all(progress.met)]", "if not any(progress.met)]",
        (CONSTRAINTS + "constraints_are_always_met_where_the_length_allows_it",)),
    Bug(11, "of what is cut, one that lacks a constraint comes first", "search/beam.py",
        "sorted(found, key=partial(_unmet, constraints))[:nbest]", "found[:nbest]",
        (CONSTRAINTS + "constraints_equal_the_plain_search", CONSTRAINTS + "constraints_are_always_met_where_the_length_allows_it"),
        every=True),
    Bug(20, "what is begun and not gone on with stays met", "search/constraints.py",
        "return whole + (progress.written if begun else 0)", "return whole", (CONSTRAINTS + "what_is_begun_and_not_gone_on_with_is_given_up",)),
    Bug(20, "a constraint whose last word must be complete goes on", "search/allocation.py",
        "        if ended:\n", "        if False:\n", (CONSTRAINTS + "constraints_equal_the_plain_search",)),
    Bug(7, "other rules keep a constraint out", "search/allocation.py",
        "log_probs[rows, columns] = model[rows, columns]", "pass",
        (CONSTRAINTS + "constraints_equal_the_plain_search",)),
    Bug(26, "pieces of constraints are not in the shortlist", "translation/steering.py",
        "[*source.prefix.ids, *chain(*source.wanted.pieces.tokens)]", "[*source.prefix.ids]",
        (CONSTRAINTS + "a_translation_has_its_constraints",)),
    Bug(12, "a maximum by the source's length leaves constraints no room", "translation/options.py",
        "given = prefix + constraints", "given = prefix", (CONSTRAINTS + "a_maximum_by_the_source_has_room_for_constraints",)),
    Bug(17, "a constraint in Chinese begins with a space", "translation/constraints.py",
        "writer.encode_inside(stripped) if is_unspaced", "writer.encode(stripped) if is_unspaced",
        (CONSTRAINTS + "a_constraint_of_a_script_without_spaces_begins_no_word",), every=True),
    Bug(17, "a term is found within a word", "text/glossary.py",
        "return not _is_mark(text[place]) and not (", "return not (False and ", (CONSTRAINTS + "terms_are_whole_words",)),
    Bug(17, "a shorter term hides a longer one", "text/glossary.py",
        "sorted(found, reverse=True)", "sorted(found)", (CONSTRAINTS + "terms_are_whole_words",)),
    Bug(20, "the terms of a glossary are ignored", "bulk/job.py",
        "        if job.glossary is not None:\n            found =", "        if False:\n            found =",
        (CONSTRAINTS + "the_command_takes_columns_json_and_terms",)),
]  # fmt: skip

COMPARISONS = [
    Bug(27, "the variation between trainings has no say", "comparison/statistics.py",
        "p_corrected=max(p_bootstrap, p_randomisation, p_seeds or 0.0)", "p_corrected=max(p_bootstrap, p_randomisation)",
        (STATISTICS + "the_largest_p_counts",)),
    Bug(27, "a few sentences that differ are a finding", "comparison/statistics.py", "least=-_TIE", "least=_TIE",
        (STATISTICS + "few_sentences_that_differ_are_no_finding",), every=True),
    Bug(27, "one seed is called a comparison", "comparison/statistics.py",
        "alone = min(own.count, other.count) < 2", "alone = False",
        (STATISTICS + "one_seed_cannot_speak_for_training",)),
    Bug(27, "only the first seed is compared", "comparison/statistics.py",
        "difference = _difference(first, runs[name])", "difference = _difference(first[:1], runs[name][:1])",
        (STATISTICS + "contrasts_put_the_tests_together",)),
    Bug(27, "many comparisons are judged as one", "comparison/statistics.py",
        "(len(p_values) - rank) * p_values[place]", "p_values[place]",
        (STATISTICS + "holm_by_hand",)),
    Bug(27, "a run counts twice", "comparison/plan.py",
        "if len(set(self.seeds)) < len(self.seeds):", "if False:",
        ("tests/test_comparison.py::test_bad_grids_are_explained",), only="seeds"),
]  # fmt: skip

MIXING = "tests/test_mixing.py::test_"
SHARES = (MIXING + "an_epoch_has_as_many_draws_as_pairs",)
DRAWN_AGAIN = (MIXING + "no_pair_is_drawn_again_before_all_others_were",)
TEXT_ORDERS = (MIXING + "each_text_each_pass_and_each_seed_has_an_order_of_its_own",)
TOLD = (MIXING + "what_is_told_of_each_text_adds_up",)
WITH_TAG = (MIXING + "a_tag_is_one_piece_before_each_source_of_its_text",)
UNDER_TAG = (MIXING + "a_translation_and_its_score_agree_under_a_tag",)
FOUND_POOL = (MIXING + "a_pool_is_found_again_from_its_place_alone",)

SEVERAL = [
    Bug(20, "data.temperature is the exponent itself", "training/mixing.py", "size ** (1 / data.temperature) if",
        "size ** data.temperature if", SHARES),
    Bug(20, "remainders of shares are lost", "training/mixing.py", "for index in by_remainder[: total - sum(draws)]:",
        "for index in by_remainder[:0]:", SHARES),
    Bug(20, "the smallest remainder is rounded up", "training/mixing.py", "draws[index] - exact[index])",
        "exact[index] - draws[index])", SHARES),
    Bug(18, "every epoch draws the first pairs of a text", "training/mixing.py",
        "start, end = epoch * text.draws, (epoch + 1) * text.draws", "start, end = 0, text.draws", DRAWN_AGAIN),
    Bug(24, "each pass over a text has the same order", "training/mixing.py", 'derive_seed(seed, turn, f"order {text.label}")',
        'derive_seed(seed, 0, f"order {text.label}")', TEXT_ORDERS),
    Bug(24, "texts of one size have one order", "training/mixing.py", 'derive_seed(seed, turn, f"order {text.label}")',
        'derive_seed(seed, turn, "order")', TEXT_ORDERS),
    Bug(20, "every text has the first one's tag", "training/epoch.py", "tags = [tag for _, rows, tag in drawn for _ in rows]",
        "tags = [drawn[0][2] for _, rows, _ in drawn for _ in rows]", WITH_TAG),
    Bug(20, "a tag is in the target's vocabulary too", "text/tokenizer.py", "Tokenizer.train(target, config), joint=False)",
        "Tokenizer.train(target, tagged), joint=False)", WITH_TAG),
    Bug(20, "a pair under another tag is a duplicate", "training/data.py", "seen[spec.tag])", "seen[None])",
        (MIXING + "a_pair_of_an_earlier_text_is_a_duplicate_unless_its_tag_is_another",)),
    Bug(15, "nats of a text are those of another's tokens", "training/stepping.py", "[pool.texts[row] for row in part]",
        "[pool.texts[row] for row in part[::-1]]", TOLD),
    Bug(7, "a score does not read the tag", "translation/translator.py", "ids = [[*prefix, *row] if row else row for row in ids]",
        "ids = [[*row] for row in ids]", UNDER_TAG),
    Bug(7, "attention on the tag is a word's", "translation/word_alignment.py", "((0, 0), (len(before), 1))",
        "((0, 0), (0, 1 + len(before)))", UNDER_TAG),
    Bug(20, "a validation does not translate under its tag", "training/validation.py",
        "beam_size=training.validation_beam_size, tag=tag", "beam_size=training.validation_beam_size", (MIXING + "a_validation_is_translated_under_its_tag",)),
    Bug(14, "the mean of perplexities is that of the numbers", "training/validation.py",
        "math.exp(sum(math.log(each.perplexity) for each in found) / len(found))",
        "sum(each.perplexity for each in found) / len(found)",
        (MIXING + "the_scores_of_several_texts_are_their_mean_or_those_of_one",)),
    Bug(20, "training.criterion_text is ignored", "training/validation.py",
        "return Validation.of_texts(found, loaded.config.training.criterion_text)", 'return Validation.of_texts(found, "")',
        (MIXING + "the_criterion_is_on_the_text_that_the_config_names",)),
    Bug(18, "the place of a pool counts the first pair of the next", "training/streams.py",
        "reader.place_before() if index == owner", "reader.place_after() if index == owner", FOUND_POOL, every=True),
    Bug(18, "a resume begins the turns anew", "training/streams.py", "heapq.merge(*spread), skip, None)",
        "heapq.merge(*spread), 0, None)", FOUND_POOL, every=True),
    Bug(18, "an epoch begins its weighted streams anew", "training/pool.py",
        "TextPlace(each.turns, each.rows) for label", "TextPlace() for label",
        (MIXING + "weighted_streams_give_their_share_after_the_filters_and_begin_anew",)),
    Bug(18, "a state forgets how far each text is", "training/trainer.py",
        "place = Place(at.pool, at.rows, at.removed, at.draws, at.texts)", "place = Place(at.pool, at.rows, at.removed, at.draws)",
        (MIXING + "a_stopped_run_with_a_stream_goes_on_bit_for_bit",)),
    Bug(18, "streams are read one after the other", "training/streams.py", "((2 * turn + 1) / (2 * draws), index)",
        "(float(index), index)", (MIXING + "a_stream_and_a_text_in_memory_are_each_read_once_an_epoch",)),
]  # fmt: skip

VECTORS = "tests/test_vectors.py::test_"
FILE_OF_VECTORS = (VECTORS + "a_file_is_read", VECTORS + "what_is_written_is_read")
WRONG_VECTORS = (VECTORS + "what_is_wrong_in_a_file_is_named",)
ROWS = (VECTORS + "rows_of_pieces_begin_with_their_vectors_and_all_else_as_ever",)
RESUMED_VECTORS = (VECTORS + "a_resumed_run_is_the_uninterrupted_run_and_reads_no_vectors",)
WITH_START = (VECTORS + "an_embedding_has_the_start_models_values_or_vectors",)

WORD_VECTORS = [
    Bug(17, "a word of a vector ends at its first space", "text/vectors.py", "line.rsplit(None, dimension)",
        "line.split(None, dimension)", FILE_OF_VECTORS),
    Bug(17, "lines of vectors are split at all that Unicode calls a space", "text/vectors.py", "line.rsplit(None, dimension)",
        "[each.encode() for each in line.decode('utf-8', 'ignore').rsplit(None, dimension)]", FILE_OF_VECTORS),
    Bug(17, "the last vector of a word counts", "text/vectors.py",
        "                duplicates += 1\n            elif word", "                duplicates += 1\n            if word", FILE_OF_VECTORS),
    Bug(17, "a line that is too short for a vector is skipped", "text/vectors.py",
        "if len(parts) == dimension and line[:1].isspace():", "if len(parts) <= dimension:", WRONG_VECTORS),
    Bug(17, "longer vectors are cut", "text/vectors.py", "if found != dimension:", "if found < dimension:", WRONG_VECTORS),
    Bug(17, "a vector with a NaN is taken", "text/vectors.py", "if not np.isfinite(vector).all():",
        "if np.isinf(vector).any():", WRONG_VECTORS),
    Bug(17, "a vector that float32 cannot hold is taken", "text/vectors.py", "if not np.isfinite(vector).all():",
        "if np.isnan(vector).any():", WRONG_VECTORS),
    Bug(18, "a resume reads the vectors", "training/trainer.py", "lambda: [] if run.resumed else find_vectors(",
        "lambda: find_vectors(", RESUMED_VECTORS),
    Bug(18, "a resume looks for the vectors", "training/trainer.py", "lambda: None if begun else check_vectors(config)",
        "lambda: check_vectors(config)", RESUMED_VECTORS),
    Bug(18, "a resume takes other vectors", "training/run.py", '"training.start_parts", "training.source_vectors", ',
        '"training.start_parts", ', RESUMED_VECTORS),
    Bug(20, "vectors are read and not used", "training/stepping.py", "            each.copy_into(model)\n", "            pass\n", ROWS,
        every=True),
    Bug(20, "the vectors of the target are the source's rows", "training/vectors.py", 'return f"{side}_embedding.weight"',
        'return "source_embedding.weight"', ROWS),
    Bug(20, "vectors replace a start model's embedding", "training/trainer.py",
        "    check_vectors_of_start(config, model)\n", "", WITH_START),
    Bug(20, "vectors replace a start model's output layer, which is the embedding", "training/vectors.py",
        "if parameter is model.get_parameter(_weight(side))]", "if name == _weight(side)]", WITH_START),
    Bug(20, "the share of a text that has vectors is that of its vocabulary", "training/vectors.py",
        "known + int(counts[rows].sum()), total + int(counts.sum())",
        "known + int((counts[rows] > 0).sum()), total + int((counts > 0).sum())", (VECTORS + "the_log_tells_what_was_found",)),
    Bug(20, "a shared table counts the text of one side", "training/vectors.py",
        '_SIDES if config.model.tie == "all" else (side,)', "(side,)", (VECTORS + "a_shared_table_counts_the_text_of_both_sides",)),
    Bug(20, "a comparison finds out late that vectors are missing", "comparison/comparison.py",
        "                check_vectors(run.config)\n", "", (VECTORS + "a_comparison_looks_for_vectors_before_its_first_run",)),
    Bug(22, "the vector of the word comes before that of the piece", "text/vectors.py", "return [piece, word] if",
        "return [word, piece] if", (*ROWS, VECTORS + "a_piece_has_the_vector_of_its_own_string_before_that_of_its_word")),
    Bug(22, "pieces are looked for in lower case", "text/vectors.py", "word = piece.removeprefix(SPACE)",
        "word = piece.removeprefix(SPACE).lower()", (VECTORS + "a_piece_has_the_vector_of_its_own_string_before_that_of_its_word",)),
    Bug(22, "a piece has the vector of another", "training/vectors.py", "[self.rows] = torch",
        "[self.rows[::-1]] = torch", ROWS),
    Bug(23, "a model card tells where the vectors lay", "checkpoint/card.py", "those of {code_span(Path(name).name)}",
        "those of {code_span(name)}", (VECTORS + "the_card_tells_of_vectors_and_no_path",)),
    Bug(23, "the settings of a model card have the path of the vectors", "checkpoint/card.py",
        '"source_vectors", "target_vectors"', '"source_vectors"', (VECTORS + "the_card_tells_of_vectors_and_no_path",)),
]  # fmt: skip

GUIDED_TESTS = "tests/test_guided.py::test_"
MAPPED = (GUIDED_TESTS + "links_of_words_are_links_of_all_their_pieces",)
KEPT_LINKS = (GUIDED_TESTS + "filters_keep_the_links_of_their_pairs",)
POOLED = (GUIDED_TESTS + "links_of_a_pool_are_those_of_its_pairs",)
BY_HAND = (GUIDED_TESTS + "the_loss_of_every_mechanism_is_the_one_by_hand",)

GUIDED = [
    Bug(5, "links lead to words in place of their pieces", "text/word_links.py", "owned[1].T @ linked @ owned[0]", "linked", MAPPED),
    Bug(5, "a sampled piece is one letter long", "text/regularisation.py", "ends.append(start + len(text))", "ends.append(start + 1)",
        (GUIDED_TESTS + "spans_of_sampled_pieces_are_their_letters",), every=True),
    Bug(5, "a tag before the source takes over the first word's links", "training/mixing.py", "piece + len(prefix) for place", "piece for place",
        POOLED, every=True),
    Bug(6, "the step after the one that predicts a piece is guided", "batching.py", "sentence), targets, sources], axis=1)",
        "sentence), targets + 1, sources], axis=1)", MAPPED),
    Bug(14, "each of several links has a whole attention", "batching.py", "1 / np.bincount(targets)[targets]", "np.ones(len(targets))", MAPPED),
    Bug(14, "the alignment loss is told and not minimised", "nn/model.py", "loss.total + guide_weight * alignment", "loss.total",
        BY_HAND, every=True),
    Bug(15, "only the first part of a step tells its alignment loss", "training/stepping.py",
        "alignment += 0.0 if loss.alignment is None else", "alignment += 0.0 if loss.alignment is None or place > 1 else",
        (GUIDED_TESTS + "parts_of_a_step_learn_as_the_whole_does",)),
    Bug(17, "a dropped pair leaves its links to the next", "text/corpus.py", "kept.append(number)", "kept.append(len(kept))",
        (GUIDED_TESTS + "a_pair_keeps_its_links_where_others_are_dropped",)),
    Bug(17, "a pair that a filter removes leaves its links to the next", "text/encoding.py", "Ids(rows[row] for row in kept) for rows in links",
        "Ids(rows) for rows in links", KEPT_LINKS),
    Bug(18, "a resume does not see other links", "training/data.py", "name: links_fingerprint(text.links)", 'name: ""',
        (GUIDED_TESTS + "a_resume_sees_changed_links",)),
    Bug(20, "training.guided_alignment_weight is ignored", "training/stepping.py", "guide, training.guided_alignment_weight",
        "guide, 0.1", (TRAINING_KEYS + "[guided_alignment_weight]",)),
    Bug(20, "data.train.alignment_inverse is ignored", "text/corpus.py", "inverse=spec.alignment_inverse", "inverse=False",
        (GUIDED_TESTS + "a_training_reads_what_align_writes",)),
    Bug(21, "a weight of zero has an infinite loss", "nn/loss.py", ".clamp(min=LEAST_WEIGHT)", "",
        (GUIDED_TESTS + "a_weight_of_zero_is_bounded_and_has_no_gradient",)),
    Bug(22, "encoded text is cached without its links", "text/encoding.py", 'inputs += f" {links_fingerprint(corpus.links)}"', 'inputs += " links"',
        (GUIDED_TESTS + "the_cache_knows_the_links",)),
]  # fmt: skip

BUGS = sorted(
    [
        *MASKING, *BATCHES, *ENCODER, *ORDER, *FORCING, *STATE, *SEARCH, *LOSSES_OF_TRAINING, *SCORES, *LINES, *RESUMING,
        *SWITCHES, *OPTIONS, *EMPTY, *FILES, *SEEDS, *SHORTLISTS, *INDEXED, *CONTINUED, *POINTER, *STEERED, *COMPARISONS,
        *CONSTRAINED, *SEVERAL, *WORD_VECTORS, *GUIDED,
    ],
    key=lambda bug: bug.pitfall,
)  # fmt: skip
