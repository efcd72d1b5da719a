"""Words for systemd, where it has started the service: that it is ready, and that its loop still turns."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

SOCKET = "NOTIFY_SOCKET"


def tell_systemd(word: str) -> None:
    """As sd_notify(3): a datagram to the socket that systemd names. Without one nothing is done."""
    address = os.environ.get(SOCKET, "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(word.encode(), address)
