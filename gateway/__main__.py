"""`fieldgate VERB …`: the command line."""

import argparse
import sys

from gateway import __version__
from gateway.cli import VERBS
from gateway.cli.common import CONFIGURATION, FAILED, complain
from gateway.sdk.errors import ConfigError, FieldgateError


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="fieldgate", description="Industrial edge gateway: machines in, alarms out.")
    top.add_argument("--version", action="version", version=f"fieldgate {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(verbs)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; the exit code says how it went (0 ok, 1 failed, 2 usage, 75 try later, 78 configuration)."""
    args = parser().parse_args(arguments)
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
