"""Who can sign in to the demo shop. The app `demo` is not installed in production."""

from dataclasses import dataclass

from accounts.states import Role


@dataclass(frozen=True, kw_only=True)
class DemoAccount:
    email: str
    password: str
    name: str
    description: str
    role: Role | None = None
    rights: tuple[str, ...] = ()


DEMO_ACCOUNTS = [
    DemoAccount(
        email="shopkeeper@duka.example",
        password="shopkeeper-demo",  # noqa: S106  known to everybody, on this machine only
        name="Mama Njeri",
        description="shopkeeper, may do everything",
        role=Role.SHOPKEEPER,
    ),
    DemoAccount(
        email="employee@duka.example",
        password="employee-demo",  # noqa: S106  the same
        name="Baraka Mwangi",
        description="employee, handles orders, bookings, repairs and conversations",
        role=Role.EMPLOYEE,
        rights=(
            *("see_orders", "handle_orders", "see_bookings", "handle_bookings"),
            *("see_repairs", "handle_repairs", "see_conversations", "handle_conversations"),
        ),
    ),
    DemoAccount(
        email="shopper@duka.example",
        password="shopper-demo",  # noqa: S106  the same
        name="Wanjiru Kamau",
        description="shopper, with orders of her own",
    ),
]
