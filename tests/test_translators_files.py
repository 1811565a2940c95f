"""TMX, XLIFF and PO as text: which entries are pairs, what is left out and said so, and files that mean harm."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from pathlib import Path
from typing import Any

import pytest

from seq2seq.config import Config, CorpusConfig, DataConfig
from seq2seq.errors import InputError
from seq2seq.text import documents
from seq2seq.text.corpus import Corpus, read_corpus
from seq2seq.text.documents import nearest_code, same_language
from seq2seq.text.streaming import open_stream

OTHER = CorpusConfig(source="a", target="b")


def read(path: Path, content: str | bytes, languages: tuple[str, str] = ("de", "en"), **keys: Any) -> Corpus:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    data = DataConfig(train=OTHER, validation=OTHER, source_language=languages[0], target_language=languages[1])
    return read_corpus(CorpusConfig(dataset=str(path), **keys), data)


def pairs(corpus: Corpus) -> list[tuple[str, str]]:
    return list(zip(corpus.source, corpus.target, strict=True))


def tmx(*units: str, before: str = '<!DOCTYPE tmx SYSTEM "tmx14.dtd">') -> str:
    body = "\n".join(f"<tu>{unit}</tu>" for unit in units)
    head = '<header creationtool="t" segtype="sentence" adminlang="en" srclang="*all*" datatype="plaintext"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{before}\n<tmx version="1.4">{head}<body>\n{body}\n</body></tmx>\n'


def tuv(language: str, text: str) -> str:
    return f'<tuv xml:lang="{language}"><seg>{text}</seg></tuv>'


def xliff(*units: str, source: str = "de", target: str | None = "en") -> str:
    named = f' target-language="{target}"' if target else ""
    return (
        '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
        f'<file original="a.txt" datatype="plaintext" source-language="{source}"{named}><body>\n'
        + "\n".join(units)
        + "\n</body></file></xliff>\n"
    )


def xliff2(*units: str, languages: str = 'srcLang="de" trgLang="en"') -> str:
    found = "\n".join(f'<unit id="{number}">{unit}</unit>' for number, unit in enumerate(units))
    space = "urn:oasis:names:tc:xliff:document:2.0"
    return f'<xliff version="2.0" xmlns="{space}" {languages}><file id="f">\n{found}\n</file></xliff>\n'


def po(*entries: str, language: str | None = "en", more: str = "") -> str:
    named = f'"Language: {language}\\n"\n' if language is not None else ""
    head = f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n{named}{more}'
    return "\n".join([head, *entries])


UNIT = '<trans-unit id="1"><source>ja</source><target>yes</target></trans-unit>'
ENTRY = 'msgid "ja"\nmsgstr "yes"\n'
PLURALS = '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n'
POLISH = '"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\\n"\n'

READ: dict[str, tuple[str, str, dict[str, Any], list[tuple[str, str]], str]] = {
    # case: (suffix, content, keys, pairs, what the notes say)
    "tmx": (".tmx", tmx(tuv("de", "ja") + tuv("en", "yes"), tuv("en", "no") + tuv("de", "nein")), {},
            [("ja", "yes"), ("nein", "no")], "^$"),
    "tmx regions": (".tmx", tmx(tuv("DE-ch", "ja") + tuv("en-GB", "colour") + tuv("en-US", "color")), {},
                    [("ja", "colour")], r"de is read from DE-ch \(1\)\n.*en is read from en-GB \(1\)"),
    "tmx exact first": (".tmx", tmx(tuv("de", "ja") + tuv("en-GB", "colour") + tuv("en", "yes")), {}, [("ja", "yes")],
                        "^$"),
    "tmx region for none": (".tmx", tmx(tuv("de", "ja") + tuv("en-US", "color") + tuv("en", "yes")),
                            {"languages": ("de", "en-GB")}, [("ja", "yes")], r"en-GB is read from en \(1\)"),
    "tmx of more": (".tmx", tmx(tuv("de", "ja") + tuv("fr", "oui"), tuv("de", "ja") + tuv("en", " "),
                                tuv("fr", "oui") + tuv("de", "ja") + tuv("en", "yes")), {}, [("ja", "yes")],
                    "left out: 1 untranslated, 1 without one of the languages"),
    "tmx old lang": (".tmx", tmx('<tuv lang="de"><seg>ja</seg></tuv><tuv lang="en"><seg>yes</seg></tuv>'), {},
                     [("ja", "yes")], "^$"),
    "tmx lines": (".tmx", tmx(tuv("de", "\n  ja &amp;\n\tdoch ") + tuv("en", "yes &lt;so&gt;")), {},
                  [("ja & doch", "yes <so>")], "^$"),
    "tmx tags stripped": (
        ".tmx", tmx(tuv("de", 'W<bpt i="1">&lt;b></bpt>or<ept i="1">&lt;/b></ept>t <hi>x</hi><ph type="lb"/>z')
                    + tuv("en", "wo<ph>{0}</ph>rd<!-- no -->s")), {}, [("Wort x z", "words")], "^$"),
    "tmx tags kept": (
        ".tmx", tmx(tuv("de", 'W<bpt i="1">&lt;b></bpt>or<ept i="1">&lt;/b></ept>t <hi type="i">x</hi><ph type="lb"/>z')
                    + tuv("en", "wo<ph>{0}</ph>rd")), {"inline_tags": "keep"},
        [('W<b>or</b>t <hi type="i">x</hi><ph type="lb"/>z', "wo{0}rd")], "^$"),
    "xliff": (".xlf", xliff(UNIT), {}, [("ja", "yes")], "^$"),
    "xliff backwards": (".xlf", xliff(UNIT, source="en-GB", target="de"), {}, [("yes", "ja")], "^$"),
    "xliff without target language": (".xliff", xliff(UNIT, target=None), {}, [("ja", "yes")], "^$"),
    "xliff states": (
        ".xlf", xliff(
            UNIT,
            '<trans-unit id="2"><source>a</source></trans-unit>',
            '<trans-unit id="3"><source>b</source><target/></trans-unit>',
            '<trans-unit id="4"><source>c</source><target state="needs-review-translation">c</target></trans-unit>',
            '<trans-unit id="5"><source>d</source><target state="new">d</target></trans-unit>',
            '<trans-unit id="6" approved="no"><source>e</source><target>e</target></trans-unit>',
            '<trans-unit id="7" approved="no"><source>f</source><target state="translated">F</target></trans-unit>',
            '<trans-unit id="8" translate="no"><source>g</source><target>g</target></trans-unit>',
            '<trans-unit id="9"><source>h</source><target state="translated" state-qualifier="mt-suggestion">h</target>'
            "</trans-unit>",
            '<trans-unit id="10"><source>i</source><alt-trans><target>i</target></alt-trans></trans-unit>',
        ), {}, [("ja", "yes"), ("f", "F")], "left out: 4 fuzzy, 1 not to be translated, 3 untranslated"),
    "xliff tags": (".xlf", xliff('<trans-unit id="1"><source>Ein <g id="1">gro<x id="2"/>ßes</g> Wort</source>'
                                 '<target>a <g id="1">big<x id="2"/></g> word</target></trans-unit>'),
                   {}, [("Ein großes Wort", "a big word")], "^$"),
    "xliff tags kept": (".xlf", xliff('<trans-unit id="1"><source>Ein <g id="1">gro<x id="2"/>ßes</g> Wort</source>'
                                      '<target>a <g id="1">big<bx id="2"/></g> word</target></trans-unit>'),
                        {"inline_tags": "keep"},
                        [('Ein <g id="1">gro<x id="2"/>ßes</g> Wort', 'a <g id="1">big<bx id="2"/></g> word')], "^$"),
    "xliff 2": (
        ".xlf", xliff2(
            "<segment><source>ja</source><target>yes</target></segment>",
            '<segment state="final"><source>a <pc id="1">b</pc></source><target>A <pc id="1">B</pc></target></segment>'
            "<segment><source>nein</source></segment>",
            '<segment state="initial"><source>c</source><target>c</target></segment>',
        ), {}, [("ja", "yes"), ("a b", "A B")], "left out: 1 fuzzy, 1 untranslated"),
    "xliff 2 kept from translation": (
        ".xlf", xliff2("<segment><source>ja</source><target>yes</target></segment>").replace(
            "</file>",
            '<unit id="9" translate="no"><segment><source>x</source><target>x</target></segment></unit></file>',
        ), {}, [("ja", "yes")], "1 not to be translated"),
    "po": (".po", po(ENTRY, '#, fuzzy\nmsgid "a"\nmsgstr "b"\n', 'msgid "c"\nmsgstr ""\n',
                     '#~ msgid "d"\n#~ msgstr "e"\n', 'msgctxt "x"\nmsgid "Zeile\\n"\n"zwei"\nmsgstr "line\\ntwo"\n'),
           {}, [("ja", "yes"), ("Zeile zwei", "line two")], "left out: 1 fuzzy, 1 obsolete, 1 untranslated"),
    "po backwards": (".po", po('msgid "yes"\nmsgstr "ja"\n', language="de_DE@euro"), {}, [("ja", "yes")], "^$"),
    "po without language": (".po", po(ENTRY, language=None), {}, [("ja", "yes")], "names no language; msgid is read"),
    "po plurals": (".po", po('msgid "%d Hund"\nmsgid_plural "%d Hunde"\nmsgstr[0] "%d dog"\nmsgstr[1] "%d dogs"\n',
                             more=PLURALS), {}, [("%d Hund", "%d dog"), ("%d Hunde", "%d dogs")], "^$"),
    "po one form": (".po", po('msgid "%d Hund"\nmsgid_plural "%d Hunde"\nmsgstr[0] "%d 狗"\n', language="zh",
                              more='"Plural-Forms: nplurals=1; plural=0;\\n"\n'), {"languages": ("de", "zh")},
                    [("%d Hund", "%d 狗"), ("%d Hunde", "%d 狗")], "^$"),
    "po three forms": (
        ".po", po('msgid "pies"\nmsgid_plural "psy"\nmsgstr[0] "1"\nmsgstr[1] "2"\nmsgstr[2] "5"\n', more=POLISH),
        {}, [("pies", "1"), ("psy", "2"), ("psy", "5")], "^$"),
    "po half a plural": (".po", po(ENTRY, 'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[1] ""\n', more=PLURALS),
                         {}, [("ja", "yes")], "1 untranslated"),
    "po of Windows": (".po", po(ENTRY).replace("\n", "\r\n"), {}, [("ja", "yes")], "^$"),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_finished_entries_are_pairs_and_the_rest_is_counted(tmp_path: Path, case: str) -> None:
    suffix, content, keys, expected, noted = READ[case]
    corpus = read(tmp_path / f"text{suffix}", content, **keys)
    assert (pairs(corpus), corpus.dropped) == (expected, {})
    assert re.search(noted, "\n".join(corpus.notes)), corpus.notes


def test_a_charset_is_the_headers(tmp_path: Path) -> None:
    content = po('msgid "schön"\nmsgstr "nice"\n').replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert pairs(read(tmp_path / "a.po", content)) == [("schön", "nice")]
    utf16 = xliff(UNIT).replace("ja", "schön")
    assert pairs(read(tmp_path / "a.xlf", f'<?xml version="1.0" encoding="UTF-16"?>{utf16}'.encode("utf-16"))) == [
        ("schön", "yes")
    ]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("kind", ["tmx", "xliff", "po"])
def test_packed_files_are_read_as_plain_ones(tmp_path: Path, suffix: str, pack: Any, kind: str) -> None:
    plain, content, keys, expected, _ = READ[kind]
    assert pairs(read(tmp_path / f"text{plain}{suffix}", pack(content.encode()), **keys)) == expected
    with pytest.raises(InputError, match=rf"text\{plain}\{suffix}: cannot be read"):
        read(tmp_path / f"text{plain}{suffix}", pack(content.encode())[:-9], **keys)


def test_a_folder_of_files_is_one_text_and_is_streamed_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("b.po", "a.po"):
        (folder / name).write_text(po(f'msgid "{name}"\nmsgstr "x"\n', 'msgid "y"\nmsgstr ""\n'), encoding="utf-8")
    tree: dict[str, Any] = {"source_language": "de", "target_language": "en"}
    tree |= {"train": {"dataset": str(folder)}, "validation": {"tsv": "x"}}
    corpus = read_corpus(DataConfig(**tree).train, DataConfig(**tree))
    assert pairs(corpus) == [("a.po", "x"), ("b.po", "x")]
    stream = open_stream(Config(data=DataConfig(**(tree | {"train": {"dataset": str(folder), "streaming": True}}))))
    assert (stream.pairs, stream.notes) == (2, corpus.notes)
    assert [note.partition(": ")[2] for note in corpus.notes] == ["entries left out: 1 untranslated"] * 2


ENTITIES = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{f"&{of};" * 10}">' for of, name in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {  # suffix, content, keys, message
    "empty": (".tmx", b"", {}, "the file is empty"),
    "empty po": (".po", b"\n \n", {}, "the file is empty"),
    "no xml": (".xlf", b"hallo", {}, r"text\.xlf:1: not XLIFF: Start tag expected"),
    "cut xml": (".tmx", tmx(tuv("de", "ja"))[:-30], {}, r"text\.tmx:\d: not TMX: "),
    "wrong line": (".tmx", tmx(tuv("de", "ja"), "<tuv>"), {}, r"text\.tmx:5: not TMX: Opening and ending tag mismatch"),
    "other xml": (".tmx", b"<html/>", {}, r"text\.tmx: not TMX; its outermost element"),
    "xliff in tmx": (".tmx", xliff(UNIT), {}, r"text\.tmx: not TMX"),
    "tmx in xliff": (".xlf", tmx(tuv("de", "ja")), {}, r"text\.xlf: not XLIFF"),
    "xliff without files": (".xlf", b'<xliff version="1.2"/>', {}, r"text\.xlf: not XLIFF"),
    "tmx without body": (".tmx", b"<tmx/>", {}, r"text\.tmx: not TMX: it has no body"),
    "language": (".tmx", tmx(tuv("de", "ja") + tuv("fr", "oui")), {}, r"text\.tmx: no text in 'en' \(data\.target_l"),
    "languages of xliff": (".xlf", xliff(UNIT, target="fr"), {}, r"text\.xlf:2: from de to fr; needed are 'de' \(data"),
    "languages of po": (".po", po(ENTRY, language="fr"), {}, r"text\.po: from \(a language .*\) to fr; needed are 'de"),
    "nothing ready": (".po", po('#, fuzzy\nmsgid "a"\nmsgstr "b"\n'), {}, "no usable pair.*left out: 1 fuzzy"),
    "po of another kind": (".po", b"hallo\n", {}, r"text\.po:1: not PO: Syntax error"),
    "po cut": (".po", po(ENTRY, 'msgid "a\nmsgstr "b"\n'), {}, r"text\.po:9: not PO: end-of-line within string"),
    "po without msgstr": (".po", po('msgid "a"\n\nmsgid "b"\nmsgstr "c"\n'), {}, r"text\.po:8: not PO: Syntax error"),
    "po form": (".po", po('msgid "a"\nmsgid_plural "b"\nmsgstr[x] "c"\n'), {}, r"text\.po:\d+: not PO; each entry"),
    "po not UTF-8": (".po", po('msgid "a"\nmsgstr "ä"\n').encode("latin-1"), {}, r"text\.po:7: not valid UTF-8, which"),
    "po charset": (".po", po(ENTRY).replace("UTF-8", "quux"), {}, r"text\.po: its header names the charset 'quux'"),
    "unknown entity": (".tmx", tmx(tuv("de", "ja&auml;") + tuv("en", "x")), {}, r"text\.tmx:4: &auml; is no entity"),
    "bomb": (".tmx", tmx(tuv("de", "&i;") + tuv("en", "x"), before=f"{ENTITIES}]>"), {},
             "Maximum entity amplification|declares entities"),
    "small bomb": (".tmx", tmx(tuv("de", "&a;") + tuv("en", "x"), before='<!DOCTYPE tmx [<!ENTITY a "aaaa">]>'), {},
                   "declares entities"),
    "bomb in an attribute": (".tmx", tmx('<tuv xml:lang="&i;"><seg/></tuv>', before=f"{ENTITIES}]>"), {}, "not TMX: "),
    "other file": (".tmx", tmx(tuv("de", "&x;") + tuv("en", "x"),
                               before='<!DOCTYPE tmx [<!ENTITY x SYSTEM "secret.txt">]>'), {},
                   "declares entities, such as 'x'"),
    "key of tables": (".po", po(ENTRY), {"columns": [1, 2]}, "columns has no effect for PO"),
    "key of tags": (".po", po(ENTRY), {"inline_tags": "keep"}, "inline_tags has no effect for PO"),
    "key of tags for CSV": (".csv", "de,en\na,b\n", {"inline_tags": "strip"}, "inline_tags has no effect for CSV"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    suffix, content, keys, message = REFUSED[case]
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / f"text{suffix}", content, **keys)
    assert len(str(error.value).splitlines()) == 1
    assert "aaaa" not in str(error.value)


def test_an_external_definition_is_not_loaded(tmp_path: Path) -> None:
    """A TMX file names its DTD; what lies there, on the disk or in the network, is not read."""
    (tmp_path / "tmx14.dtd").write_text('<!ENTITY x "secret">', encoding="utf-8")
    content = tmx(tuv("de", "ja&x;") + tuv("en", "yes"), before=f'<!DOCTYPE tmx SYSTEM "{tmp_path}/tmx14.dtd">')
    with pytest.raises(InputError, match=r"&x; is no entity of XML"):
        read(tmp_path / "text.tmx", content)


def test_a_file_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_DOCUMENT", 999)
    with pytest.raises(InputError, match="more than 999 bytes"):
        read(tmp_path / "text.po.gz", gzip.compress(b"#\n" * 500))


@pytest.mark.parametrize(
    ("wanted", "codes", "index"),
    [
        ("en", ["de", "en-GB", "en"], 2),
        ("en", ["de", "en_gb", "en-US"], 1),
        ("en-GB", ["en-US", "en"], 1),
        ("en-GB", ["en-US", "EN_gb"], 1),
        ("en-GB", ["en-US"], None),
        ("de", ["den", "deu", ""], None),
    ],
)
def test_languages_are_chosen_with_or_without_their_region(wanted: str, codes: list[str], index: int | None) -> None:
    assert nearest_code(wanted, codes) == index
    assert same_language(wanted, None)
