"""The program `seq2seq`, also `python -m seq2seq`; Ctrl-C ends it quietly even while its modules are still being
imported.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the `seq2seq` executable."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else the parent process had Ctrl-C ignored
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
    except MissingPackage as error:  # a package of the command line itself; commands report their own
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
