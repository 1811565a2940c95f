"""`seq2seq` and `python -m seq2seq`: Ctrl-C ends them quietly also while the rest is still being loaded."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """What the `seq2seq` executable calls."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else whoever started us wants no Ctrl-C
    if ours:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from seq2seq.errors import MissingPackage, imports_for

    try:
        with imports_for("seq2seq"):
            from seq2seq.cli import main as run

            if ours:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except MissingPackage as error:  # of the command line's own; a command has told what it lacks
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
