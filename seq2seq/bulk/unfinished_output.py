"""The output of a bulk translation until it is complete: a part file and a journal, both beside the final name.

.NAME.part holds translations; .NAME.part.json states how many of its bytes count, for how many lines of which input,
and what produced them. The journal holds hashes of both, and nothing in it is used that was not checked against them or
against this run. A commit first forces the part to the disk and then replaces the journal, so wherever a run is
interrupted, even by a power failure, the journal describes bytes that exist. The next run cuts off whatever follows
them.
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

from seq2seq.bulk.chunks import AFRESH, ResumeMismatch
from seq2seq.bulk.job import ChunkResult
from seq2seq.durable import explain_write_errors, replace_durably, sync_names, unfinished_paths, write_all
from seq2seq.errors import InputError, Seq2SeqError

FORMAT = 2
_LARGEST = 1 << 20  # bytes of a journal; far more than options and names of models take
_BLOCK = 1 << 20
_ITSELF = os.O_NOFOLLOW | os.O_NONBLOCK  # follow no link, and do not wait for the other end of a pipe
_GOES_ON = "the same command with --resume goes on"
_EMPTY = hashlib.sha256().hexdigest()
_SHA256 = r"\A[0-9a-f]{64}\z"
# Values that cannot have affected what was kept: the run would have ended at the first line concerned.
_WITHOUT_EFFECT = {"--bad-lines": "refuse", "--too-long": "refuse"}
# Options that no one expects to change a translation, but torch does not promise equal bits if they differ.
_ROUNDING = ("--threads", "--batch-size")


Identity = dict[str, str | int | float | bool | list[str] | dict[str, str] | None]


class Journal(BaseModel):
    """What of a part file counts. complete: whether all lines are translated, so that at most the final name is
    missing.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: int = FORMAT
    identity: Identity
    lines: int = Field(0, ge=0, lt=1 << 63)
    bytes: int = Field(0, ge=0, lt=1 << 63)
    source_sha256: str = Field(_EMPTY, pattern=_SHA256)
    sha256: str = Field(_EMPTY, pattern=_SHA256)  # of these bytes of the part
    complete: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lines > self.bytes or bool(self.lines) != bool(self.bytes):  # every line has a line end
            raise ValueError("lines and bytes do not fit together")
        if not isinstance(self.identity.get("models", {}), dict):
            raise ValueError("models need names")
        return self


class UnfinishedOutput:
    """An output in progress, locked by this process."""

    def __init__(self, target: Path, name: str, tell: Callable[[str], None]) -> None:
        self._target, self._name, self._tell = target, name, tell
        self._path, self._journal_path, self._next_journal_path = unfinished_paths(target)
        self.journal = Journal(identity={})
        self._digest = hashlib.sha256()  # of the committed bytes
        self._begun = False
        self._file = self._open_locked()

    def begin(self, identity: dict[str, Any], *, resume: bool) -> None:
        """Continue where the journal ends if `resume`, else start anew. Raises ResumeMismatch if the journal is of
        another run.
        """
        found = self._read(strict=resume)
        if resume and found is not None:
            self.journal = self._check_journal(found, identity)
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
            self._truncate()

    def commit(self, result: ChunkResult) -> None:
        """Append a result to the part; when this returns, it survives any interruption."""
        if self._is_renamed():
            raise ResumeMismatch(f"{self._name}: is complete, but there is more of the input now; {AFRESH}")
        content = result.text.encode("utf-8")
        digest = self._digest.copy()
        digest.update(content)
        hashes = {"source_sha256": result.source_sha256, "sha256": digest.hexdigest()}
        with explain_write_errors(self._name):
            write_all(self._file, content)
            os.fsync(self._file.fileno())
            update = {"lines": result.end, "bytes": self._file.tell(), **hashes}
            self._write(self.journal.model_copy(update=update))
        self._digest = digest

    def finish(self) -> None:
        """Give the output its final name."""
        with explain_write_errors(self._name):
            if not self._is_renamed():
                self._write(self.journal.model_copy(update={"complete": True}))
                os.fsync(self._file.fileno())
                os.replace(self._path, self._target)
            self._journal_path.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            sync_names(self._target.parent)
        self._file.close()

    def stop(self) -> str:
        """Keep what is committed for a later run; return a message about it, empty if there is nothing."""
        if not self._begun:
            self._abandon()
            return ""
        # Ctrl-C may have come after the journal was written and before self.journal was set.
        self.journal = self._read(strict=False) or self.journal
        with suppress(OSError):  # the disk may be full or gone; the next run cuts as well
            self._next_journal_path.unlink(missing_ok=True)
            if not self.journal.lines:
                self._journal_path.unlink(missing_ok=True)
                self._path.unlink(missing_ok=True)
            elif not self._is_renamed():
                self._truncate()
        self._file.close()
        return f"{self.journal.lines:,} lines are translated and kept; {_GOES_ON}" if self.journal.lines else ""

    def _abandon(self) -> None:
        """Leave everything as if this run had not been."""
        if not self._journal_path.exists() and not os.fstat(self._file.fileno()).st_size:
            self._path.unlink(missing_ok=True)
        self._file.close()

    def _open_locked(self) -> FileIO:
        while True:
            file = self._open_part()
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
            file.close()  # the part belonged to a run which has just ended

    def _open_part(self) -> FileIO:
        """Open the part file itself: through a link or a second name, another file would be overwritten."""
        with explain_write_errors(self._name):
            try:
                file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | _ITSELF, 0o666), "r+")
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                    raise
                raise self._foreign_error() from None
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_nlink < 2:  # 0 if another run has just finished with it
            return file
        file.close()
        raise self._foreign_error()

    def _foreign_error(self) -> InputError:
        return InputError(f"{self._name}: {self._path.name} beside it is a link or no plain file; move it away")

    def _read(self, *, strict: bool) -> Journal | None:
        """Return the journal, or None if there is none. An unusable one raises ResumeMismatch if strict, else counts as
        none.
        """
        try:
            with open(self._journal_path, "rb", opener=lambda name, flags: os.open(name, flags | _ITSELF)) as file:
                content = file.read(_LARGEST + 1)
            return _parse(content)
        except FileNotFoundError:
            return None
        except _OtherVersion:
            problem = "the stopped run was of another version of seq2seq"
        except (OSError, ValueError, RecursionError):
            problem = f"{self._journal_path.name} cannot be read or is damaged"
        if not strict:
            return None
        raise ResumeMismatch(f"{self._name}: {problem}; {AFRESH}")

    def _check_journal(self, found: Journal, identity: dict[str, Any]) -> Journal:
        """Return the journal if this run is the same and the part has the hash that it states. Raises ResumeMismatch
        that says what differs.
        """
        changes = list(_differences(found.identity, identity))
        if changes:
            raise ResumeMismatch(f"{self._name}: the stopped run was another one: {'; '.join(changes)}\n{AFRESH}")
        size = os.fstat(self._file.fileno()).st_size
        self.journal = found
        if size < found.bytes and not self._is_renamed():
            short = f"{self._path.name} has {size:,} bytes, {found.bytes:,} were written"
            raise ResumeMismatch(f"{self._name}: {short}; {AFRESH}")
        self._digest = self._hash(found.bytes)
        if self._digest.hexdigest() != found.sha256:
            name = self._target.name if self._is_renamed() else self._path.name
            raise ResumeMismatch(f"{self._name}: {name} is not what was written (SHA-256 differs); {AFRESH}")
        return found.model_copy(update={"identity": identity})

    def _hash(self, size: int) -> Any:
        """Return the hash object of the first `size` bytes of the part, or of the output if it has its final name
        already.
        """
        digest = hashlib.sha256()
        with self._target.open("rb") if self._is_renamed() else open(self._file.fileno(), "rb", closefd=False) as file:
            file.seek(0)
            while size and (block := file.read(min(_BLOCK, size))):
                digest.update(block)
                size -= len(block)
        return digest

    def _is_renamed(self) -> bool:
        """Return whether the output already has its final name, and only the journal was left when the run was
        interrupted.
        """
        size = os.fstat(self._file.fileno()).st_size
        there = self._target.is_file() and self._target.stat().st_size == self.journal.bytes
        return self.journal.complete and size < self.journal.bytes and there

    def _truncate(self) -> None:
        """Cut off what is not committed."""
        if not self._is_renamed():
            self._file.truncate(self.journal.bytes)
            self._file.seek(self.journal.bytes)

    def _write(self, journal: Journal) -> None:
        content = (journal.model_dump_json() + "\n").encode()
        replace_durably(self._journal_path, content, self._next_journal_path)
        self.journal = journal


class _OtherVersion(Exception):
    """A journal in the format of another version."""


def _parse(content: bytes) -> Journal:
    """Return the journal in these bytes. Raises _OtherVersion, or ValueError if they are no journal."""
    tree = json.loads(content) if len(content) <= _LARGEST else None
    form = tree.get("format") if isinstance(tree, dict) else None
    if type(form) is int and form != FORMAT:
        raise _OtherVersion
    return Journal.model_validate(tree)


@contextmanager
def open_unfinished_output(target: Path, name: str, tell: Callable[[str], None]) -> Iterator[UnfinishedOutput]:
    """Open an output that gets its final name at the end of the block. If the run stops or fails, what it has is kept,
    and a message about it goes to `tell` or is added to the error.
    """
    output = UnfinishedOutput(target, name, tell)
    try:
        yield output
        output.finish()
    except ResumeMismatch:
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
            yield f"{name} was {_format(was)}, now {_format(given)}{why}"
        elif list(was) != list(given):
            yield f"the models were {', '.join(was)}, now {', '.join(given)}"
        else:
            yield from (f"the model {model} was replaced" for model in given if was[model] != given[model])


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not given" if value is None else f"{value!s:.100}"
