"""The files that a command reads and writes, and the check that it overwrites none that it reads or does not own.

Both follow from the command's parameters, by the metavar that stands for their value in --help, and are checked by one
class before the command does anything. A file is known by its identity: a link, a further name or another spelling of
it is the same file.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typer.core import TyperCommand

from seq2seq.bulk.streams import STANDARD, STANDARD_INPUT, is_replaced
from seq2seq.durable import final_name, unfinished_paths
from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.config import Config

READ = {"FILE", "CONFIG.toml", "GRID.toml", "RESULTS.json", "EXPLANATION.json", "OTHER", "MODEL"}  # metavars, read
MODELS = {"OTHER", "MODEL"}  # metavars of values that may be a directory
OUTPUT = "output"  # name of the parameter that gives the output
FOLDER = "DIR"  # metavar of an output that is a directory, not a file
_ANOTHER = "choose another name"

Identity = tuple[int, int]


class Command(TyperCommand):
    """A command whose files are checked before it runs."""

    def invoke(self, ctx: Any) -> Any:
        """Check the files, then run the command as typer does."""
        check_files(self, ctx.params)
        return super().invoke(ctx)


def role(parameter: Any) -> str | None:
    """Return what a parameter of a command names: "reads", "writes", or None for anything but a file."""
    if parameter.name == OUTPUT:
        return "writes"
    return "reads" if parameter.metavar in READ else None


def check_files(command: Any, values: Mapping[str, Any]) -> None:
    """Refuse an empty file name, or an output that the command must not overwrite. Raises InputError."""
    for one in command.params:
        if role(one) and "" in _names(values.get(one.name)):
            raise InputError(f"{one.opts[0] if one.opts[0].startswith('-') else one.metavar}: an empty name")
    read = [
        name
        for one in command.params
        if role(one) == "reads"
        for name in _names(values.get(one.name))
        if one.metavar in MODELS or not os.path.isdir(name)  # a command refuses a directory in place of a file
    ]
    inputs = identities(read)
    _check_standard(inputs)
    written = next((one for one in command.params if one.name == OUTPUT), None)
    output = None if written is None else values[OUTPUT]
    if written is not None and written.metavar == FOLDER:
        check_folder(command.name, None if output is None else str(output), read)
    elif output is not None:
        _check_file(output, inputs)
    if command.name in ("shortlist", "index"):
        _check_inside(values["model"], _written()[command.name], inputs)


def _names(value: Any) -> list[str]:
    several = value if isinstance(value, (list, tuple)) else [value]
    return [str(one) for one in several if one is not None]


class Input(NamedTuple):
    """A file that is read. model: the model argument that it belongs to, if any."""

    path: str
    model: str | None


def identities(read: Iterable[str]) -> dict[Identity, Input]:
    """Return the files behind these names by their identity; a directory stands for the files of the model in it."""
    from seq2seq.checkpoint.owners import existing_files

    found = dict[Identity, Input]()
    for name in read:
        directory = os.path.expanduser(name)
        if os.path.isdir(directory):
            found = {i: Input(str(path), name) for path in existing_files(directory) if (i := _identity(path))} | found
        elif identity := _identity(name):
            found[identity] = Input(STANDARD_INPUT if name == STANDARD else name, None)
    return found


def _identity(path: str | Path) -> Identity | None:
    """Return device and inode of a regular file; None for anything else, or if it does not exist."""
    with suppress(OSError, ValueError, AttributeError):
        status = os.fstat(sys.stdin.fileno()) if path == STANDARD else os.stat(path)
        return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
    return None


def _check_standard(inputs: Mapping[Identity, Input]) -> None:
    """Refuse standard output that is also an input: the shell has already emptied it, or it would grow for ever."""
    with suppress(OSError, ValueError, AttributeError):
        status = os.fstat(sys.stdout.fileno())
        if stat.S_ISREG(status.st_mode) and (found := inputs.get((status.st_dev, status.st_ino))):
            raise InputError(f"{found.path}: standard output is a file that is read; {_ANOTHER}")


def _check_file(output: str, inputs: Mapping[Identity, Input]) -> None:
    from seq2seq.checkpoint.owners import owner

    if not is_replaced(output):  # a device or a pipe; or a directory, which the command itself refuses
        return
    real = Path(os.path.realpath(output))
    if found := inputs.get(_identity(real) or (-1, -1)):
        what = "a file that is read" if found.model is None else f"a file of {found.model}, which is read"
        raise InputError(f"{output}: --output is {what}; {_ANOTHER}")
    for waiting in unfinished_paths(real):
        if found := inputs.get(_identity(waiting) or (-1, -1)):
            raise InputError(
                f"{found.path}: is read, and {output} would be written there until it is whole; {_ANOTHER}"
            )
    for path in (real, Path(os.path.abspath(output))):
        if whose := owner(path):
            raise InputError(f"{output}: --output belongs to the {whose.kind} {whose.directory}; {_ANOTHER}")
        part, journal, next_journal = unfinished_paths(path.with_name(final_name(path.name)))
        if path in (part, journal, next_journal) and os.path.exists(journal):
            raise InputError(f"{output}: --output is what a stopped translation has kept for --resume; {_ANOTHER}")


def check_folder(command: str, output: str | None, read: Iterable[str]) -> None:
    """Refuse an output directory of a command that writes several files into it.

    Raises InputError if one of these files is an input, if the directory lies among what belongs to another model, run
    or comparison, or if a log, which is appended to and not replaced, has a second name elsewhere.
    """
    from seq2seq.checkpoint.owners import LOG, is_comparison, owner

    if not output:
        return
    read = list(read)
    inputs, directory = identities(read), Path(os.path.realpath(output))
    names = _written()[command]
    _check_inside(output, names, inputs)
    begun = os.path.isdir(directory) and any(directory.iterdir())
    if not begun and (whose := owner(directory)):
        raise InputError(f"{output}: --output belongs to the {whose.kind} {whose.directory}; {_ANOTHER}")
    if not begun and command in ("train", "compare"):  # their texts may be folders, of which all files count
        for name in read:
            if os.path.isdir(name) and Path(os.path.realpath(name)) in (directory, *directory.parents):
                raise InputError(f"{output}: lies in {name}, all of which is read; {_ANOTHER}")
    for path in (directory / LOG, *directory.glob(f"runs/*/{LOG}")):
        if os.path.islink(path) or (os.path.isfile(path) and path.stat().st_nlink > 1):
            raise InputError(f"{path}: a link, or a file with several names; the run would write into all: copy it")
    if command == "results" and is_comparison(directory):
        own = _identity(directory / "results.json")
        if own is not None and own not in inputs:
            raise InputError(f"{output}: holds the report of another comparison; {_ANOTHER}")


def _check_inside(directory: str, names: Collection[str], inputs: Mapping[Identity, Input]) -> None:
    """Refuse inputs that are one of these names in a directory, or lie below one."""
    real = Path(os.path.realpath(os.path.expanduser(directory)))
    written = {identity: name for name in sorted(names) if (identity := _identity(real / name))}
    for identity, found in inputs.items():
        way = Path(os.path.realpath(found.path))
        name = way.relative_to(real).parts[0] if real in way.parents else ""
        name = written.get(identity) or (name if name in names else "")
        if name and found.model != directory:
            raise InputError(f"{found.path}: is read, and {os.path.join(directory, name)} is written; {_ANOTHER}")


def _written() -> dict[str, Collection[str]]:
    """Return the names that each command writes into a directory."""
    from seq2seq.checkpoint.files import SHORTLIST, STATES
    from seq2seq.checkpoint.owners import COMPARISON, EXPORT, REPORT, RUN

    written: dict[str, Collection[str]] = {"train": RUN, "compare": COMPARISON, "results": REPORT, "export": EXPORT}
    return written | {"shortlist": {SHORTLIST}, "index": {STATES}}


def config_files(config: Config) -> Iterator[str]:
    """Yield the files that a training reads besides its config."""
    root = Path(config.data.root)
    for text in (*config.data.texts, *config.data.validations):
        named = (text.source, text.target, text.tsv, text.jsonl, text.dataset, text.alignment)
        yield from (str(root / name) for name in named if name is not None)
    tokenizer, training = config.tokenizer, config.training
    others = (tokenizer.source_model, tokenizer.target_model, training.start, training.source_vectors)
    yield from (str(root / name) for name in (*others, training.target_vectors) if name)
