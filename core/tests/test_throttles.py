"""Whose requests count together."""

import pytest

from core.api.throttles import one_household


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("none of an address", "none of an address"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_caller(address, counted):
    assert one_household(address) == counted
