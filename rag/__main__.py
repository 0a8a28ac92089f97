"""The console entry, ``rag`` and ``python -m rag``: run the command and leave at once."""

import os
import sys


def run() -> None:
    """Run the command and end the process with its exit code.

    Unloading torch takes the interpreter 1.5 s, and a second Ctrl-C meanwhile shows a traceback; by then
    everything has been closed and written, so the process ends without that.
    """
    try:
        from rag.cli import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    run()
