"""`seq2seq translate --document`: the document comes back with its translations, and all else as it was."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import folder, invoke, model, training
from test_placeholders import Dictionary
from test_translators_files import tuv, xliff, xliff2

from seq2seq.bulk.documents import open_document
from seq2seq.bulk.entries import translate_entries
from seq2seq.errors import InputError
from seq2seq.text.documents import open_po
from seq2seq.text.sentences import cut_sentences

__all__ = ["folder", "model", "training"]  # fixtures


class Words(Dictionary):
    """Translates "ich sehe" as "i see", and so on."""


def translated(path: Path, content: str | bytes, *, retranslate: bool = False, **engine: Any) -> tuple[bytes, Any]:
    """The document, translated word by word, and what was said of its entries."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    document = open_document(str(path), "en", retranslate=retranslate)
    done = list(translate_entries(Words(**engine), document.entries, 2, {}))
    return document.content(), [(each.entry.line, each.problems) for each in done if each.problems]


PO = """\
# Titel
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: en\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

#. Kommentar
#: a.c:1
#, c-format
msgid   "ich sehe %s!"
msgstr ""

msgid "Hund"
msgstr "DOG"

# noch einer
#| msgid "alt"
msgctxt "x"
msgid ""
"ich sehe. Hund\\n"
"\\theute\\n"
msgstr ""
""

#: b.c:2
msgid "ich sehe"
msgid_plural "%d Hund"
msgstr[0] ""
msgstr[1] ""


#, no-wrap, fuzzy
msgid "Katze"
msgstr "dog"
#~ msgid "weg"
#~ msgstr "gone"
"""
PO_FILLED = """\
# Titel
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: en\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

#. Kommentar
#: a.c:1
#, fuzzy, c-format
msgid   "ich sehe %s!"
msgstr "i see %s!"

msgid "Hund"
msgstr "DOG"

# noch einer
#, fuzzy
msgctxt "x"
msgid ""
"ich sehe. Hund\\n"
"\\theute\\n"
msgstr ""
"i see. dog\\n"
"\\ttoday\\n"

#: b.c:2
#, fuzzy
msgid "ich sehe"
msgid_plural "%d Hund"
msgstr[0] "i see"
msgstr[1] "%d dog"


#, no-wrap, fuzzy
msgid "Katze"
msgstr "dog"
#~ msgid "weg"
#~ msgstr "gone"
"""


def test_a_po_file_comes_back_filled_in(tmp_path: Path) -> None:
    found, problems = translated(tmp_path / "a.po", PO)
    assert (found.decode(), problems) == (PO_FILLED, [])
    again, _ = translated(tmp_path / "a.po", found)
    assert again == found  # nothing is left to translate
    everything, _ = translated(tmp_path / "a.po", PO, retranslate=True)
    expected = PO_FILLED.replace('msgid "Hund"\nmsgstr "DOG"', '#, fuzzy\nmsgid "Hund"\nmsgstr "dog"')
    assert everything.decode() == expected.replace('msgid "Katze"\nmsgstr "dog"', 'msgid "Katze"\nmsgstr "cat"')


def test_a_po_file_of_windows_in_its_own_charset_stays_one(tmp_path: Path) -> None:
    text = PO.replace("UTF-8", "ISO-8859-1").replace("Titel", "schön").replace("\n", "\r\n")
    found, _ = translated(tmp_path / "a.po", text.encode("latin-1"))
    expected = PO_FILLED.replace("UTF-8", "ISO-8859-1").replace("Titel", "schön").replace("\n", "\r\n")
    assert found.decode("latin-1") == expected
    (tmp_path / "b.po").write_text(PO.replace("UTF-8", "ASCII"), encoding="ascii")
    document = open_document(str(tmp_path / "b.po"), "en", retranslate=False)
    document.entries[0].fill("ä", [])
    with pytest.raises(InputError, match=r"b\.po: its charset ASCII has no 'ä'; convert it first: msgconv"):
        document.content()
    marked, _ = translated(tmp_path / "a.po", b"\xef\xbb\xbf" + PO.encode())
    assert marked.decode("utf-8-sig") == PO_FILLED


@pytest.mark.parametrize(
    ("header", "forms", "expected"),
    [
        ("nplurals=1; plural=0;", 1, ["%d dog"]),
        ("nplurals=3; plural=(n==1 ? 2 : n==2 ? 0 : 1);", 2, ["%d dog", "%d dog", "i see"]),
        ("", 2, ["i see", "%d dog"]),
    ],
)
def test_each_plural_form_has_its_source(tmp_path: Path, header: str, forms: int, expected: list[str]) -> None:
    """The form of one thing is that of msgid, whatever its number; a missing form is added."""
    head = f'msgid ""\nmsgstr "Plural-Forms: {header}\\n"\n\n'
    empty = "".join(f'msgstr[{form}] ""\n' for form in range(forms))
    found, _ = translated(tmp_path / "a.po", f'{head}msgid "ich sehe"\nmsgid_plural "%d Hund"\n{empty}')
    assert re.findall(r'msgstr\[\d\] "(.*)"', found.decode()) == expected


def test_an_xliff_file_comes_back_filled_in(tmp_path: Path) -> None:
    unit = '<trans-unit id="{}"{}>\n  <source>{}</source>{}\n</trans-unit>'
    content = xliff(
        unit.format(1, ' x:y="z"', 'ich <g id="1">sehe<x id="2"/></g> den %s &amp; Hund', "<note>n</note>"),
        unit.format(2, "", "Hund", '<target state="final">DOG</target>'),
        unit.format(3, ' approved="yes"', "Hund", "<target/>"),
        unit.format(4, ' translate="no"', "Hund", ""),
        "<!-- Kommentar -->",
        target=None,
    ).replace("xmlns=", 'xmlns:x="urn:x" xmlns=')
    found, problems = translated(tmp_path / "a.xlf", "<?pi?>\n" + content, known="&")
    review = ' state="needs-review-translation" state-qualifier="leveraged-mt"'
    expected = content.replace('datatype="plaintext" source-language="de"', 'datatype="plaintext" source-language="de"'
        ' target-language="en"').replace(
        "Hund</source><note>",
        f'Hund</source>\n  <target{review}>i <g id="1">see<x id="2"/></g> the %s &amp; dog</target><note>',
    )  # fmt: skip
    expected = expected.replace("<target/>", f"<target{review}>dog</target>").replace('"yes"', '"no"')
    head = '<xliff version="1.2" xmlns:x="urn:x" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
    written = found.decode().replace(re.findall("<xliff[^>]*>", found.decode())[0], head)
    assert (written, problems) == ("<?pi?>\n" + expected, [])
    again, _ = translated(tmp_path / "a.xlf", found, retranslate=True, known="&")
    assert again.decode().count(review) == 3


def test_xliff_2_has_its_own_states(tmp_path: Path) -> None:
    content = xliff2(
        '<segment><source>ich <pc id="1">sehe</pc></source></segment><segment id="s"><source>Hund</source></segment>',
        '<segment state="final"><source>Hund</source><target>DOG</target></segment>',
        languages='srcLang="de"',
    )
    found, _ = translated(tmp_path / "a.xliff", content)
    assert 'trgLang="en"' in found.decode()
    assert (
        '<segment state="initial"><source>ich <pc id="1">sehe</pc></source><target>i <pc id="1">see' in found.decode()
    )
    assert '<segment id="s" state="initial"><source>Hund</source><target>dog</target></segment>' in found.decode()
    assert "<target>DOG</target>" in found.decode()


def test_space_in_xml_is_kept_where_the_file_says_so(tmp_path: Path) -> None:
    unit = '<trans-unit id="1"{}><source>ich\n   sehe</source></trans-unit>'
    for attribute, expected in (("", "i see"), (' xml:space="preserve"', "i\n   see")):
        found, _ = translated(tmp_path / "a.xlf", xliff(unit.format(attribute)))
        assert f'state-qualifier="leveraged-mt">{expected}</target>' in found.decode()


def test_an_xliff_file_keeps_its_encoding(tmp_path: Path) -> None:
    unit = '<trans-unit id="1"><source>Hund</source><note>schön</note></trans-unit>'
    content = f'<?xml version="1.0" encoding="UTF-16"?>{xliff(unit)}'.encode("utf-16")
    found, _ = translated(tmp_path / "a.xlf", content)
    assert "dog</target><note>schön</note>" in found.decode("utf-16")


TEXTS = {  # text -> its translation
    "ich sehe.  Hund!\n\n\n  den Hund \nhier\n": "i see.  dog!\n\n\n  the dog \nhere\n",
    "ich\r\n\r\nsehe": "i\r\n\r\nsee",
    "\ufeffich\n": "\ufeffi\n",
    "ich sehe https://x.org/a.b. Hund {0}": "i see https://x.org/a.b. dog {0}",
    "\n\nich": "\n\ni",
    "ich。Hund": "i⁇ dog",  # sentences of Chinese touch, those of others do not
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_plain_text_keeps_its_lines(tmp_path: Path, text: str) -> None:
    found, problems = translated(tmp_path / "a.txt", text)
    assert (found.decode(), problems) == (TEXTS[text], [])
    packed, _ = translated(tmp_path / "a.md.gz", gzip.compress(text.encode()))
    assert packed == found


@pytest.mark.parametrize("text", ['"a" \\ \\n \t%', "a\nb", "\na\n\n", "a\n", "", "ä\r\n"])
def test_any_text_is_written_as_po_and_read_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.po").write_text('msgid "ich"\nmsgstr ""\n', encoding="utf-8")
    document = open_document(str(tmp_path / "a.po"), "en", retranslate=False)
    document.entries[0].fill(text, [])
    (tmp_path / "b.po").write_bytes(document.content())
    (unit,) = open_po(tmp_path / "b.po").units
    assert (unit.target, unit.isfuzzy()) == (text, True)


def test_problems_name_the_line(tmp_path: Path) -> None:
    found, problems = translated(tmp_path / "a.po", PO, most=4)
    assert [line for line, _ in problems] == [8]
    assert "the place of '%s' is unknown" in problems[0][1][0]
    assert "%s" in found.decode().partition('msgstr "i')[2][:20]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ich sehe. Du auch! Ja? Nein", ["Ich sehe.", "Du auch!", "Ja?", "Nein"]),
        ("Am 3. Oktober kommt Dr. Maier, z.B. Eva. Gut", ["Am 3. Oktober kommt Dr. Maier, z.B. Eva.", "Gut"]),
        ('Er sagt: "Ja." Dann geht er.', ['Er sagt: "Ja."', "Dann geht er."]),
        ("eins. zwei", ["eins. zwei"]),
        ('Ja. „und“ (so) weiter! "nein"', ['Ja. „und“ (so) weiter! "nein"']),
        (
            "Abb. 3 zeigt No. 5 so. Und in 5 min. Los! 3 Hunde",
            ["Abb. 3 zeigt No. 5 so.", "Und in 5 min.", "Los!", "3 Hunde"],
        ),
        ("a\u2028b", ["a", "b"]),
        ("  a\n\n b. ", ["a", "b."]),
        ("你好。世界！", ["你好。", "世界！"]),
        ("", []),
    ],
)
def test_sentences_end_where_people_see_it(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in cut_sentences(text)] == sentences


def test_no_sentence_ends_within_what_is_whole() -> None:
    text = "Das <x ab. B> ist. So"
    assert [text[start:end] for start, end in cut_sentences(text, [(4, 13)])] == ["Das <x ab. B> ist.", "So"]


# ------------------------------------------------------------------------------------------------- the command line


def test_the_command_gives_the_document_back(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "model")
    Path("a.po").write_text('msgid "der hund schläft heute ."\nmsgstr ""\n\nmsgid "x"\nmsgstr "y"\n', encoding="utf-8")
    result = invoke("translate", "model", "--document", "a.po", "--output", "b.po")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "a.po: texts translated, and marked fuzzy: 1; entries left as they were: 1" in result.stderr
    found = Path("b.po").read_text(encoding="utf-8")
    assert re.fullmatch(
        '#, fuzzy\nmsgid "der hund schläft heute ."\nmsgstr "[a-z .]+"\n\nmsgid "x"\nmsgstr "y"\n', found
    )
    assert invoke("translate", "model", "--document", "a.po").stdout == found
    Path("a.po").write_text(f'msgid ""\nmsgstr "Language: fr\\n"\n\n{found}', encoding="utf-8")
    result = invoke("translate", "model", "--document", "a.po")
    assert "warning: a.po: it is from (unnamed) to fr, and the model translates from de to en" in result.stderr


BAD: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "tmx": ("--document a.tmx", lambda f: f.joinpath("a.tmx").write_text(tuv("de", "x")), "nothing to fill in"),
    "standard input": ("--document -", lambda f: None, "--document takes a file"),
    "missing": ("--document gone.po", lambda f: None, "gone.po: cannot be read: No such file"),
    "folder": ("--document .", lambda f: None, r"\.: cannot be read: Is a directory"),
    "alone": ("--retranslate", lambda f: None, "--retranslate has no effect without --document"),
}


LINES = "--n-best 2, --scores, --alignment, --format jsonl, --sample, --workers 2, --resume, --bad-lines blank, "
LINES += "--too-long blank, --input a.txt"


@pytest.mark.parametrize("option", LINES.split(", "))
def test_options_of_lines_have_no_effect_and_are_refused(model: Path, tmp_path: Path, option: str) -> None:
    (tmp_path / "a.txt").write_text("hund\n", encoding="utf-8")
    name = str(tmp_path / "a.txt")
    arguments = option.replace("a.txt", name).split()
    result = invoke("translate", str(model), "--document", name, *arguments)
    assert result.exit_code == 2
    assert f"{option.split()[0]} has no effect with --document" in result.stderr


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_document_is_refused(
    model: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, prepare, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    result = invoke("translate", str(model), *command.split())
    assert result.exit_code == 2, result.output
    assert re.search(message, result.stderr), result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
