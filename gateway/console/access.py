"""Logging in and out, users and tokens."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from gateway import __version__
from gateway.console import doors
from gateway.console.accounts import Accounts
from gateway.console.audit import Acts
from gateway.console.calls import Call, Route, address_of, checked, json_answer, printable, refusal, said
from gateway.console.host import Host, now
from gateway.console.passwords import LONGEST
from gateway.console.rights import RIGHTS, Refused, Right, Role, Who
from gateway.sdk.config import Table
from gateway.state.users import Token, User

_MS = 1_000_000  # ns


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has control characters")
    return text


class LoginBody(Table):
    """Who, and their password."""

    user: str = Field(min_length=1, max_length=64)
    password: SecretStr = Field(min_length=1, max_length=LONGEST)


class PasswordBody(Table):
    """The old password, and a new one."""

    old: SecretStr = Field(min_length=1, max_length=LONGEST)
    new: SecretStr = Field(min_length=1, max_length=LONGEST)


class UserBody(Table):
    """What is to be set; what is not named stays."""

    role: Role | None = Field(default=None, strict=False)
    password: SecretStr | None = Field(default=None, max_length=LONGEST)


class TokenBody(Table):
    """A token for a program."""

    name: Annotated[str, AfterValidator(_printable)] = Field(min_length=1, max_length=64)
    role: Role = Field(strict=False)
    days: int = Field(default=365, ge=1, le=3650)


class Access:
    """The paths that are about people. `cookie` is the name of the cookie, `secure` whether TLS is spoken."""

    def __init__(self, host: Host, accounts: Accounts, acts: Acts, cookie: str, *, secure: bool) -> None:
        self._host, self._accounts, self._acts = host, accounts, acts
        self._cookie, self._secure = cookie, secure

    def routes(self) -> Sequence[Route]:
        """All but the login itself."""
        admin = Right.ADMINISTER
        return [
            Route("me", "GET", "/me", self._me, None),
            Route("logout", "POST", "/logout", self._logout, None),
            Route("password", "POST", "/password", self._password, None, body=PasswordBody, act=True),
            Route("users", "GET", "/users", self._users, admin),
            Route("put_user", "PUT", "/users/{user}", self._put_user, admin, body=UserBody, act=True),
            Route("delete_user", "DELETE", "/users/{user}", self._delete_user, admin, act=True),
            Route("tokens", "GET", "/tokens", self._tokens, admin),
            Route("make_token", "POST", "/tokens", self._make_token, admin, body=TokenBody, act=True),
            Route("delete_token", "DELETE", "/tokens/{id}", self._delete_token, admin, act=True),
        ]

    async def login(self, request: Request) -> Response:
        """Log in. Nobody asks yet, so that it is no Route."""
        try:
            doors.check_origin(request.headers, request.scope["scheme"])
            cookie, who = await self._login(checked(LoginBody, await said(request)), address_of(request))
        except Refused as error:
            return refusal(error)
        answer = json_answer(self._told(who))
        answer.set_cookie(self._cookie, cookie, path="/", secure=self._secure, httponly=True, samesite="strict")
        return answer

    async def _login(self, body: LoginBody, address: str) -> tuple[str, Who]:
        try:
            cookie, who = await self._accounts.login(body.user, body.password.get_secret_value(), address)
        except Refused as error:
            if error.reason == "wrong":
                await self._acts.note(printable(body.user), address, "login", str(error))
            raise
        await self._acts.note(who.name, address, "login", "logged in")
        return cookie, who

    def _told(self, who: Who) -> dict[str, Any]:
        return {
            "user": who.name, "role": who.role, "rights": RIGHTS[who.role], "csrf": who.csrf,
            "change_password": who.change, "gateway": now(self._host).configuration.root.gateway.id,
            "version": __version__,
        }  # fmt: skip

    async def _me(self, call: Call) -> dict[str, Any]:
        return self._told(call.who)

    async def _logout(self, call: Call) -> Response:
        self._accounts.sessions.end(call.who.key)
        answer = Response(status_code=HTTPStatus.NO_CONTENT, headers={"cache-control": "no-store"})
        answer.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="strict")
        return answer

    async def _password(self, call: Call) -> None:
        old, new = call.body.old.get_secret_value(), call.body.new.get_secret_value()
        await self._accounts.change_password(call.who, old, new, call.address)

    async def _users(self, _call: Call) -> dict[str, Any]:
        return {"users": [_user(user) for user in self._accounts.users.values()]}

    async def _put_user(self, call: Call) -> dict[str, Any]:
        body = call.body
        if body.role is None and body.password is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "malformed", "name a role or a password")
        password = body.password.get_secret_value() if body.password else None
        return _user(await self._accounts.put_user(call.path["user"], body.role, password))

    async def _delete_user(self, call: Call) -> None:
        await self._accounts.remove_user(call.path["user"])

    async def _tokens(self, _call: Call) -> dict[str, Any]:
        return {"tokens": [_token(token) for token in self._accounts.tokens.values()]}

    async def _make_token(self, call: Call) -> dict[str, Any]:
        body = call.body
        secret, kept = await self._accounts.make_token(body.name, body.role, body.days, call.who.by)
        return _token(kept) | {"token": secret}

    async def _delete_token(self, call: Call) -> None:
        await self._accounts.remove_token(call.path["id"])


def _user(user: User) -> dict[str, Any]:
    return {"user": user.name, "role": user.role, "change_password": user.change, "made": user.made // _MS}


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id, "name": token.name, "role": token.role, "by": token.by, "made": token.made // _MS,
        "expires": token.expires // _MS,
    }  # fmt: skip
