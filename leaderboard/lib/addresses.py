"""Which internet addresses belong to everybody, judged by a list of our own.

Python's ``is_global`` follows the registries of the day on which that Python was made, and differs
between its releases. These tables are IANA's special-purpose registries, their additions up to
2025-04 included (5f00::/16 of 2024-04, 3fff::/20 of 2024-07, 100:0:0:1::/64 of 2025-04), with what
they leave to other documents: multicast, what was site-local, IPv4 inside IPv6. Ranges that are
globally reachable but serve the network itself (AS112, AMT, 6to4 relays) are special too: nobody
who wants to be told something lives there.
"""

from __future__ import annotations

import ipaddress

#: The last addition to either registry that these tables have.
REGISTRY_DATE = "2025-04"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SPECIAL_IPV4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private use",
    "100.64.0.0/10": "shared by carriers",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local; where clouds tell secrets",
    "172.16.0.0/12": "private use",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT relays",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private use",
    "192.175.48.0/24": "AS112, delegated",
    "198.18.0.0/15": "benchmarks of networks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved; the last is broadcast",
}
SPECIAL_IPV6 = {
    "::/96": "unspecified, loopback, and IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped: an IPv4 address is written as one",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b:1::/48": "NAT64 of local use",
    "100::/64": "discarded",
    "100:0:0:1::/64": "dummy prefix",
    "2001::/23": "protocol assignments: Teredo, benchmarks, ORCHID, drones",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112, delegated",
    "3ffe::/16": "the 6bone of old",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "private use",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_IPV4 = [ipaddress.IPv4Network(network) for network in SPECIAL_IPV4]
_IPV6 = [ipaddress.IPv6Network(network) for network in SPECIAL_IPV6]
#: Whatever lies outside has not been given to anybody.
_UNICAST = ipaddress.IPv6Network("2000::/3")
#: The translator's prefix, which a network without IPv4 puts before every IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOW_32 = 0xFFFF_FFFF


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and what it may carry does, too."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _IPV4)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & _LOW_32))
    if address not in _UNICAST or any(address in network for network in _IPV6):
        return False
    carried = _carried(address)
    return carried is None or is_public(carried)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address in an interface identifier of ISATAP, to which a router may unwrap it."""
    identifier = int(address) >> 32 & _LOW_32
    if identifier in {0x0000_5EFE, 0x0200_5EFE}:
        return ipaddress.IPv4Address(int(address) & _LOW_32)
    return None
