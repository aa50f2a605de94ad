"""How often one caller may ask: counted in each process, so that it costs next to nothing.

What must hold over all processes (sign-in codes, new carts) is counted in the shared cache.
"""

from django.core.cache import caches
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle


class AnonThrottle(AnonRateThrottle):
    cache = caches["process"]


class UserThrottle(UserRateThrottle):
    cache = caches["process"]
