"""How often one caller may ask: counted in each process, so that it costs next to nothing.

What must hold over all processes (sign-in codes, new carts) is counted in the shared cache.
"""

import ipaddress

from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle


class AnonThrottle(AnonRateThrottle):
    cache = caches["process"]

    def get_ident(self, request: Request) -> str:
        return one_household(super().get_ident(request))


class UserThrottle(UserRateThrottle):
    cache = caches["process"]


def one_household(ident: str) -> str:
    """Return an address as what is counted: of IPv6 the network, all of which one caller has."""
    try:
        address = ipaddress.ip_address(ident)
    except ValueError:
        return ident
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return ident
