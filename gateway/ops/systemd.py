"""sd_notify(3) in a few lines: a datagram to the socket that systemd names."""

import os
import socket


def notify(message: str) -> None:
    """Tell systemd `message` (READY=1, STATUS=…, WATCHDOG=1, STOPPING=1); nothing happens without systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.sendto(message.encode(), target)
        except OSError:
            return  # systemd is restarting or its queue is full: the next message comes soon


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear WATCHDOG=1, as WATCHDOG_USEC says; None without a watchdog."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    return int(usec) / 1e6 if usec.isdigit() and int(usec) > 0 else None
