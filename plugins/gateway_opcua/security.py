"""How a channel is secured: our certificate, the server's endpoint, and whether its certificate is the trusted one."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies, uacrypto
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.sdk import DisconnectedError, Host
from gateway_opcua.certificates import Identity, Pin, load_identity
from gateway_opcua.config import OpcuaDevice

_MODES: Final = {
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_POLICIES: Final[dict[str, type[security_policies.SecurityPolicy]]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_WARN_BEFORE: Final = dt.timedelta(days=60)


class Security:
    """The security of one session.

    Attributes:
        identity: our certificate, once it was needed.
    """

    def __init__(self, config: OpcuaDevice, host: Host) -> None:
        self.identity: Identity | None = None
        self._config, self._host = config, host
        self._pin = Pin(host.home, config.connect, config.trust)
        self._shown: bytes | None = None

    async def apply(self, client: Client) -> None:
        """Choose the endpoint, check its certificate, set the policy. Raises DisconnectedError, and as asyncua does."""
        if self._config.security == "none":
            return
        now = dt.datetime.fromtimestamp(self._host.clock.wall_ns() / 1e9, dt.UTC)
        own = self.identity = await asyncio.to_thread(load_identity, self._host.home, now)
        client.application_uri = own.uri
        policy, mode = _POLICIES[self._config.policy], _MODES[self._config.security]
        certificate = choose(await client.connect_and_get_server_endpoints(), mode, policy.URI)
        self._warn_of_age(own, certificate, now)
        shown = self._shown = certificate.public_bytes(Encoding.DER)
        await asyncio.to_thread(self._pin.check, shown)
        await client.set_security(
            policy,
            uacrypto.CertProperties(own.certificate, "der"),
            uacrypto.CertProperties(own.key, "pem"),
            server_certificate=uacrypto.CertProperties(shown, "der"),
            mode=mode,
        )

    async def keep(self) -> None:
        """The session stands, so the server owns the certificate that it showed: pin it if it is the first one."""
        if self._shown is not None and await asyncio.to_thread(self._pin.keep, self._shown):
            self._host.log.info("server certificate trusted on first use", server=self._config.connect)

    def warn_of_open_password(self, client: Client) -> None:
        """Some servers take passwords only as plain text; over an open channel everybody may read them."""
        token = client.server_policy(ua.UserTokenType.UserName)
        plain = token.SecurityPolicyUri in (None, "", security_policies.SecurityPolicyNone.URI)
        if self._config.password and plain and self._config.security != "sign_and_encrypt":
            self._host.log.warning("the password is sent in the clear: set security", server=self._config.connect)

    def _warn_of_age(self, own: Identity, certificate: x509.Certificate, now: dt.datetime) -> None:
        server, expired = self._config.connect, certificate.not_valid_after_utc
        if own.expires - now < _WARN_BEFORE:
            self._host.log.warning("own certificate expires", path=str(own.path), expires=own.expires.isoformat())
        if expired < now:
            self._host.log.warning("server certificate has expired", server=server, expired=expired.isoformat())


def choose(offered: Sequence[ua.EndpointDescription], mode: ua.MessageSecurityMode, policy: str) -> x509.Certificate:
    """The certificate of the endpoint with this security; the first one where the server sends a chain.

    Raises:
        DisconnectedError: there is no such endpoint; it names those that there are.
    """
    for endpoint in offered:
        if endpoint.SecurityMode == mode and endpoint.SecurityPolicyUri == policy and endpoint.ServerCertificate:
            return x509.load_der_x509_certificate(_first(endpoint.ServerCertificate))
    names = sorted({f"{e.SecurityMode.name} {_short(e.SecurityPolicyUri)}" for e in offered})
    raise DisconnectedError(f"the server does not offer {mode.name} {_short(policy)}; it offers {', '.join(names)}")


def _first(chain: bytes) -> bytes:
    """A chain is one DER sequence after the other; the server's own comes first (Part 6 §6.2.6)."""
    return chain[: 4 + int.from_bytes(chain[2:4], "big")]


def _short(policy: str | None) -> str:
    return (policy or "").rpartition("#")[2]
