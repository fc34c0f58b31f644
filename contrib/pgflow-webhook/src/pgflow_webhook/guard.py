"""Keeps deliveries out of the network they are sent from: addresses are looked up once, judged, and connected to."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pgflow import ArgumentError, JobError

ADDRESS_REFUSED: Final = "ADDRESS_REFUSED"
URL_REFUSED: Final = "url must be http:// or https:// with a host and without a password, of 2,000 characters at most"
URL: Final = re.compile(r"[!-~]{8,2000}")
DISGUISES: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # between a carrier and its customers
        "192.0.0.0/24",  # of protocols
        "192.88.99.0/24",  # relays of 6to4
        "::/96",  # holds an IPv4 address, as do the four that follow
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",  # of a site
    )
)


class Place(NamedTuple):
    """Where a url leads: the scheme, the host and port, and what to ask for there."""

    is_secure: bool
    host: str
    port: int
    path: str


def place_of(url: str) -> Place:
    """Take a url apart. Raises `ArgumentError` where it is none that can be told."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ArgumentError(URL_REFUSED) from None
    strange = parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or port == 0
    if strange or not URL.fullmatch(url):
        raise ArgumentError(URL_REFUSED)
    is_secure = parts.scheme == "https"
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return Place(is_secure, str(parts.hostname), port or (443 if is_secure else 80), path)


def addresses_of(host: str, port: int, *, allow_private: bool) -> list[tuple[int, Any]]:
    """Look a host up; gives the families and addresses to connect to, the best first.

    Every address it has must be outside: a name with one inside address among others is refused whole.
    Raises `JobError` (not to be tried again) for an inside one, `OSError` where the name is not found.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if not allow_private and is_inside(str(address[0])):
            msg = f"{host} is at {address[0]}, inside the network: PGFLOW_WEBHOOK_ALLOW_PRIVATE=1 allows it"
            raise JobError(ADDRESS_REFUSED, msg, retryable=False)
    return [(int(family), address) for family, _, _, _, address in found]


def is_inside(address: str) -> bool:
    """Say whether an address is anything but a public one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    strange = found.is_multicast or found.is_reserved or any(found in network for network in DISGUISES)
    return strange or not found.is_global
