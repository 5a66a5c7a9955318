"""Runs the command line of sev-snp-measure once per line of standard input, in one process.

A line is a JSON list of arguments. The answer is a line: `ok DIGEST`, or `error` and why.
"""

import contextlib
import io
import json
import sys

from sevsnpmeasure import cli


def answer(arguments):
    sys.argv = ["sev-snp-measure", *arguments]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main()
    except SystemExit as exit:
        code = exit.code
    except Exception as error:  # the tool reports some wrong inputs by traceback only
        return f"error {type(error).__name__} {error}"
    return f"ok {out.getvalue()}" if code == 0 else f"error {err.getvalue()}"


for line in sys.stdin:
    print(" ".join(answer(json.loads(line)).split()))
