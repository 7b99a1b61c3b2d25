"""`fieldgate VERB …`: the command line."""

import argparse
import sys
from collections.abc import Sequence

from gateway import __version__
from gateway.cli import load


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The whole command line, or as much of it as one that begins with `words` needs."""
    top = argparse.ArgumentParser(prog="fieldgate", description="Industrial edge gateway: machines in, alarms out.")
    top.add_argument("--version", action="version", version=f"fieldgate {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for module in load(words):
        module.add(verbs)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; the exit code says how it went (0 ok, 1 failed, 2 usage, 75 try later, 78 configuration)."""
    words = sys.argv[1:] if arguments is None else arguments
    args = parser(words).parse_args(words)
    from gateway.cli.common import CONFIGURATION, FAILED, complain  # noqa: PLC0415 - what takes long is loaded by `load`
    from gateway.sdk.errors import ConfigError, FieldgateError  # noqa: PLC0415

    try:
        return int(args.func(args))
    except ConfigError as error:
        complain(str(error))
        return CONFIGURATION
    except FieldgateError as error:
        complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return FAILED  # the reader of our output went away


if __name__ == "__main__":
    sys.exit(main())
