"""Which addresses belong to the public Internet, by IANA's registries of special ones.

https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry;
`ipaddress` of older Python versions leaves some of them out.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

SHARED = ip_network("100.64.0.0/10")  # carriers' NAT, RFC 6598
PROTOCOL = ip_network("192.0.0.0/24")  # RFC 6890; some clouds answer their metadata there
RELAYS = ip_network("192.88.99.0/24")  # 6to4 relays, RFC 7526
NAT64 = ip_network("64:ff9b::/96")  # carries an IPv4 address, RFC 6052
LOCAL_NAT64 = ip_network("64:ff9b:1::/48")  # RFC 8215
TEREDO, SIX_TO_FOUR = ip_network("2001::/32"), ip_network("2002::/16")
DOCUMENTATION = ip_network("3fff::/20")  # RFC 9637
SEGMENT_ROUTING = ip_network("5f00::/16")  # RFC 9602
SPECIAL = (
    SHARED, PROTOCOL, RELAYS, LOCAL_NAT64, TEREDO, SIX_TO_FOUR, DOCUMENTATION, SEGMENT_ROUTING,
)  # fmt: skip


def is_public(text: str) -> bool:
    """Whether an address is one that anybody on the Internet may be sent to."""
    address = plain(ip_address(text))
    if any(address in network for network in SPECIAL):
        return False
    return not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or (isinstance(address, IPv6Address) and address.is_site_local)
    )


def is_loopback(text: str) -> bool:
    """This machine."""
    return plain(ip_address(text)).is_loopback


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does: that is who is reached."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
