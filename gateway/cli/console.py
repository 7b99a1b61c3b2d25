"""`fieldgate console …`: where the web console is, and who may use it. Works beside a running gateway, and without one.

A gateway that runs takes up what has changed within a second or two; logins of whoever was changed end.
"""

import argparse
import getpass
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.common import FAILED, OK, add_again, add_config, add_json, complain, print_json, state_folder
from gateway.config.load import load
from gateway.console.rights import Role
from gateway.deliver.event import rfc3339
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock
from gateway.sdk.errors import FieldgateError

if TYPE_CHECKING:
    from gateway.state.users import Users

ROLES = [role.value for role in Role]


class UsageError(FieldgateError):
    """What is asked for cannot be done; the message says why."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("console", help="the web console: its address, users, passwords, tokens")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.set_defaults(func=run_where)
    verbs = parser.add_subparsers(dest="console_verb", metavar="VERB")
    one = _verb(verbs, "password", "show the first password; with USER, give that user a new one", _password)
    one.add_argument("user", metavar="USER", nargs="?", help="whose; it is asked for, or made")
    one.add_argument("--make", action="store_true", help="make one and print it, to be changed at the next login")
    _verb(verbs, "users", "list who may come in", _users)
    one = _verb(verbs, "add", "make a user; the password is printed, and must be changed at the first login", _add)
    one.add_argument("user", metavar="USER")
    one.add_argument("--role", choices=ROLES, default=ROLES[0], help="default: %(default)s")
    _verb(verbs, "remove", "remove a user", _remove).add_argument("user", metavar="USER")
    one = _verb(verbs, "token", "make a token for a program; it is printed this once", _token)
    one.add_argument("name", metavar="NAME", help="what it is for")
    one.add_argument("--role", choices=ROLES, default=ROLES[0], help="default: %(default)s")
    one.add_argument("--days", type=int, default=365, help="how long it holds (default: %(default)s)")
    _verb(verbs, "tokens", "list tokens", _tokens)
    _verb(verbs, "revoke", "let a token hold no longer", _revoke).add_argument("id", metavar="ID")


def _verb(verbs: Any, name: str, text: str, work: Callable[..., int]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    add_again(parser)
    parser.set_defaults(func=_with_users, work=work)
    return parser


def run_where(args: argparse.Namespace) -> int:
    """Where it listens."""
    root, state = _place(args)
    told = state / "console-listen"
    where = told.read_text().strip() if told.is_file() and root.console.listen else root.console.listen
    if args.json:
        print_json({"url": where})
    else:
        print(where or "the console is off; `console: {listen: 127.0.0.1:8480}` in the configuration switches it on")
    return OK


def _with_users(args: argparse.Namespace) -> int:
    from gateway.console import first  # noqa: PLC0415 - argon2 and SQLite, which other verbs need not pay for
    from gateway.state.users import Users  # noqa: PLC0415 - as above

    state = _place(args)[1]
    if not state.is_dir():
        complain(f"{state}: there is no such folder; name the state folder with --state")
        return FAILED
    users = Users(state)
    try:
        first.begin(users, state, SystemClock().wall_ns())
        return int(args.work(users, state, args))
    except PermissionError as error:
        complain(f"{error.filename}: may not be read; run this as root")
        return FAILED
    finally:
        users.close()


def _password(users: "Users", state: Path, args: argparse.Namespace) -> int:
    from gateway.console import first, passwords  # noqa: PLC0415 - as above

    if args.user is None:
        return _first(first.told(state))
    user = users.users().get(args.user)
    if user is None:
        raise UsageError(f"there is no user '{args.user}'; `fieldgate console add` makes one")
    password = passwords.made() if args.make else _asked()
    why = passwords.fault(password, user.name)
    if why:
        raise UsageError(why)
    users.put(replace(user.renewed(), secret=passwords.hashed(password), change=args.make), user)
    first.done(state, user.name)
    print(f"{user.name} {password}" if args.make else f"{user.name} has a new password")
    return OK


def _first(told: tuple[str, str] | None) -> int:
    if told is None:
        complain("the first password has been changed; `fieldgate console password USER` sets another one")
        return FAILED
    print(f"{told[0]} {told[1]}")
    return OK


def _asked() -> str:
    """Twice at a terminal, so that it is not mistyped; else one line of what is piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("new password: ")
    if getpass.getpass("once more: ") != password:
        raise UsageError("they are not the same")
    return password


def _users(users: "Users", _state: Path, args: argparse.Namespace) -> int:
    found = [{"user": one.name, "role": one.role, "made": rfc3339(one.made)} for one in users.users().values()]
    return _listed(found, args)


def _add(users: "Users", _state: Path, args: argparse.Namespace) -> int:
    from gateway.console import passwords  # noqa: PLC0415 - as above
    from gateway.console.accounts import NAME  # noqa: PLC0415 - as above
    from gateway.state.users import User  # noqa: PLC0415 - as above

    if not NAME.fullmatch(args.user):
        raise UsageError("a user's name has 1 to 64 letters, digits and _ . @ -")
    if args.user in users.users():
        raise UsageError(f"there is a user '{args.user}' already")
    password = passwords.made()
    now = SystemClock().wall_ns()
    users.put(User(args.user, args.role, passwords.hashed(password), change=True, made=now).renewed())
    print(f"{args.user} {password}")
    return OK


def _remove(users: "Users", _state: Path, args: argparse.Namespace) -> int:
    if not users.remove(args.user):
        raise UsageError(f"there is no user '{args.user}'")
    print(f"{args.user} is removed")
    return OK


def _token(users: "Users", _state: Path, args: argparse.Namespace) -> int:
    from gateway.console.accounts import new_token  # noqa: PLC0415 - as above

    secret, kept = new_token(args.name, args.role, args.days, getpass.getuser(), SystemClock().wall_ns())
    users.put_token(kept)
    print(secret)
    return OK


def _tokens(users: "Users", _state: Path, args: argparse.Namespace) -> int:
    found = [
        {"id": one.id, "role": one.role, "by": one.by, "expires": rfc3339(one.expires), "name": one.name}
        for one in users.tokens().values()
    ]
    return _listed(found, args)


def _revoke(users: "Users", _state: Path, args: argparse.Namespace) -> int:
    if not users.remove_token(args.id):
        raise UsageError(f"there is no token {args.id}; `fieldgate console tokens` lists them")
    print(f"{args.id} holds no longer")
    return OK


def _listed(found: list[dict[str, Any]], args: argparse.Namespace) -> int:
    if args.json:
        print_json(found)
    for one in [] if args.json else found:
        print("  ".join(f"{value:10}" for value in one.values()).rstrip())
    return OK


def _place(args: argparse.Namespace) -> tuple[Any, Path]:
    root = load(args.config, Registry().models()).root
    return root, state_folder(args.state, root.gateway.state)
