"""`talkstack` and `python -m talkstack_async`."""

from __future__ import annotations

import sys

_EXTRA = {"typer", "click", "rich"}


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        from .cli.app import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"talkstack: the command line needs {error.name}: install talkstack-async[cli]\n"
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())
