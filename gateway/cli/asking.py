"""How verbs ask the gateway that runs: its read-only paths over HTTP, where it said that it listens."""

import argparse
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from gateway.cli.common import FAILED, TRY_LATER, add_config, add_json, state_folder
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.sdk.errors import FieldgateError

_WITHIN = 5.0  # s for an answer


class UnansweredError(FieldgateError):
    """There is no answer. `code` is what the verb exits with."""

    def __init__(self, text: str, code: int = TRY_LATER) -> None:
        super().__init__(text)
        self.code = code


def add_gateway(parser: argparse.ArgumentParser) -> None:
    """`--config`, `--json`, `--state`, `--listen`."""
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the gateway listens")


def asked(args: argparse.Namespace, path: str, **query: str) -> dict[str, Any]:
    """What the gateway of `args` answers to `path`. Raises UnansweredError with the sentence for the operator."""
    where = args.listen or _address(args)
    if where is None:
        raise UnansweredError(
            "the gateway does not listen; set metrics.listen in the configuration, or run it with --listen"
        )
    try:
        return fetch(where, path, **query)
    except urllib.error.HTTPError as error:
        raise UnansweredError(json.load(error)["error"], FAILED) from error
    except (OSError, ValueError) as error:
        raise UnansweredError(f"no answer from http://{where}{path}: {error}") from error


def fetch(where: str, path: str = "/status", **query: str) -> dict[str, Any]:
    """The document at `path` of the gateway that listens at host:port. Raises OSError, ValueError."""
    asking = f"?{urllib.parse.urlencode(query)}" if query else ""
    with urllib.request.urlopen(f"http://{where}{path}{asking}", timeout=_WITHIN) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def _address(args: argparse.Namespace) -> str | None:
    """Where the gateway said that it listens (port 0 is only known to it), else what the configuration says."""
    root = load(args.config, Registry().models()).root
    told = state_folder(args.state, root.gateway.state) / "listen"
    return told.read_text().strip() if told.is_file() else root.metrics.listen
