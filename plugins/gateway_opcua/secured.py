"""What a person may write on how a server is spoken to safely: the channel, whom we trust, and who we are."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gateway.sdk import DeviceConfig

AsPath = Annotated[Path, BeforeValidator(lambda value: Path(value) if isinstance(value, str) else value)]
Acceptable = Literal["expired", "not_yet_valid", "host", "usage", "weak_key", "sha1", "no_crl"]
_SHA256 = 64  # hexadecimal digits


def _fingerprint(text: str) -> str:
    digits = re.sub(r"[:\s]", "", text).upper()
    if len(digits) != _SHA256 or not re.fullmatch(r"[0-9A-F]+", digits):
        raise ValueError("a fingerprint is the SHA-256 of the certificate, 64 hexadecimal digits")
    return digits


def several(given: object) -> object:
    """One text with commas is as good as a list: that is how a command line has it."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


class SecuredDevice(DeviceConfig):
    """A device whose server is spoken to over a channel that can be secured."""

    security: Literal["none", "sign", "sign_and_encrypt"] = "none"
    """Whether messages are signed, or signed and encrypted."""
    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "Basic256", "Basic128Rsa15"] = (
        "Basic256Sha256"
    )
    """Security policy, where `security` is not none. Basic256 and Basic128Rsa15 are broken: a last resort."""
    trust: AsPath | None = None
    """PEM or DER file with the one certificate that the server may show."""
    fingerprint: Annotated[str, AfterValidator(_fingerprint)] | None = None
    """In place of trust: SHA-256 of the one certificate that the server may show."""
    first_use: Literal["keep", "refuse"] = "keep"
    """A certificate that nothing vouches for: the first one seen is kept, or refused until `fieldgate certs trust`."""
    accept: Annotated[list[Acceptable], BeforeValidator(several)] = Field(default=[])
    """What is let pass though it speaks against the server's certificate; told at each connection."""
    user: str | None = Field(default=None, min_length=1)
    """User name at the server; anonymous unless set."""
    password: SecretStr | None = None
    """Password of `user`; always a reference: !secret name."""
    user_certificate: AsPath | None = None
    """In place of user: PEM or DER file with the certificate of a user of the server."""
    user_key: AsPath | None = None
    """PEM file with the private key of `user_certificate`, for the gateway alone to read."""

    @model_validator(mode="after")
    def _password_has_a_user(self) -> Self:
        if self.password is not None and self.user is None:
            raise ValueError("password is set but user is not")
        return self

    @model_validator(mode="after")
    def _trust_has_a_use(self) -> Self:
        if self.trust is not None and self.fingerprint is not None:
            raise ValueError("trust and fingerprint both name the server's certificate: one is enough")
        for option in ("trust", "fingerprint"):
            if getattr(self, option) is not None and self.security == "none":
                raise ValueError(f"{option} is set but security is none: no certificate would be checked")
        return self

    @model_validator(mode="after")
    def _certificate_is_whole(self) -> Self:
        if (self.user_certificate is None) != (self.user_key is None):
            raise ValueError("user_certificate and user_key go together")
        if self.user_certificate is not None and self.user is not None:
            raise ValueError("user and user_certificate are two ways to log in: one is enough")
        if self.user_certificate is not None and self.security == "none":
            raise ValueError("user_certificate is set but security is none: the login could be repeated by others")
        return self

    @property
    def login(self) -> str:
        """Who logs in, in words."""
        return self.user or (f"certificate {self.user_certificate}" if self.user_certificate else "anonymous")

    @property
    def refused_login(self) -> str:
        """Who was refused, and what helps."""
        if self.user_certificate is not None:
            return f"the user of {self.user_certificate}: accept that certificate on the server as a user's"
        return f"{f'user {self.user!r}' if self.user else 'an anonymous user'}: check user and password"
