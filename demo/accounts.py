"""Who can sign in to the demo shop. The app `demo` is not installed in production."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DemoAccount:
    username: str
    password: str
    description: str
    permissions: tuple[str, ...] = ()
    is_superuser: bool = False


DEMO_ACCOUNTS = [
    DemoAccount(
        username="shopkeeper",
        password="shopkeeper-demo",  # noqa: S106  known to everybody, on this machine only
        description="may do everything",
        is_superuser=True,
    ),
    DemoAccount(
        username="employee",
        password="employee-demo",  # noqa: S106  the same
        description="sees and handles orders, sees customers and messages",
        permissions=(
            "orders.view_order",
            "orders.handle_order",
            "customers.view_customer",
            "notifications.view_message",
        ),
    ),
]
