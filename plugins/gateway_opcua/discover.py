"""What answers at an address over OPC UA: FindServers and GetEndpoints (Part 4 §5.5), and a device file to start from.

No session is made and nobody logs in; every packet has the leave of `pace`.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from gateway.sdk.discover import OPEN, REQUEST, Discovered, Pace, Place
from gateway_opcua.channel import quiet_asyncua
from gateway_opcua.config import DEFAULT_PORT
from gateway_opcua.security import leave, short

_SERVERS: Final = 10  # of one host that are asked
_ANONYMOUS: Final = ua.UserTokenType.Anonymous
_MODES: Final = {
    ua.MessageSecurityMode.SignAndEncrypt: "sign_and_encrypt",
    ua.MessageSecurityMode.Sign: "sign",
    ua.MessageSecurityMode.None_: "none",
}
_POLICIES: Final = ("Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep")  # the best first
_ALWAYS_THERE: Final = {"server_time": {"node": "i=2258"}}


async def discover(place: Place, pace: Pace) -> AsyncGenerator[Discovered, None]:
    """As `gateway.sdk.discover.Discovers`.

    A server that knows others (a local discovery server, Part 12 §4) has their ports asked too: on its own host only.
    """
    quiet_asyncua()
    ports, asked = [place.port], set[int]()
    while ports and len(asked) < _SERVERS:
        asked.add(port := ports.pop(0))
        found, named = await _at(replace(place, port=port), pace)
        if found is not None:
            yield found
        ports += [one for one in dict.fromkeys(named) if one not in asked and one not in ports]


async def _at(place: Place, pace: Pace) -> tuple[Discovered | None, list[int]]:
    """What answers at one port, and the ports of the servers that it knows."""
    url = _url(place)
    client = Client(url, timeout=place.patience)
    try:
        endpoints, others = await _ask(client, pace, place.patience)
    except ConnectionRefusedError:
        return Discovered(url, remark="nothing listens here", listening=False), []
    except (OSError, UaError, ValueError, struct.error) as error:
        if client.uaclient.protocol is None:
            return None, []
        return Discovered(url, remark=f"takes connections and does not speak OPC UA: {str(error) or 'silence'}"), []
    finally:
        await leave(client)
    urls = [url for one in others for url in one.DiscoveryUrls or []]
    return _told(place, endpoints, urls), [port for url in urls if (port := _port(url)) is not None]


def _port(url: str) -> int | None:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "opc.tcp":
            return parts.port or DEFAULT_PORT
    return None


async def _ask(
    client: Client, pace: Pace, patience: float
) -> tuple[list[ua.EndpointDescription], list[ua.ApplicationDescription]]:
    """Its endpoints, and the servers that it knows, itself among them."""
    await pace.spend(OPEN)
    async with asyncio.timeout(patience):
        await client.connect_socket()
    for step in (client.send_hello, client.open_secure_channel):
        await pace.spend(REQUEST)
        await step()
    await pace.spend(REQUEST)
    endpoints = await client.get_endpoints()
    await pace.spend(2 * REQUEST)  # the farewell too
    try:
        return endpoints, await client.find_servers()
    except UaError:
        return endpoints, []


def _told(place: Place, endpoints: Sequence[ua.EndpointDescription], known: Sequence[str]) -> Discovered:
    if not endpoints:
        return Discovered(_url(place), "OPC UA server", remark="it offers no endpoint")
    server = endpoints[0].Server
    url = _url(place) + urlsplit(endpoints[0].EndpointUrl or "").path.rstrip("/")
    offers = sorted({f"{e.SecurityMode.name.strip('_')} {short(e.SecurityPolicyUri)}" for e in endpoints})
    says = {"name": server.ApplicationName.Text, "uri": server.ApplicationUri, "product": server.ProductUri}
    says = {key: text for key, text in says.items() if text} | {"offers": ", ".join(offers)}
    if server.ApplicationType == ua.ApplicationType.DiscoveryServer:
        return Discovered(url, "OPC UA discovery server", says, f"it knows {', '.join(known[:_SERVERS])}")
    remark = f"its variables: fieldgate browse {url}"
    if not any(token.TokenType == _ANONYMOUS for one in endpoints for token in one.UserIdentityTokens or []):
        remark += "; it wants to know who asks: user and password"
    device = {"adapter": "opcua", "connect": url, **_login(endpoints), "every": "1s", "tags": _ALWAYS_THERE}
    return Discovered(url, "OPC UA server", says, remark, device)


def _login(endpoints: Sequence[ua.EndpointDescription]) -> dict[str, Any]:
    """The safest way in that is offered; none at all where the server offers nothing else."""
    for mode, name in _MODES.items():
        for policy in _POLICIES if name != "none" else ("None",):
            for one in endpoints:
                if one.SecurityMode == mode and short(one.SecurityPolicyUri) == policy:
                    return {"security": name, "policy": policy} if name != "none" else {}
    return {}


def _url(place: Place) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"opc.tcp://{host}:{place.port}"
