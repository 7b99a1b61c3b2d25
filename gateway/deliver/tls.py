"""What TLS to the broker trusts and shows."""

import ssl
from typing import Any

from gateway.config.broker import MqttConfig
from gateway.sdk import ConfigError, denied


class TlsContext(ssl.SSLContext):
    """Knows the socket that it made: paho leaves it open when the handshake fails."""

    made: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """As the standard library's."""
        self.made = super().wrap_socket(*args, **options)
        return self.made


def tls_context(config: MqttConfig) -> TlsContext:
    """What TLS trusts and shows: at least TLS 1.2, the broker's name checked, our certificate if there is one.

    Raises:
        ConfigError: a file is missing, or is no certificate or key.
    """
    try:
        context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificate and name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(config.ca)
        if config.cert is not None:
            context.load_cert_chain(config.cert, config.key)
    except OSError as error:
        raise ConfigError(f"mqtt: ca, cert or key cannot be used: {error}{denied(error)}") from error
    return context
