"""Models by name: a directory on this machine, or a repository of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from seq2seq.checkpoint.files import CARD, CONFIG, GRAPHS, HASHED, SHORTLIST
from seq2seq.errors import InputError, Seq2SeqError
from seq2seq.text.arguments import check_path


def locate(name: str | Path, root: str | Path = ".") -> Path:
    """Return the directory of a model by its name; a model that is not on this machine is downloaded from the hub.

    Relative paths start from `root`. The hub is asked only for names that cannot be paths. Raises InputError when there
    is no such model.
    """
    # Path.expanduser raises for an unknown user.
    path = Path(root) / os.path.expanduser(check_path(name, "a model's name"))
    if os.path.isdir(path):  # Path.is_dir and exists raise for a name too long, or hidden by permissions
        return path
    if os.path.exists(path):
        raise InputError(f"{path}: a file; give the model directory that holds it: {path.parent}")
    parts = re.fullmatch(r"((?P<owner>\w[\w.-]*)/\w[\w.-]*)(@(?P<revision>[\w./-]+))?", str(name))
    if parts is None:
        raise InputError(f"{name}: no such model directory")
    if parts["revision"] is None and (Path(root) / parts["owner"]).is_dir():
        raise InputError(f"{name}: no such model directory; for the hub's model of that name write {name}@main")
    return _download(parts[1], parts["revision"])


def _download(repository: str, revision: str | None) -> Path:
    import huggingface_hub

    try:
        wanted = [CONFIG, CARD, SHORTLIST, *(name for name in HASHED if name not in GRAPHS)]
        return Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except Exception as error:  # the hub's errors have no common class, and a lost connection surfaces as any of them
        found = f"no such model directory, and not available from the hub: {_reason(error)}"
        raise InputError(f"{repository}: {found}") from None


def upload(
    directory: Path, repository: str, names: Sequence[str], message: str, private: bool, token: str | None
) -> str:
    """Upload files of a directory as one commit to a repository, created where needed; return the repository's address.

    Raises Seq2SeqError when the hub refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=directory, allow_patterns=list(names), commit_message=message)
    except Exception as error:  # as in _download: no common class
        raise Seq2SeqError(f"{repository}: the upload to the hub failed: {_reason(error)}") from None
    return str(address)


def _reason(error: Exception) -> str:
    """Return an error of the hub as one line of at most 300 characters."""
    line = next((line.strip() for line in str(error).split("\n") if line.strip()), "")
    return f"{type(error).__name__}: {line}"[:300]
