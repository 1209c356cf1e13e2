from __future__ import annotations

import ipaddress

import pytest

from leaderboard.lib.addresses import SPECIAL_IPV4, SPECIAL_IPV6, is_public

#: IANA's registries line by line, and the ranges that other documents set apart.
REGISTERED = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 224.0.0.0/4
::1/128 ::/128 ::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64
2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32
2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48
3ffe::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()  # noqa: SIM905  (a table)


@pytest.mark.parametrize("range_", REGISTERED)
def test_no_special_range_is_public(range_: str) -> None:
    network = ipaddress.ip_network(range_)
    places = {0, 1, network.num_addresses // 2, network.num_addresses - 1}
    inside = [network[place] for place in places if place < network.num_addresses]
    assert [address for address in inside if is_public(address)] == []


def test_the_tables_hold_every_registered_range() -> None:
    ours = [ipaddress.ip_network(text) for text in (*SPECIAL_IPV4, *SPECIAL_IPV6)]
    lacking = [
        text
        for text in REGISTERED
        if not any(
            ipaddress.ip_network(text).version == network.version
            and ipaddress.ip_network(text).subnet_of(network)  # type: ignore[arg-type]
            for network in ours
        )
    ]
    assert lacking == []


@pytest.mark.parametrize(
    "text",
    [
        "93.184.216.34",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.32.0.0",
        "223.255.255.255",
        "2606:2800:220:1::1",
        "2001:200::1",
        "2400::1",
        "3fff:1000::1",  # right after the documentation
        "64:ff9b::5db8:d822",  # NAT64 of 93.184.216.34
    ],
)
def test_the_public_internet_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
        "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
        "64:ff9b:1::5db8:d822",
        "::ffff:127.0.0.1",
        "::ffff:93.184.216.34",  # whoever means it writes IPv4
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2002:5db8:d822::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo of 127.0.0.1
        "2606:2800:220:1:0:5efe:10.0.0.1",  # ISATAP
        "2606:2800:220:1:200:5efe:192.168.0.1",
        "::127.0.0.1",
        "4000::1",
        "1::1",
    ],
)
def test_ipv4_inside_ipv6_is_judged_by_what_it_carries_or_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
