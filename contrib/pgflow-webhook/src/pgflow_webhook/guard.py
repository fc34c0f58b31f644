"""Keeps deliveries out of the network they are sent from: the address is looked up once, judged, and connected to."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from pgflow import JobError

ADDRESS_REFUSED: Final = "ADDRESS_REFUSED"
SHARED: Final = (
    ipaddress.ip_network("100.64.0.0/10"),  # between a carrier and its customers
    ipaddress.ip_network("64:ff9b::/96"),  # IPv4 behind NAT64
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"),  # 6to4 holds an IPv4 address
)


def address_of(host: str, port: int, *, allow_private: bool) -> tuple[int, str]:
    """Look a host up; gives the family and address to connect to.

    Every address it has must be outside: a name with one inside address among others is refused whole.
    Raises `JobError` (not to be tried again) for an inside one, `OSError` where the name is not found.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        if not allow_private and is_inside(str(place[0])):
            msg = f"{host} is at {place[0]}, inside the network: PGFLOW_WEBHOOK_ALLOW_PRIVATE=1 allows it"
            raise JobError(ADDRESS_REFUSED, msg, retryable=False)
    family, _, _, _, place = found[0]
    return int(family), str(place[0])


def is_inside(address: str) -> bool:
    """Say whether an address is anything but a public one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return not found.is_global or found.is_multicast or any(found in network for network in SHARED)
