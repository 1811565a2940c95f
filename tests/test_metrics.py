"""Metrics: sacreBLEU's numbers and signatures, and none of its traps."""

import json
import logging
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
import sacrebleu
from sacrebleu.significance import PairedTest

from seq2seq.comparison.statistics import exact_matches
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.metrics.bleu_tokenizer import TOKENIZERS, choose_tokenizer, detect_writing, tokenizer_in_signature
from seq2seq.metrics.metric import METRICS
from seq2seq.metrics.scores import Metric, PairedComparison, bleu, compare_paired, evaluate
from seq2seq.metrics.scoring_rules import LONGEST_LINE
from seq2seq.metrics.segments import count_segments

REFERENCES = [
    "The old teacher gave the curious girl a book.",
    "Yesterday, it rained from morning till night.",
    "We do not know who lives in the small house.",
    "Where did you buy those seven red apples?",
    "He wants to read the letter tomorrow at ten.",
    "The Dog that bit him belongs to his brother.",
    "If the train is late, she will take the bus.",
]
OTHERS = [
    "The old teacher presented a book to the curious girl.",
    "It was raining all day long yesterday.",
    "Who lives in the small house, we do not know.",
    "Where have you bought these seven red apples?",
    "Tomorrow at ten he wants to read the letter.",
    "The dog which bit him is his brother's dog.",
    "She will take the bus if the train is late.",
]
GOOD = [
    "The old teacher gave the curious girl a book.",
    "Yesterday it rained from the morning till night.",
    "We do not know who is living in the small house.",
    "Where did you buy those seven apples?",
    "He wants to read the letter at ten tomorrow.",
    "the dog that bit him belongs to his brother.",
    "If the train is late, she will take the bus.",
]
BAD = [
    "The teacher gave a girl the book.",
    "Yesterday it rained.",
    "",
    "Where did you buy the red apples?",
    "He wants read a letter.",
    "The dog bit his brother.",
    "If the train is late, she takes a bus.",
]


def scorers(lowercase=False):
    return {
        "BLEU": sacrebleu.BLEU(lowercase=lowercase),
        "chrF2": sacrebleu.CHRF(lowercase=lowercase),
        "chrF2++": sacrebleu.CHRF(word_order=2, lowercase=lowercase),
        "TER": sacrebleu.TER(case_sensitive=not lowercase),
    }


# --- values, signatures, intervals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("sets", [[REFERENCES], [REFERENCES, OTHERS]], ids=["one set", "two sets"])
def test_values_and_signatures_are_sacrebleus(sets, lowercase):
    """Pitfall 16: no number without its signature."""
    results = evaluate(hypotheses=GOOD, references=sets, lowercase=lowercase, confidence=False, metrics=METRICS)
    assert [result.name for result in results] == list(METRICS)
    for result in results:
        scorer = scorers(lowercase)[result.name]
        score = scorer.corpus_score(GOOD, sets)
        assert (result.name, result.value) == (score.name, pytest.approx(score.score, abs=1e-9))
        assert result.signature == scorer.get_signature().format()
        assert f"nrefs:{len(sets)}" in result.signature
        assert ("case:lc" if lowercase else "case:mixed") in result.signature
        assert f"version:{sacrebleu.__version__}" in result.signature
        assert (result.low, result.high, result.notes) == (None, None, ())


def test_case_counts_for_every_metric_unless_lowercased():
    shouted = [line.upper() for line in REFERENCES]
    cased = evaluate(hypotheses=shouted, references=[REFERENCES], confidence=False)
    lowered = evaluate(hypotheses=shouted, references=[REFERENCES], confidence=False, lowercase=True)
    assert [result.value for result in lowered] == [100.0, 100.0, 0.0]
    assert cased[0].value < 10
    assert cased[1].value < 20
    assert cased[2].value > 80


def test_a_second_reference_set_counts():
    assert bleu(hypotheses=OTHERS, references=[REFERENCES, OTHERS]).value == 100.0
    assert bleu(hypotheses=OTHERS, references=[REFERENCES]).value < 70


def test_bleu_by_hand():
    # 7 tokens each: 6 of 7 words match, 4 of 6 bigrams, 2 of 5 trigrams, 1 of 4 four-grams; no brevity penalty.
    score = bleu(hypotheses=["the cat sat on a red mat"], references=[["the cat sat on the red mat"]], tokenize="none")
    assert score.value == pytest.approx(100 * (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25)


def test_intervals_are_sacrebleus():
    for result in evaluate(hypotheses=GOOD, references=[REFERENCES], samples=211):
        scorer = scorers()[result.name]
        score = scorer.corpus_score(GOOD, [REFERENCES], n_bootstrap=211)
        published = json.loads(score.format(width=6, signature=scorer.get_signature().format(), is_json=True))
        low = published["confidence_mean"] - published["confidence_var"]
        high = published["confidence_mean"] + published["confidence_var"]
        assert (result.low, result.high) == (
            pytest.approx(low, abs=1e-5),
            pytest.approx(high if result.name == "TER" else min(high, 100), abs=1e-5),
        )
        assert result.low < result.value < result.high
        assert result.signature == scorer.get_signature().format()
        assert "bs:211|seed:12345" in result.signature


def test_scores_and_intervals_stay_on_the_scale():
    perfect = evaluate(hypotheses=REFERENCES, references=[REFERENCES], samples=53)
    assert [result.value for result in perfect] == [100.0, 100.0, 0.0]
    assert [(result.low, result.high) for result in perfect] == [(pytest.approx(100), 100), (100, 100), (0, 0)]
    # Of seven sentences six are perfect: skewed resamples, whose mean plus half their width exceeds 100.
    skewed = evaluate(hypotheses=[*REFERENCES[:6], "Nothing."], references=[REFERENCES], samples=53, metrics=["BLEU"])
    scorer = sacrebleu.BLEU()
    score = scorer.corpus_score([*REFERENCES[:6], "Nothing."], [REFERENCES], n_bootstrap=53)
    assert score._mean + score._ci > 100.5
    assert skewed[0].high == 100.0
    poor = ["Nothing of all this is here.", *["Nothing."] * 5, REFERENCES[6]]
    score = scorer.corpus_score(poor, [REFERENCES], n_bootstrap=53)
    assert score._mean - score._ci < -0.5
    assert evaluate(hypotheses=poor, references=[REFERENCES], samples=53, metrics=["BLEU"])[0].low == 0.0
    wordy = evaluate(hypotheses=["one two three four"], references=[["five"]], samples=53, metrics=["TER"])[0]
    assert (wordy.value, wordy.low, wordy.high) == (400.0, 400.0, 400.0)


def test_the_same_call_gives_the_same_numbers():
    first, second = (evaluate(hypotheses=GOOD, references=[REFERENCES], samples=31) for _ in range(2))
    assert first == second
    first, second = (compare_paired(baseline=BAD, system=GOOD, references=[REFERENCES], samples=31) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("differing", "told"), [(0, False), (1, True), (9, True), (10, False)])
def test_a_p_of_few_sentences_that_differ_is_told_apart(differing, told):
    """Of four, all better, sacreBLEU's is 0.04 and a sign test's 0.125."""
    references = [f"this is sentence {number} of them" for number in range(30)]
    worse = [line.replace("this", "that") if row < differing else line for row, line in enumerate(references)]
    found = compare_paired(baseline=worse, system=references, references=[references], samples=31)
    note = f"the two systems differ in {differing} of 30 sentences"
    assert [any(note in each for each in one.system.notes) for one in found] == [told] * len(found)


def test_quick_bleu_is_the_bleu_of_evaluate():
    full = evaluate(hypotheses=BAD, references=[OTHERS], lowercase=True, tokenize="intl", metrics=["BLEU"], samples=2)
    quick = bleu(hypotheses=BAD, references=[OTHERS], lowercase=True, tokenize="intl")
    assert (quick.value, quick.low, quick.high) == (full[0].value, None, None)
    assert "tok:intl" in quick.signature
    assert "bs:" not in quick.signature


def test_arguments_are_keyword_only():
    for function in (evaluate, bleu, compare_paired):
        with pytest.raises(TypeError, match="positional"):
            function(GOOD, [REFERENCES])


# --- tokenizers ----------------------------------------------------------------------------------------------------


WRITTEN = {
    "en": ("spaced", "13a", "I bought three books in 東京 yesterday, all of them in Japanese."),
    "ru": ("spaced", "13a", "Вчера я купил в Москве три книги."),
    "hi": ("spaced", "13a", "मैंने कल दिल्ली में तीन किताबें खरीदीं।"),
    "digits": ("spaced", "13a", "1 2 3"),
    "zh": ("Chinese", "zh", "我昨天在北京买了三本 PyTorch 的书。"),
    "yue": ("Chinese", "zh", "我尋日喺香港買咗三本書。"),
    "ja": ("Japanese", "ja-mecab", "昨日、東京で本を三冊買いました。"),
    "katakana": ("Japanese", "ja-mecab", "ﾃﾚﾋﾞﾃﾞｱﾆﾒｦﾐﾙ"),
    "ko": ("Korean", "ko-mecab", "나는 어제 서울에서 책 세 권을 샀다."),
    "th": ("unspaced", "char", "เมื่อวานฉันซื้อหนังสือสามเล่มที่กรุงเทพฯ"),
    "lo": ("unspaced", "char", "ມື້ວານນີ້ຂ້ອຍຊື້ປຶ້ມສາມຫົວ"),
    "km": ("unspaced", "char", "ម្សិលមិញខ្ញុំបានទិញសៀវភៅបីក្បាល"),
    "my": ("unspaced", "char", "ကျွန်တော်မနေ့ကစာအုပ်သုံးအုပ်ဝယ်ခဲ့တယ်။"),
    "bo": ("unspaced", "char", "ཁ་སང་ངས་དེབ་གསུམ་ཉོས་པ་ཡིན།"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_bleu_is_counted_as_the_text_is_written(name, monkeypatch):
    """No language code is asked; one wrong character of many leaves a BLEU that says so."""
    monkeypatch.setattr("seq2seq.metrics.bleu_tokenizer._FLORES", "/nowhere")
    writing, tokenizer, line = WRITTEN[name]
    assert detect_writing([line]) == writing
    assert (choose_tokenizer([line]).name, choose_tokenizer([line]).note) == (tokenizer, None)
    if writing == "spaced" or name == "katakana":  # which has no four words
        return
    found = {one.name: one for one in evaluate(hypotheses=[line[:-3]], references=[[line]], confidence=False)}
    assert 30 < found["BLEU"].value < 100
    assert tokenizer_in_signature(found["BLEU"].signature) == tokenizer
    assert found["BLEU"].notes == ()
    assert ("asian:yes" in found["TER"].signature) == (writing in ("Chinese", "Japanese"))
    assert ("between spaces" in "".join(found["TER"].notes)) == (writing == "unspaced")


@pytest.mark.parametrize(("name", "extra"), [("ja", "ja"), ("ko", "ko")])
def test_a_dictionary_that_is_missing_gives_way_and_is_named(name, extra, monkeypatch, tmp_path):
    own, line = WRITTEN[name][1:]
    module = f"sacrebleu.tokenizers.tokenizer_{own.replace('-', '_')}.MeCab"
    monkeypatch.setattr(module, None)
    monkeypatch.setattr("seq2seq.metrics.bleu_tokenizer._FLORES", str(tmp_path / "none"))
    found = bleu(hypotheses=[line[:-2]], references=[[line]])
    assert "tok:char" in found.signature
    assert f"pip install 'sacrebleu[{extra}]'" in found.notes[0]
    assert found.value > 50
    with pytest.raises(Seq2SeqError, match=rf"'{own}' of sacreBLEU cannot be loaded: .*'sacrebleu\[{extra}\]'"):
        bleu(hypotheses=[line], references=[[line]], tokenize=own)


def test_another_dictionary_of_mecab_is_no_traceback(monkeypatch):
    class Tagger:
        def __init__(self, arguments):
            self.size = 1

        def dictionary_info(self):
            return self

    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab.Tagger", Tagger)
    with pytest.raises(Seq2SeqError, match=r"'ja-mecab' of sacreBLEU cannot be loaded: .*IPA dictionary"):
        bleu(hypotheses=["a"], references=[["a"]], tokenize="ja-mecab")
    assert choose_tokenizer([WRITTEN["ja"][2]]).name in ("char", "flores200")


def test_pieces_of_flores_are_taken_where_they_lie_and_never_fetched(monkeypatch, tmp_path):
    (tmp_path / "damaged").write_bytes(b"no model")
    for name in ("damaged", "none"):
        monkeypatch.setattr("seq2seq.metrics.bleu_tokenizer._FLORES", str(tmp_path / name))
        monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
        monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.download_file", fail_to_load)
        assert choose_tokenizer([WRITTEN["th"][2]]).name == "char"
    monkeypatch.setattr("seq2seq.metrics.bleu_tokenizer._FLORES", str(tmp_path / "damaged"))
    monkeypatch.setattr("seq2seq.metrics.bleu_tokenizer._loads", lambda name: name == "flores200")
    assert choose_tokenizer([WRITTEN["th"][2]]).name == "flores200"


def fail_to_load(*arguments):
    raise OSError("no network")


@pytest.mark.parametrize(
    ("signature", "tokenizer"),
    [
        ("nrefs:1|case:mixed|eff:no|tok:ja-mecab-0.996-IPA|smooth:exp|version:2.6.0", "ja-mecab"),
        ("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0", "13a"),
        ("tok:zh", "zh"),
        ("nrefs:1|tok:zha", None),
        ("", None),
    ],
)
def test_the_tokenizer_of_a_signature(signature, tokenizer):
    assert tokenizer_in_signature(signature) == tokenizer


def test_default_is_13a():
    assert "tok:13a" in bleu(hypotheses=GOOD, references=[REFERENCES]).signature


def test_chinese_is_counted_by_character():
    hypotheses, references = ["我昨天在北京买了三本书。"], [["我昨天在北京买了四本书。"]]
    results = evaluate(hypotheses=hypotheses, references=references, tokenize="zh", confidence=False)
    by_name = {result.name: result for result in results}
    assert by_name["BLEU"].value == pytest.approx(
        sacrebleu.BLEU(tokenize="zh").corpus_score(hypotheses, references).score
    )
    assert "tok:zh" in by_name["BLEU"].signature
    assert by_name["TER"].value == pytest.approx(100 / 12)  # one of twelve characters, the full stop included
    assert "norm:yes" in by_name["TER"].signature
    assert "asian:yes" in by_name["TER"].signature


def test_unknown_tokenizer_offers_the_nearest():
    """Pitfall 25: sacreBLEU would raise KeyError."""
    with pytest.raises(
        InputError, match=r"unknown BLEU tokenizer '13'; did you mean '13a'\? allowed: .*intl.*none.*zh"
    ):
        bleu(hypotheses=GOOD, references=[REFERENCES], tokenize="13")
    assert set(sacrebleu.BLEU.TOKENIZERS) == set(TOKENIZERS)


@pytest.mark.parametrize("error", [ImportError("pip install\n\n it"), OSError("no network"), RuntimeError("no MeCab")])
def test_tokenizer_that_cannot_be_loaded(monkeypatch, error):
    def fail(name):
        assert name == "flores101"  # the name 'spm' is deprecated, and sacreBLEU warns about it

        def raise_error():
            raise error

        return raise_error

    monkeypatch.setattr("sacrebleu.metrics.bleu._get_tokenizer", fail)
    reason = " ".join(str(error).split())
    with pytest.raises(Seq2SeqError, match=f"'flores101' of sacreBLEU cannot be loaded: {reason}") as caught:
        bleu(hypotheses=GOOD, references=[REFERENCES], tokenize="spm")
    assert caught.value.exit_code == 1


def test_unknown_metric():
    with pytest.raises(InputError, match=r"unknown metric 'chrf2\+\+'; did you mean 'chrF2\+\+'\?"):
        evaluate(hypotheses=GOOD, references=[REFERENCES], metrics=["chrf2++"])
    with pytest.raises(InputError, match="no metric to compute"):
        evaluate(hypotheses=GOOD, references=[REFERENCES], metrics=[])


# --- traps ---------------------------------------------------------------------------------------------------------


def test_short_perfect_hypotheses_have_bleu_0_and_a_note():
    """Pitfall 25: sacreBLEU's 0 stays, and is explained."""
    results = evaluate(hypotheses=["Good morning!"], references=[["Good morning!"]], confidence=False)
    assert [result.value for result in results] == [0.0, 100.0, 0.0]
    assert "no hypothesis has four tokens" in results[0].notes[0]
    assert "chrF2++" in results[0].notes[0]
    assert [result.notes for result in results[1:]] == [(), ()]
    assert compare_paired(
        baseline=["No."], system=["Good morning!"], references=[["Good morning!"]], samples=2, metrics=["BLEU"]
    )[0].system.notes


@pytest.mark.parametrize("line", ["Good morning all!", "Good morning to you"])
def test_four_tokens_need_no_note(line):
    assert bleu(hypotheses=["Hi!", line], references=[["Hi!", line]]) == Metric(
        "BLEU", 100.0, sacrebleu_signature(), None, None, ()
    )


def sacrebleu_signature():
    scorer = sacrebleu.BLEU()
    scorer.corpus_score(["a"], [["a"]])
    return scorer.get_signature().format()


def test_nothing_to_score():
    """Pitfall 25: sacreBLEU would raise IndexError."""
    with pytest.raises(InputError, match="hypotheses: no lines, nothing to score"):
        evaluate(hypotheses=[], references=[[]])
    with pytest.raises(InputError, match="no references: at least one set is needed"):
        evaluate(hypotheses=GOOD, references=[])
    with pytest.raises(InputError, match="system: no lines, nothing to score"):
        compare_paired(baseline=GOOD, system=[], references=[REFERENCES])


def test_unequal_counts():
    with pytest.raises(InputError, match="hypotheses and reference set 1 differ in length: 7 and 5 lines"):
        evaluate(hypotheses=GOOD, references=[REFERENCES[:5]])
    with pytest.raises(InputError, match="hypotheses and reference set 2 differ in length: 7 and 3 lines"):
        bleu(hypotheses=GOOD, references=[REFERENCES, OTHERS[:3]])
    with pytest.raises(InputError, match="baseline and reference set 1 differ in length: 2 and 7 lines"):
        compare_paired(baseline=GOOD[:2], system=GOOD, references=[REFERENCES])


def test_a_string_is_no_list_of_lines():
    with pytest.raises(InputError, match="references must be a list of reference sets"):
        evaluate(hypotheses=GOOD, references=REFERENCES)
    with pytest.raises(InputError, match="references must be a list of reference sets"):
        evaluate(hypotheses=GOOD, references="lines")
    with pytest.raises(InputError, match="hypotheses must be a list of lines, not one string"):
        evaluate(hypotheses="lines", references=[list("lines")])


def test_empty_lines_are_allowed():
    results = evaluate(hypotheses=[""] * 7, references=[REFERENCES], samples=3)
    assert [result.value for result in results] == [0.0, 0.0, 100.0]


@pytest.mark.parametrize("blank", ["", " \t", "\u3000\u00a0", "\u200b\ufeff", None])
def test_a_blank_line_is_no_reference(blank):
    """Each metric counts such a sentence against its other references, as if the set had none for it."""
    second = [blank, *OTHERS[1:3], blank, *OTHERS[4:]]
    alone = [0, 3]
    wrong = ["", *GOOD[1:]]
    for result in evaluate(hypotheses=wrong, references=[REFERENCES, second], samples=5, metrics=METRICS):
        doubled = [REFERENCES[row] if row in alone else line for row, line in enumerate(OTHERS)]
        same = evaluate(hypotheses=wrong, references=[REFERENCES, doubled], samples=5, metrics=[result.name])[0]
        assert (result.value, result.low, result.high) == (same.value, same.low, same.high)
        assert "nrefs:var" in result.signature
        assert result.notes == (
            "reference set 2: 2 of 7 lines are blank (line 1, 4); those sentences are scored against the other sets "
            "alone.",
        )
    for name in METRICS:
        (compared,) = compare_paired(
            baseline=BAD, system=wrong, references=[REFERENCES, second], samples=5, metrics=[name]
        )
        assert compared.system.notes
        if name != "TER":
            (counted,) = count_segments(hypotheses=[wrong], references=[REFERENCES, second], metric=name)
            assert counted.score == pytest.approx(compared.system.value)


def test_a_blank_translation_is_no_match_of_a_blank_reference():
    found = evaluate(hypotheses=[""], references=[["The dog sleeps."], [""]], confidence=False)
    assert [one.value for one in found] == [0.0, 0.0, 100.0]
    assert exact_matches(hypotheses=["", "b"], references=[["a", "b"], ["", "c"]]) == [False, True]


def test_a_sentence_without_any_reference_is_refused():
    sets = [["a", " ", "", "d"], ["", "b", "\u200b", "d"]]
    calls = [
        lambda sets: evaluate(hypotheses=["x"] * 4, references=sets),
        lambda sets: bleu(hypotheses=["x"] * 4, references=sets),
        lambda sets: compare_paired(baseline=["x"] * 4, system=["y"] * 4, references=sets),
        lambda sets: count_segments(hypotheses=[["x"] * 4], references=sets),
    ]
    for call in calls:
        with pytest.raises(InputError, match="reference sets, line 3: blank in every set, so there is nothing to"):
            call(sets)
        with pytest.raises(InputError, match=r"reference set 1, line 2: blank \(and in 1 more lines\), so there is"):
            call(sets[:1])


@pytest.mark.parametrize("line", ["▁The ▁do g ▁runs ▁away .", "The do@@ g runs away .", "The dogs run aw@@"])
def test_subword_pieces_are_refused(line):
    """Pitfall 16: in hypotheses and references."""
    lines = [*REFERENCES[:2], line]
    with pytest.raises(InputError, match=r"hypotheses, line 3: subword pieces .* in 1 of 3 lines.*decode them"):
        bleu(hypotheses=lines, references=[REFERENCES[:3]])
    with pytest.raises(InputError, match="reference set 2, line 3: subword pieces"):
        bleu(hypotheses=REFERENCES[:3], references=[REFERENCES[:3], lines])
    with pytest.raises(InputError, match="system, line 3: subword pieces"):
        compare_paired(baseline=REFERENCES[:3], system=lines, references=[REFERENCES[:3]])


def test_a_rare_block_character_is_text():
    lines = [
        *(f"This is plain line number {n}." for n in range(10)),
        "The chart shows ▁▂▃ this week, me@@example says.",
    ]
    assert bleu(hypotheses=lines, references=[lines]).value == 100.0
    assert bleu(hypotheses=["Write to me@@example today."], references=[["Write to me@@example today."]]).value == 100.0


def test_tokenised_text_gets_a_note_and_no_warning(capfd, caplog):
    """Pitfall 16: it may be meant, so it is scored."""
    lines = ["The small dog runs away ."] * 130
    plain = ["The small dog runs away."] * 130
    with caplog.at_level(logging.WARNING):
        result = bleu(hypotheses=lines, references=[plain])
        both = bleu(hypotheses=lines, references=[plain, lines])
    assert result.notes == (
        "130 of 130 hypotheses end in ' .' and look tokenised: BLEU wants plain text, "
        "or tokenize 'none' if both sides are tokenised alike.",
    )
    assert ["130 of 130 hypotheses" in both.notes[0], "130 of 130 reference lines" in both.notes[1]] == [True, True]
    assert bleu(hypotheses=lines, references=[lines], tokenize="none").notes == ()
    assert bleu(hypotheses=plain, references=[plain]).notes == ()
    assert bleu(hypotheses=[lines[0], *plain[:12]], references=[plain[:13]]).notes == ()
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


def test_letters_in_parts_on_one_side_are_told() -> None:
    plain = ["Das Mädchen schläft heute.", "Ein Hund liest ein Buch."]
    parts = [unicodedata.normalize("NFD", line) for line in plain]
    for hypotheses, reference, label in ((plain, parts, "reference lines"), (parts, plain, "hypotheses")):
        for result in evaluate(hypotheses=hypotheses, references=[reference], confidence=False):
            assert result.value not in (0, 100)
            assert [note.partition(" have")[0] for note in result.notes] == [f"1 of 2 {label}"]
            assert "(Unicode's NFD)" in result.notes[0]
    for both in (plain, parts):
        assert all(result.notes == () for result in evaluate(hypotheses=both, references=[both], confidence=False))


@pytest.mark.parametrize("seed", ["0", "-1", "many"])
def test_bad_seed_in_the_environment(monkeypatch, seed):
    monkeypatch.setenv("SACREBLEU_SEED", seed)
    for call in (
        lambda: evaluate(hypotheses=GOOD, references=[REFERENCES]),
        lambda: compare_paired(baseline=BAD, system=GOOD, references=[REFERENCES]),
    ):
        with pytest.raises(InputError, match=rf"SACREBLEU_SEED = '{seed}': a whole number from 1 on, or 'none'"):
            call()


def test_seed_in_the_environment_shows_in_the_signature(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "17")
    assert "seed:17" in evaluate(hypotheses=GOOD, references=[REFERENCES], samples=3)[0].signature
    monkeypatch.setenv("SACREBLEU_SEED", "None")
    assert "seed:none" in evaluate(hypotheses=GOOD, references=[REFERENCES], samples=3)[0].signature


@pytest.mark.parametrize("samples", [-3, 0, 1])
def test_too_few_samples(samples):
    with pytest.raises(InputError, match=f"samples = {samples}: a bootstrap takes at least 2 resamples"):
        evaluate(hypotheses=GOOD, references=[REFERENCES], samples=samples)
    with pytest.raises(InputError, match=f"samples = {samples}: a bootstrap takes at least 2 resamples"):
        compare_paired(baseline=BAD, system=GOOD, references=[REFERENCES], samples=samples)


# --- comparison ----------------------------------------------------------------------------------------------------


def test_comparison_is_sacrebleus_paired_bootstrap():
    comparisons = compare_paired(baseline=BAD, system=GOOD, references=[REFERENCES, OTHERS], samples=307)
    used = {name: scorer for name, scorer in scorers().items() if name != "chrF2"}
    systems = [("a", BAD), ("b", GOOD)]
    signatures, table = PairedTest(systems, used, [REFERENCES, OTHERS], test_type="bs", n_samples=307)()
    assert [comparison.name for comparison in comparisons] == ["BLEU", "chrF2++", "TER"]
    for comparison in comparisons:
        baseline, system = table[comparison.name]
        assert comparison.p_value == system.p_value
        assert comparison.signature == signatures[comparison.name].format()
        assert "bs:307|seed:12345" in comparison.signature
        for ours, theirs in ((comparison.baseline, baseline), (comparison.system, system)):
            assert ours.value == pytest.approx(theirs.score)
            assert ours.low == pytest.approx(theirs.mean - theirs.ci)
            assert ours.high == pytest.approx(theirs.mean + theirs.ci)
            assert ours.signature == comparison.signature


def test_lowercase_reaches_the_comparison():
    lowered = [line.lower() for line in REFERENCES]
    for lowercase, equal in ((False, False), (True, True)):
        for comparison in compare_paired(
            baseline=lowered, system=REFERENCES, references=[REFERENCES], lowercase=lowercase, samples=11
        ):
            assert (comparison.difference == 0) is equal


def test_a_system_does_not_differ_from_itself():
    """Pitfall 25: sacreBLEU finds p = 1 / (samples + 1)."""
    for comparison in compare_paired(baseline=GOOD, system=list(GOOD), references=[REFERENCES], samples=41):
        assert (comparison.p_value, comparison.difference, comparison.significant) == (1.0, 0.0, False)
        assert comparison.sentence.endswith(": no difference.")


def comparison_of(name, baseline, system, p_value):
    sides = (Metric(name, value, "signature") for value in (baseline, system))
    return PairedComparison(name, *sides, p_value=p_value)


@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        (
            comparison_of("BLEU", 37.0, 38.5, 0.0123),
            "BLEU: 38.50 against the baseline's 37.00 (+1.50, better; p = 0.0123): "
            "the choice of test sentences hardly explains the gap.",
        ),
        (
            comparison_of("chrF2++", 60.0, 59.75, 0.05),
            "chrF2++: 59.75 against the baseline's 60.00 (-0.25, worse; p = 0.0500): "
            "the choice of test sentences may well explain the gap.",
        ),
        (
            comparison_of("TER", 50.0, 45.0, 0.001),
            "TER: 45.00 against the baseline's 50.00 (-5.00, better; p = 0.0010): "
            "the choice of test sentences hardly explains the gap.",
        ),
        (
            comparison_of("TER", 45.0, 50.0, 0.3),
            "TER: 50.00 against the baseline's 45.00 (+5.00, worse; p = 0.3000): "
            "the choice of test sentences may well explain the gap.",
        ),
    ],
)
def test_comparison_in_words(comparison, sentence):
    assert comparison.sentence == sentence


def test_loads_neither_torch_nor_datasets():
    modules = "seq2seq.metrics.scores, seq2seq.metrics.links"
    code = f"import sys, {modules}; print({{'torch', 'datasets'}} & {{*sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_resamples_without_a_match_have_intervals_too() -> None:
    """Pitfall 25: sacreBLEU 2.6 mixes two kinds of number there and raises TypeError."""
    found = evaluate(hypotheses=["a b c d", "", "e"], references=[["the dog", "b", "e"]])
    assert [metric.name for metric in found] == ["BLEU", "chrF2++", "TER"]
    assert all(metric.low is not None and metric.low <= metric.high for metric in found)


LONG = " ".join(f"w{number % 40}" for number in range(1200))


def test_ter_of_very_long_lines_is_left_out_and_said() -> None:
    """What it takes grows with the square of a line: 20,000 words once took 6.4 GB."""
    texts: dict[str, Any] = {"references": [["a b", LONG]], "samples": 20}
    for found in (
        evaluate(hypotheses=["a b", "c d e f"], confidence=False, **texts),
        [one.system for one in compare_paired(baseline=["a b", "x"], system=["a b", "c d e f"], **texts)],
    ):
        assert [metric.name for metric in found] == ["BLEU", "chrF2++"]
        assert all("TER is left out: line 2 of reference set 1 has 1,200 words" in metric.notes[-1] for metric in found)
    with pytest.raises(InputError, match="TER is left out: line 2 of hypotheses has 1,200 words"):
        evaluate(hypotheses=["a", LONG], references=[["a", "b"]], metrics=["TER"])


def test_ter_counts_characters_where_there_are_no_spaces() -> None:
    found = evaluate(hypotheses=["的" * 1001], references=[["的"]], tokenize="zh", confidence=False)
    assert "has 1,001 words" in found[0].notes[-1]
    kept = evaluate(hypotheses=["a" * 1001], references=[["a"]], confidence=False)
    assert [metric.name for metric in kept] == ["BLEU", "chrF2++", "TER"]


@pytest.mark.parametrize("metric", METRICS)
def test_a_line_without_end_is_refused_by_every_metric(metric: str) -> None:
    endless = "a" * (LONGEST_LINE + 1)
    for hypothesis, reference, label in ((endless, "a", "hypotheses"), ("a", endless, "reference set 1")):
        with pytest.raises(InputError, match=f"{label}, line 2: 100,001 characters; a line is scored up to 100,000"):
            evaluate(hypotheses=["a", hypothesis], references=[["a", reference]], metrics=[metric])
    with pytest.raises(InputError, match="line 1: 100,001 characters"):
        count_segments(hypotheses=[[endless]], references=[["a"]], metric="BLEU")
