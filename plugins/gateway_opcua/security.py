"""How a channel is secured: our certificate, the server's endpoint, and whether its certificate is the trusted one."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Sequence
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies, uacrypto
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.sdk import DisconnectedError, Host
from gateway.sdk.certificates import Certificate
from gateway_opcua.certificates import Identity, Own, load_own
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.identities import User, load_user
from gateway_opcua.keeper import describe, of_identity
from gateway_opcua.trust import Trust, Verdict

_MODES: Final = {
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_POLICIES: Final[dict[str, type[security_policies.SecurityPolicy]]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "Basic256": security_policies.SecurityPolicyBasic256,
    "Basic128Rsa15": security_policies.SecurityPolicyBasic128Rsa15,
}
_DEPRECATED: Final = ("Basic256", "Basic128Rsa15")  # Part 7: since 1.04
_LOOK: Final = 10.0  # s between two looks at what a person has changed in the folders
_JUDGE: Final = 3600.0  # s after which it is judged anew though nothing has changed: time passes for certificates
_CLOSE: Final = 2.0  # s that a farewell may take

_CHECKS_FAILED: Final = 0x80130000  # BadSecurityChecksFailed

Shown = tuple[bytes, str]  # a server's certificate with its chain, and what it calls itself


class Security:
    """The security of one session.

    Attributes:
        identity: our certificate, once it was needed.
        user: the certificate of the user, where one logs in.
    """

    def __init__(self, config: OpcuaDevice, host: Host) -> None:
        self.identity: Identity | None = None
        self.user: User | None = None
        self._config, self._host = config, host
        self._trust = Trust(host.home, config)
        self._own: Own | None = None
        self._shown: Shown = (b"", "")
        self._verdict: Verdict | None = None

    async def apply(self, client: Client) -> None:
        """Choose the endpoint, check its certificate, set the policy. Raises DisconnectedError, and as asyncua does."""
        config = self._config
        if config.security == "none":
            return
        self._own = await asyncio.to_thread(load_own, self._host.home, self._now())
        self.identity = self._own.present
        policy, mode = _POLICIES[config.policy], _MODES[config.security]
        endpoint = choose(await client.connect_and_get_server_endpoints(), mode, policy.URI)
        self._shown = endpoint.ServerCertificate, endpoint.Server.ApplicationUri or ""
        self._verdict = await asyncio.to_thread(self._trust.check, *self._shown, self._now())
        self._tell(self._verdict)
        self.identity = await self._identity(self._own)
        await self._secure(client, self.identity)
        if config.user_certificate and config.user_key:
            paths = config.user_certificate, config.user_key
            user = self.user = await asyncio.to_thread(load_user, *paths, self._now())
            client.user_certificate, client.user_private_key = user.certificate, user.key

    async def keep(self) -> None:
        """The session stands, so the server owns the certificate that it showed: pin it if it is the first one."""
        if self._verdict is not None and await asyncio.to_thread(self._trust.keep, self._verdict):
            self._host.log.info("server certificate trusted on first use", server=self._config.connect)

    async def watch(self) -> None:
        """See to it that what a person has decided holds for the session too, and that nothing has expired.

        Raises:
            DisconnectedError: the server's certificate is not accepted any more, or ours is another one now.
        """
        try:
            await self._watch()
        except OSError as error:
            raise DisconnectedError(f"{self._config.connect}: {error}") from error

    async def _watch(self) -> None:
        clock, store = self._host.clock, self._trust.store
        state, judged = await asyncio.to_thread(store.state), clock.monotonic()
        while True:
            await clock.sleep_until(clock.monotonic() + _LOOK)
            own = await asyncio.to_thread(load_own, self._host.home, self._now())
            if own != self._own:
                raise DisconnectedError(f"{self._config.connect}: the own certificate is another one now")
            before, state = state, await asyncio.to_thread(store.state)
            if state != before or clock.monotonic() - judged >= _JUDGE:
                await asyncio.to_thread(self._trust.check, *self._shown, self._now())
                judged = clock.monotonic()

    def certificates(self) -> list[Certificate]:
        """Those in use, once there are some: ours, the user's, the server's."""
        found = [of_identity("own", self.identity)] if self.identity else []
        if self.user:
            found.append(describe("user", self.user.certificate, str(self._config.user_certificate)))
        if self._verdict:
            found.append(describe("server", self._verdict.certificate, self._config.connect))
        return found

    def warn_of_open_password(self, client: Client) -> None:
        """Some servers take passwords only as plain text; over an open channel everybody may read them."""
        token = client.server_policy(ua.UserTokenType.UserName)
        plain = token.SecurityPolicyUri in (None, "", security_policies.SecurityPolicyNone.URI)
        if self._config.password and plain and self._config.security != "sign_and_encrypt":
            self._host.log.warning("the password is sent in the clear: set security", server=self._config.connect)

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._host.clock.wall_ns() / 1e9, dt.UTC)

    def _tell(self, verdict: Verdict) -> None:
        """What is let pass is not let pass in silence."""
        log, server = self._host.log, self._config.connect
        if self._config.policy in _DEPRECATED:
            log.warning("security policy is broken", server=server, policy=self._config.policy)
        for finding in verdict.passed:
            log.warning("server certificate accepted in spite", server=server, why=finding.text, remedy=finding.remedy)

    # --- as whom ---

    async def _identity(self, own: Own) -> Identity:
        """The renewed certificate where the server takes it already, else the present one."""
        if own.following is None:
            return own.present
        if await self._takes(own.following):
            return own.following
        self._host.log.warning(
            "server does not know the renewed certificate: accept it there before the present one expires",
            server=self._config.connect, path=str(own.following.path), expires=own.present.expires.isoformat(),
        )  # fmt: skip
        return own.present

    async def _takes(self, identity: Identity) -> bool:
        """Try it on a session of its own, for some servers look at it only there."""
        client = Client(self._config.connect, timeout=self._config.timeout)
        await self._secure(client, identity)
        try:
            await client.connect_socket()
            await client.send_hello()
            await open_channel(client)
            await client.create_session()
        except (OSError, UaError):
            return False
        finally:
            await leave(client)
        return True

    async def _secure(self, client: Client, identity: Identity) -> None:
        assert self._verdict is not None  # noqa: S101 - judged before
        client.application_uri = identity.uri
        server = self._verdict.certificate.public_bytes(Encoding.DER)
        await client.set_security(
            _POLICIES[self._config.policy],
            uacrypto.CertProperties(identity.certificate, "der"),
            uacrypto.CertProperties(identity.key, "pem"),
            server_certificate=uacrypto.CertProperties(server, "der"),
            mode=_MODES[self._config.security],
            certificate_chain=[uacrypto.CertProperties(one, "der") for one in identity.chain],
        )


async def open_channel(client: Client, *, renew: bool = False) -> None:
    """Open the secure channel, or give it new keys.

    Some servers (node-opcua) refuse it by an answer, and asyncua then fails in an assertion of its own, past which the
    StatusCode is lost. Raises UaError and OSError as asyncua does.
    """
    try:
        await client.open_secure_channel(renew)
    except (AssertionError, AttributeError) as error:
        raise UaStatusCodeError(_CHECKS_FAILED) from error  # type: ignore[no-untyped-call]  # asyncua has no types there


async def leave(client: Client) -> None:
    """Close what was opened for a try, whatever it was."""
    protocol = client.uaclient.protocol
    with contextlib.suppress(OSError, UaError):
        async with asyncio.timeout(_CLOSE):
            await client.close_session()
            await client.close_secure_channel()
    if protocol is not None and protocol.transport is not None:
        protocol.transport.abort()
    client.disconnect_socket()


def choose(
    offered: Sequence[ua.EndpointDescription], mode: ua.MessageSecurityMode, policy: str
) -> ua.EndpointDescription:
    """The endpoint with exactly this security: never a lesser one.

    Raises:
        DisconnectedError: there is no such endpoint; it names those that there are.
    """
    for endpoint in offered:
        if endpoint.SecurityMode == mode and endpoint.SecurityPolicyUri == policy and endpoint.ServerCertificate:
            return endpoint
    names = sorted({f"{e.SecurityMode.name} {short(e.SecurityPolicyUri)}" for e in offered})
    raise DisconnectedError(
        f"the server does not offer {mode.name} {short(policy)}; it offers {', '.join(names) or 'nothing'}"
    )


def short(policy: str | None) -> str:
    """`http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256` → `Basic256Sha256`."""
    return (policy or "").rpartition("#")[2]
