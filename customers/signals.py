"""What customers announce, inside the transaction that makes it true."""

from django.dispatch import Signal

from core.events import Event

phone_code_sent = Event(
    "customer.phone_code",
    text="{shop}: {code} is your code to confirm this phone. Do not give it to anybody.",
    variables=("shop", "code"),
    secret=True,
)
# Two records turned out to be one person: what hangs on `source` is to hang on `target`.
merged = Signal()
# Of `customer` nothing may be kept that tells who they were.
forgotten = Signal()
# All that is kept of `customer` is asked for: each receiver returns {section: data}.
data_asked_for = Signal()
