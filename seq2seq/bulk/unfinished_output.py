"""The output of a bulk translation until it is complete: a part file and a journal, both beside the final name.

.NAME.part holds translations; .NAME.part.json says how many of its bytes count, for how many lines of which input, and
what made them. It has hashes of both, and is believed in nothing that was not compared with them or with this run. A
commit first brings the part to the disk and then replaces the journal, so wherever a run is cut off, even by a loss of
power, the journal speaks of bytes that are there. What comes after them is cut away by the next run.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seq2seq.bulk.chunks import AFRESH, OtherRun
from seq2seq.bulk.job import Answer
from seq2seq.durable import explain_write_errors, replace_durably, sync_names, unfinished_paths, write_all
from seq2seq.errors import InputError, Seq2SeqError

FORMAT = 2
_LARGEST = 1 << 20  # bytes of a journal; far more than options and names of models have
_BLOCK = 1 << 20
_ITSELF = os.O_NOFOLLOW | os.O_NONBLOCK  # not what a link leads to, and no waiting at a pipe
_GOES_ON = "the same command with --resume goes on"
_EMPTY = hashlib.sha256().hexdigest()
_SHA256 = r"\A[0-9a-f]{64}\z"
# Choices that have had no effect yet on what was kept: had they had one, the run would have ended there.
_WITHOUT_EFFECT = {"--bad-lines": "refuse", "--too-long": "refuse"}
# Choices that no one would expect to change a translation. torch promises no equal bits where they differ.
_ROUNDING = ("--threads", "--batch-size")


Identity = dict[str, str | int | float | bool | list[str] | dict[str, str] | None]


class Journal(BaseModel):
    """What of a part counts. complete: nothing but the final name is missing, or not even that."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int = FORMAT
    identity: Identity
    lines: int = Field(0, ge=0, lt=1 << 63)
    bytes: int = Field(0, ge=0, lt=1 << 63)
    source_sha256: str = Field(_EMPTY, pattern=_SHA256)
    sha256: str = Field(_EMPTY, pattern=_SHA256)  # of these bytes
    complete: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lines > self.bytes or bool(self.lines) != bool(self.bytes):  # every line has an end
            raise ValueError("lines and bytes do not fit together")
        if not isinstance(self.identity.get("models", {}), dict):
            raise ValueError("models need names")
        return self


class UnfinishedOutput:
    """An output on its way. Of all processes one may hold it."""

    def __init__(self, target: Path, name: str, tell: Callable[[str], None]) -> None:
        self._target, self._name, self._tell = target, name, tell
        self._path, self._journal_path, self._next_journal_path = unfinished_paths(target)
        self.journal = Journal(identity={})
        self._digest = hashlib.sha256()  # of the bytes that count
        self._begun = False
        self._file = self._locked()

    def begin(self, identity: dict[str, Any], *, resume: bool) -> None:
        """Go on where the journal says, or from the start."""
        found = self._read(strict=resume)
        if resume and found is not None:
            self.journal = self._checked(found, identity)
        else:
            if found is not None and found.lines:
                kept = f"{found.lines:,} lines of a stopped run are discarded; --resume would have gone on there"
                self._tell(f"note: {self._name}: {kept}")
            elif found is None and os.path.lexists(self._journal_path):
                self._tell(f"note: {self._name}: what a stopped run left is discarded; it cannot be read")
            self._journal_path.unlink(missing_ok=True)
            self.journal = Journal(identity=identity)
        self._begun = True
        with explain_write_errors(self._name):
            self._cut()

    def commit(self, answer: Answer) -> None:
        """Add an answer; when this returns, it is kept."""
        if self._renamed():
            raise OtherRun(f"{self._name}: is complete, but there is more of the input now; {AFRESH}")
        content = answer.text.encode("utf-8")
        digest = self._digest.copy()
        digest.update(content)
        hashes = {"source_sha256": answer.source_sha256, "sha256": digest.hexdigest()}
        with explain_write_errors(self._name):
            write_all(self._file, content)
            os.fsync(self._file.fileno())
            update = {"lines": answer.end, "bytes": self._file.tell(), **hashes}
            self._write(self.journal.model_copy(update=update))
        self._digest = digest

    def finish(self) -> None:
        """Give the output its name."""
        with explain_write_errors(self._name):
            if not self._renamed():
                self._write(self.journal.model_copy(update={"complete": True}))
                os.fsync(self._file.fileno())
                os.replace(self._path, self._target)
            self._journal_path.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            sync_names(self._target.parent)
        self._file.close()

    def stop(self) -> str:
        """Keep what is committed, if anything, for a later run; what to say about it."""
        if not self._begun:
            self._leave()
            return ""
        # Ctrl-C may have come between the journal's file and what is known of it here.
        self.journal = self._read(strict=False) or self.journal
        with suppress(OSError):  # in the end the disk is full or gone: the next run cuts as well
            self._next_journal_path.unlink(missing_ok=True)
            if not self.journal.lines:
                self._journal_path.unlink(missing_ok=True)
                self._path.unlink(missing_ok=True)
            elif not self._renamed():
                self._cut()
        self._file.close()
        return f"{self.journal.lines:,} lines are translated and kept; {_GOES_ON}" if self.journal.lines else ""

    def _leave(self) -> None:
        """As if this run had not been."""
        if not self._journal_path.exists() and not os.fstat(self._file.fileno()).st_size:
            self._path.unlink(missing_ok=True)
        self._file.close()

    def _locked(self) -> FileIO:
        while True:
            file = self._opened()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise InputError(
                    f"{self._name}: another process is translating into it; wait for it, or choose another --output"
                ) from None
            except OSError:
                return file  # a file system without locks
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), self._path.stat()):
                    return file
            file.close()  # that was the part of a run which has just ended

    def _opened(self) -> FileIO:
        """The part itself: through a link, or under a second name, another file would be written into."""
        with explain_write_errors(self._name):
            try:
                file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | _ITSELF, 0o666), "r+")
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                    raise
                raise self._foreign() from None
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_nlink < 2:  # none, where another run has just finished with it
            return file
        file.close()
        raise self._foreign()

    def _foreign(self) -> InputError:
        return InputError(f"{self._name}: {self._path.name} beside it is a link or no plain file; move it away")

    def _read(self, *, strict: bool) -> Journal | None:
        """The journal, if there is one. Where it is none of ours, OtherRun if strict, else None."""
        try:
            with open(self._journal_path, "rb", opener=lambda name, flags: os.open(name, flags | _ITSELF)) as file:
                content = file.read(_LARGEST + 1)
            return _parsed(content)
        except FileNotFoundError:
            return None
        except _OtherVersion:
            problem = "the stopped run was of another version of seq2seq"
        except (OSError, ValueError, RecursionError):
            problem = f"{self._journal_path.name} cannot be read or is damaged"
        if not strict:
            return None
        raise OtherRun(f"{self._name}: {problem}; {AFRESH}")

    def _checked(self, found: Journal, identity: dict[str, Any]) -> Journal:
        """The journal, if this run is the same and the part what it says. Else an error that says what differs."""
        changes = list(_differences(found.identity, identity))
        if changes:
            raise OtherRun(f"{self._name}: the stopped run was another one: {'; '.join(changes)}\n{AFRESH}")
        size = os.fstat(self._file.fileno()).st_size
        self.journal = found
        if size < found.bytes and not self._renamed():
            short = f"{self._path.name} has {size:,} bytes, {found.bytes:,} were written"
            raise OtherRun(f"{self._name}: {short}; {AFRESH}")
        self._digest = self._hash(found.bytes)
        if self._digest.hexdigest() != found.sha256:
            name = self._target.name if self._renamed() else self._path.name
            raise OtherRun(f"{self._name}: {name} is not what was written (SHA-256 differs); {AFRESH}")
        return found.model_copy(update={"identity": identity})

    def _hash(self, size: int) -> Any:
        """Of so many bytes of the part, or of the output where it has its name."""
        digest = hashlib.sha256()
        with self._target.open("rb") if self._renamed() else open(self._file.fileno(), "rb", closefd=False) as file:
            file.seek(0)
            while size and (block := file.read(min(_BLOCK, size))):
                digest.update(block)
                size -= len(block)
        return digest

    def _renamed(self) -> bool:
        """Whether the output already has its name, and only the journal was left when the run was cut off."""
        size = os.fstat(self._file.fileno()).st_size
        there = self._target.is_file() and self._target.stat().st_size == self.journal.bytes
        return self.journal.complete and size < self.journal.bytes and there

    def _cut(self) -> None:
        """Remove what is not committed."""
        if not self._renamed():
            self._file.truncate(self.journal.bytes)
            self._file.seek(self.journal.bytes)

    def _write(self, journal: Journal) -> None:
        content = (journal.model_dump_json() + "\n").encode()
        replace_durably(self._journal_path, content, self._next_journal_path)
        self.journal = journal


class _OtherVersion(Exception):
    """A journal in another form."""


def _parsed(content: bytes) -> Journal:
    """Raises _OtherVersion, or ValueError for what is no journal."""
    tree = json.loads(content) if len(content) <= _LARGEST else None
    form = tree.get("format") if isinstance(tree, dict) else None
    if type(form) is int and form != FORMAT:
        raise _OtherVersion
    return Journal.model_validate(tree)


@contextmanager
def open_unfinished_output(target: Path, name: str, tell: Callable[[str], None]) -> Iterator[UnfinishedOutput]:
    """An output that gets its final name at the end. A stopped or failed run keeps what it has, and `tell` is told."""
    output = UnfinishedOutput(target, name, tell)
    try:
        yield output
        output.finish()
    except OtherRun:
        output.stop()
        raise
    except Seq2SeqError as error:
        kept = output.stop()
        raise type(error)(f"{error}\n{kept}" if kept and "\n" not in str(error) else str(error)) from None
    except (KeyboardInterrupt, SystemExit):
        if kept := output.stop():
            tell(f"stopped: {name}: {kept}")
        raise
    except BaseException:
        output.stop()
        raise


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        was: Any = before.get(name)
        given: Any = now.get(name)
        if was == given or (name in _WITHOUT_EFFECT and was == _WITHOUT_EFFECT[name]):
            continue
        if name != "models":
            why = " (it changes the order of sums, and so the last digits of scores)" if name in _ROUNDING else ""
            yield f"{name} was {_shown(was)}, now {_shown(given)}{why}"
        elif list(was) != list(given):
            yield f"the models were {', '.join(was)}, now {', '.join(given)}"
        else:
            yield from (f"the model {model} was replaced" for model in given if was[model] != given[model])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not given" if value is None else f"{value!s:.100}"
