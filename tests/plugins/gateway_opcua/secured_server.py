"""An asyncua server with a certificate that a test has made: `python secured_server.py PORT FOLDER`.

FOLDER holds certificate.pem (others after it are sent as its chain), key.pem and options.json: `uri`, `policies` (names
of asyncua), `user` (SHA-256 of the certificate of the one user; else everybody), `discovery` (URLs of others that it
knows), and, of us, `refuse` (name of a StatusCode) with `but` (SHA-256 of the one that it takes all the same). Commands
by line on stdin: refuse CODE | but SHA256 | raw FILE (what it sends in place of its certificates).
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua import status_codes
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex().upper()


class Users(UserManager):
    """The one who has a certificate, or everybody."""

    def __init__(self, only: str | None) -> None:
        self._only = only

    def get_user(
        self, _server: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        del username, password
        known = self._only is None or (certificate is not None and self._hash(certificate) == self._only)
        return User(role=UserRole.Admin) if known else None

    def _hash(self, certificate: Any) -> str:
        parsed = (
            certificate if isinstance(certificate, x509.Certificate) else x509.load_der_x509_certificate(certificate)
        )
        return fingerprint(parsed)


async def serve(port: int, folder: Path) -> None:
    options = json.loads((folder / "options.json").read_text())
    server = Server(user_manager=Users(options.get("user")))
    await server.init()
    server.set_endpoint(f"opc.tcp://{options.get('host', '127.0.0.1')}:{port}/line")
    server.set_security_policy([ua.SecurityPolicyType[name] for name in options["policies"]])
    await server.set_application_uri(options["uri"])
    await server.load_certificate(str(folder / "certificate.pem"))
    await server.load_private_key(str(folder / "key.pem"))

    async def validate(certificate: x509.Certificate, _application: Any) -> None:
        if "refuse" in options and fingerprint(certificate) != options.get("but"):
            raise ServiceError(getattr(status_codes.StatusCodes, options["refuse"]))

    server.set_certificate_validator(validate)
    if "discovery" in options:
        _be_discovery_server(server, options["discovery"])
    async with server:
        _send_chain(server, folder / "certificate.pem")
        _say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            verb, value = line.split()
            options[verb] = value
            if verb == "raw":
                _send_raw(server, Path(value))
            _say("done")


def _be_discovery_server(server: Server, urls: list[str]) -> None:
    """Know of others, which are reached at `urls`."""
    server.application_type = ua.ApplicationType.DiscoveryServer
    for number, url in enumerate(urls):
        other = ua.RegisteredServer(ServerUri=f"urn:other:{number}", ServerNames=[ua.LocalizedText("other")])
        other.DiscoveryUrls = [url]
        server.iserver.register_server(other)


def _send_chain(server: Server, path: Path) -> None:
    """Asyncua sends a server's own certificate only; others send those of its CAs behind it."""
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    _send(server, b"".join(one.public_bytes(Encoding.DER) for one in certificates))


def _send_raw(server: Server, path: Path) -> None:
    _send(server, path.read_bytes())


def _send(server: Server, chain: bytes) -> None:
    for endpoint in server.iserver.endpoints:
        endpoint.ServerCertificate = chain


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
