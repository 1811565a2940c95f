"""Bugs that would break a promise of README.md, in the form of bugs.py; pitfalls.py puts them in as well.

Their numbers go on after those of the pitfalls: 28 bulk translation, 29 streaming, 30 trackers, 31 the same numbers and
gradients from what is written for speed.
"""

# ruff: noqa: E501  # what is replaced is as long as it is

from __future__ import annotations

from bugs import STREAMING, Bug

BULK = "tests/test_bulk.py::test_"
KILLED = (BULK + "killed_three_times_and_the_same_bytes",)
RANKS = (BULK + "processes_of_torchrun_are_killed_in_turn_and_the_next_go_on",)
DURABLE = (BULK + "a_commit_is_on_the_disk_before_the_journal_speaks_of_it",)
KNOWN = (BULK + "every_part_of_the_identity_is_compared",)
CHOICES = (BULK + "every_choice_is_compared",)
ORDER = (BULK + "workers_keep_order_and_every_byte",)
CUTS = (BULK + "cuts_depend_on_the_text_alone",)
LONG = (BULK + "what_is_too_long_depends_on_the_text_alone",)
FOUND_AGAIN = (STREAMING + "a_pool_is_found_again_from_its_place_alone",)
FAST = "tests/test_fast_paths.py::test_"
CELL = (FAST + "a_sequence_equals_torchs", FAST + "a_loop_equals_torchs_cell")
LOOPS = (FAST + "training_has_the_gradients_of_the_steps_of_search",)
REPEATED = (FAST + "repeated_tensors_have_autograds_gradients",)
ENERGIES = (FAST + "additive_energies_equal_the_formula",)
CANCEL = (FAST + "a_query_and_a_key_that_cancel",)
UNTOUCHED = (FAST + "a_gradient_that_comes_back_is_not_written_over",)
DRAWN = (STREAMING + "subwords_are_drawn_anew_for_each_pool_epoch_and_side",)

TRANSLATED = [
    Bug(28, "workers' translations come as they are done", "cli/workers.py",
        "            elif given in done:\n                yield _value(done.pop(given))",
        "            elif done:\n                yield _value(done.pop(next(iter(done))))", ORDER),
    Bug(28, "a quick worker may be far ahead of a slow one", "cli/workers.py", "taken - given < self._limit", "True",
        (BULK + "a_quick_worker_is_not_far_ahead_of_a_slow_one",)),
    Bug(28, "workers take Ctrl-C as well", "cli/workers.py", "signal.SIG_BLOCK, {signal.SIGINT}", "signal.SIG_BLOCK, set()",
        (BULK + "no_worker_takes_ctrl_c",)),
    Bug(28, "the first worker takes Ctrl-C as well", "cli/workers.py", "        resource_tracker.ensure_running()\n", "",
        (BULK + "no_worker_takes_ctrl_c",)),
    Bug(28, "each worker has all threads", "cli/workers.py", "threads=job.threads or 1", "threads=job.threads",
        (BULK + "a_worker_has_one_thread_unless_told_otherwise",)),
    Bug(28, "workers with different models translate together", "cli/workers.py",
        "if any(other != first for other in others):", "if False:", (BULK + "those_who_translate_must_have_the_same_models",)),
    Bug(28, "processes with different models translate together", "cli/workers.py",
        "if any(one != found[0] for one in found):", "if False:", (BULK + "those_who_translate_must_have_the_same_models",)),
    Bug(28, "the processes of torchrun take each other's turns", "cli/workers.py",
        "turn[self.processes.index] if", "turn[-1 - self.processes.index] if", RANKS),
    Bug(28, "a lost process is a traceback", "cli/workers.py", "        with processes.explained(hint):", "        if True:", RANKS),
    Bug(28, "the processes of torchrun begin anew", "cli/translate.py",
        "chunks = _after(lead(begin), job.chunks(lines))", "lead(begin)\n        chunks = job.chunks(lines)", RANKS),
    Bug(28, "a process that torchrun ends says nothing", "cli/workers.py",
        "        if not processes.first:  # which says more", "        if False:",
        (BULK + "a_process_that_torchrun_ends_says_how_to_go_on",)),
    Bug(28, "the journal comes before what it counts", "cli/part.py",
        "            os.fsync(self._file.fileno())\n            update", "            update", DURABLE),
    Bug(28, "the final name is not on the disk", "cli/part.py", "            sync_names(self._target.parent)\n", "", DURABLE),
    Bug(28, "the journal is written in place", "cli/part.py",
        'waiting = self._journal_path.with_name(self._journal_path.name + ".new")\n        with',
        "waiting = self._journal_path\n        with", DURABLE),
    Bug(28, "what a kill left half-written is kept", "cli/part.py",
        "            self._file.truncate(self.journal.bytes)\n            self._file.seek(self.journal.bytes)\n",
        "            self._file.seek(0, 2)\n", KILLED),
    Bug(28, "two runs share an output", "cli/part.py", "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass",
        (BULK + "two_runs_do_not_share_an_output",)),
    Bug(28, "another run goes on", "cli/part.py", "        if changes:", "        if False:",
        (BULK + "another_run_cannot_go_on", *KNOWN, *CHOICES), every=True),
    Bug(28, "a part that has lost its end goes on", "cli/part.py",
        "if size < found.bytes and not self._renamed():", "if False:", (BULK + "a_damaged_journal_or_part_is_refused",)),
    Bug(28, "a run that cannot begin removes what another left", "cli/part.py",
        "if not self._journal_path.exists() and not os.fstat(self._file.fileno()).st_size:", "if True:",
        (BULK + "what_cannot_begin_leaves_a_stopped_run_alone",)),
    Bug(28, "a run killed after the rename cannot go on", "cli/part.py",
        'self._write(self.journal.model_copy(update={"complete": True}))', "pass",
        (BULK + "a_run_killed_while_it_finished_has_nothing_left_to_translate[after the rename]",)),
    Bug(28, "another text goes on", "cli/chunks.py", "if lines and (end, found) != (lines, sha256):", "if False:",
        (BULK + "another_run_cannot_go_on",)),
    Bug(28, "a file is cut by the blocks in which it is read", "cli/job.py", "fixed=os.path.isfile(self.source)", "fixed=False",
        (BULK + "a_file_is_cut_by_lines_and_not_by_blocks",)),
    Bug(28, "long lines fill a chunk without a limit", "cli/chunks.py", " or watched.taken - begin >= _MOST_BYTES", "", CUTS),
    Bug(28, "samples are seeded by the place in the chunk", "cli/job.py", "first=chunk.before", "first=0",
        (BULK + "samples_do_not_depend_on_the_chunks",)),
    Bug(28, "the seed of samples is not compared", "cli/job.py",
        "[*job.search.items(), *(job.drawing or {}).items()]", "[*job.search.items()]", CHOICES, every=True, only="seed or temperature"),
    Bug(28, "the versions are not compared", "cli/job.py",
        ', "seq2seq": __version__} | translator.numerics()', "}", KNOWN),
    Bug(28, "a model is known by its config alone", "cli/job.py", '[tree["files"], tree["config"]]', '[tree["config"]]',
        (BULK + "a_model_is_known_by_what_it_translates_with",)),
    Bug(28, "a model is known by what is written about it", "cli/job.py", '[tree["files"], tree["config"]]', "tree",
        (BULK + "a_model_is_known_by_what_it_translates_with",)),
    Bug(28, "a line without an end is read for ever", "cli/chunks.py", " or problem == ENDLESS", "",
        (BULK + "a_line_without_an_end_is_refused_before_it_ends",)),
    Bug(28, "an enormous line is cut where a block ends", "cli/streams.py",
        "yield line[:CUT] if len(line) >= CUT else line", "yield line", LONG),
    Bug(28, "the end of an enormous line is a line", "cli/streams.py", "ended = lines[1:] if dropping else lines",
        "ended = lines", LONG),
]  # fmt: skip

STREAMED = [
    Bug(29, "subwords of every pool are drawn alike", "training/epoch.py", 'f"{side} {end.pool}"', 'f"{side}"', DRAWN),
    Bug(29, "shards have one order", "training/epoch.py",
        'draw(config.training.seed, number, "shards")', 'draw(config.training.seed, 0, "shards")',
        (STREAMING + "shards_come_in_another_order_each_epoch",)),
    Bug(29, "the order of shards knows no seed", "training/epoch.py",
        'draw(config.training.seed, number, "shards")', 'draw(1, number, "shards")',
        (STREAMING + "shards_come_in_another_order_each_epoch",)),
    Bug(29, "a resume begins the stream anew", "training/epoch.py", "order, start.rows)", "order, 0)", FOUND_AGAIN, every=True),
    Bug(29, "places count the pairs that are kept", "training/epoch.py",
        "            pairs.append(item)\n        rows += 1", "            pairs.append(item)\n            rows += 1",
        FOUND_AGAIN, every=True),
    Bug(29, "a resume forgets what was left out", "training/epoch.py", "Counter(start.removed)", "Counter()",
        FOUND_AGAIN, every=True),
    Bug(29, "shards are read one after the other", "text/streaming.py", "TOGETHER = 8", "TOGETHER = 1",
        (STREAMING + "a_pool_mixes_shards",)),
    Bug(29, "the fingerprint knows one side", "text/streaming.py",
        'f"{row.source}\\n{row.target}\\n"', 'f"{row.target}\\n"',
        (STREAMING + "the_fingerprint_feels_every_sentence_and_where_shards_end",)),
    Bug(29, "the fingerprint does not know where shards end", "text/streaming.py", '        digest.update(b"\\0")\n', "",
        (STREAMING + "the_fingerprint_feels_every_sentence_and_where_shards_end",)),
    Bug(29, "tokenizers learn from the first pairs", "text/streaming.py",
        "elif (place := generator.randrange(pairs)) < wanted:", "elif (place := generator.randrange(pairs)) < 0:",
        (STREAMING + "the_tokenizers_learn_from_a_sample_of_all_pairs",)),
    Bug(29, "tokenizers learn from the last pairs", "text/streaming.py",
        "generator.randrange(pairs)", "generator.randrange(wanted)",
        (STREAMING + "the_tokenizers_learn_from_a_sample_of_all_pairs",)),
    Bug(29, "shards have the order in which the folder lists them", "text/streaming.py", "return sorted(files), str",
        "return sorted(files, reverse=True), str", (STREAMING + "shards_have_the_order_of_their_names_and_one_kind",)),
    Bug(29, "a bad line is counted from where the reading began", "text/streaming.py",
        "start=self.start + passed + 1)", "start=self.start + 1)",
        (STREAMING + "a_bad_row_after_those_that_are_passed_has_its_own_number",)),
    Bug(29, "bytes that are no text are a traceback", "text/hub.py", "except UnicodeDecodeError:", "except ZeroDivisionError:",
        (STREAMING + "bytes_that_are_no_text_in_a_table_are_named_or_dropped",)),
    Bug(29, "JSON is read in blocks", "text/streaming.py",
        'self._lines_of(shard) if ".jsonl" in shard.suffixes[-2:] else self._tables_of(shard)', "self._tables_of(shard)",
        (STREAMING + "a_line_that_is_no_json_is_named_or_dropped",), every=True),
    Bug(30, "TensorBoard shows steps twice after a kill", "training/reports.py",
        ', init_kwargs={"tensorboard": {"purge_step": step + 1}}', "",
        ("tests/test_training.py::test_tensorboard_shows_every_step_once_after_a_kill",)),
]  # fmt: skip

QUICK = [
    Bug(31, "biases are not doubled beside their weights", "nn/recurrent.py",
        "(doubled(self.cell, parameter) for", "(doubled(self.cell, parameter) if parameter.ndim == 2 else parameter for",
        CELL, every=True),
    Bug(31, "another gate is doubled", "nn/cells.py", '"gru": 2}', '"gru": 0}', CELL, every=True, only="gru"),
    Bug(31, "an LSTM's cell goes back without its forget gate", "nn/cells.py", "    to_cell.mul_(f)\n", "",
        CELL, every=True, only="lstm"),
    Bug(31, "the reset gate does not weigh what goes back", "nn/cells.py",
        "to_inner.chunk(3, dim=-1)[2].mul_(r)", "pass", CELL, every=True, only="gru"),
    Bug(31, "a step writes over the gradient that it was given", "nn/steps.py",
        "gradients[1].clone()\n        room", "gradients[1]\n        room", UNTOUCHED),
    Bug(31, "a loop's record and its graph hold each other", "nn/steps.py", "ctx.record = record\n        return matrix",
        "ctx.record, record.node = record, ctx\n        return matrix",
        (FAST + "what_a_loop_recorded_goes_with_its_last_output",)),
    Bug(31, "steps that no gradient reaches have what memory held", "nn/steps.py", "held[position] = 0", "pass",
        (FAST + "a_loop_of_which_only_a_step_is_asked",), every=True),
    Bug(31, "a sequence writes over the gradient that it was given", "nn/cells.py",
        "gradients[1].clone()\n        to_gates, to_state", "gradients[1]\n        to_gates, to_state", UNTOUCHED),
    Bug(31, "a loop forgets a bias where nothing is known before", "nn/recurrent.py",
        'offset = bias + inner_bias if cell == "lstm" else bias', "offset = bias", (FAST + "a_loop_equals_torchs_cell",), every=True, only="lstm"),
    Bug(31, "what is known before is that of the first position", "nn/steps.py",
        "else self.offset[position]", "else self.offset[0].clone()", LOOPS, every=True, only="bahdanau or feeding"),
    Bug(31, "every position of a loop drops what the first drops", "nn/decoder.py",
        "outputs * noise[position]", "outputs * noise[0]",
        (FAST + "dropout_falls_on_every_layer_and_position",), every=True, only="bahdanau or feeding"),
    Bug(31, "a loop drops nothing", "nn/decoder.py",
        "outputs if noise is None else outputs * noise[position]", "outputs",
        (FAST + "dropout_falls_on_every_layer_and_position",), every=True, only="bahdanau or feeding"),
    Bug(31, "what dropout keeps is not scaled", "nn/recurrent.py", ".mul_(2**16 / max(kept, 1))", "",
        (FAST + "dropout_keeps_its_share_and_the_mean",), every=True, only="not 0.001"),
    Bug(31, "gradients that were added up in place are lost", "nn/repeated.py", "if ctx.sum is not None:", "if False:",
        (FAST + "additive_gradients_numerically",), every=True),
    Bug(31, "the products of one step make the whole gradient", "nn/repeated.py", "zip(*ctx.factors, ", "zip(*ctx.factors[:1], ",
        (*REPEATED, *LOOPS), every=True,
        only="not additive and not coverage and not luong and not monotonic and not heads"),
    Bug(31, "the first step of a loop makes the whole gradient", "nn/steps.py",
        "self.left.flatten(0, 1).t() @ flat", "self.left[0].t() @ right[0]",
        (FAST + "a_loop_equals_torchs_cell", *LOOPS), every=True, only="not luong-"),
    Bug(31, "what autograd brings for a repeated tensor is lost", "nn/repeated.py",
        "made = [] if gradients[0] is None else [gradients[0]]", "made: list[Tensor] = []", REPEATED),
    Bug(31, "each step makes a gradient as large as the matrix", "nn/repeated.py",
        "return left @ matrix if node is None else _product(left.to(matrix.dtype), matrix, node)", "return left @ matrix",
        (FAST + "the_gradient_of_a_repeated_tensor_is_made_once",)),
    Bug(31, "a tensor without a gradient gets a node", "nn/repeated.py",
        "_repeat(tensor) if torch.is_grad_enabled() and tensor.requires_grad else tensor", "_repeat(tensor)",
        (FAST + "no_gradient_no_node",)),
    Bug(31, "the last queries, which fill no block, are left out", "nn/additive.py",
        "range(0, target, columns)", "range(0, target - columns + 1, columns)", ENERGIES, every=True, only="130"),
    Bug(31, "the last sentences, which fill no block, are left out", "nn/additive.py",
        "range(0, batch, rows)", "range(0, batch - rows + 1, rows)", ENERGIES, every=True, only="50"),
    Bug(31, "exp is taken of what is too large for it", "nn/additive.py", "LARGEST = 43.0", "LARGEST = 50.0", CANCEL),
    Bug(31, "the gradient of repeated keys is that of one step", "nn/additive.py",
        "to_keys = torch.zeros_like(keys) if ctx.node is None or ctx.node.sum is None else ctx.node.sum",
        "to_keys = torch.zeros_like(keys)", LOOPS, every=True, only="additive and (bahdanau or feeding)"),
    Bug(31, "the last columns, which fill no piece, are left out", "nn/wide.py",
        "range(0, len(weight), COLUMNS)", "range(0, len(weight) - COLUMNS + 1, COLUMNS)", (FAST + "log_probs_in_pieces_equal_the_plain_ones",), only="False"),
    Bug(31, "the last rows, which fill no block, are left out", "nn/wide.py",
        "range(0, len(logits), size)", "range(0, len(logits) - size + 1, size)", (FAST + "log_probs_in_pieces_equal_the_plain_ones",), only="False"),
    Bug(31, "all pairs exist at one time", "nn/additive.py", '"cpu": 1 << 19', '"cpu": 1 << 26',
        (FAST + "memory_of_additive_attention_stays_below_an_eighth",)),
]  # fmt: skip

PROMISES = [*TRANSLATED, *STREAMED, *QUICK]
