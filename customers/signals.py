"""What customers announce, inside the transaction that makes it true."""

from django.dispatch import Signal

from core.events import Event

phone_code_sent = Event(
    "customer.phone_code",
    texts={
        "en": "{shop}: {code} is your code to confirm this phone. Do not give it to anybody.",
        "sw": "{shop}: {code} ni nambari yako ya kuthibitisha simu hii. Usimpe mtu yeyote.",
    },
    variables={"shop": "Duka", "code": "012345"},
    secret=True,
    answer=True,
)
# Two records turned out to be one person: what hangs on `source` is to hang on `target`.
merged = Signal()
# `customer` goes by another code, no more by `code`.
recoded = Signal()
# Somebody is about to be forgotten who is known by `phone`, which may be "": what came from there
# and waits is to have its effect before, as what it leaves must be found.
about_to_forget = Signal()
# Of `customer` nothing may be kept that tells who they were: each receiver returns what it did, a
# list of `core.forgetting.Erasure`.
forgotten = Signal()
# Nor of whoever is known by `phone` or `email` alone (one of them is ""), and is no customer;
# returned is the same.
stranger_forgotten = Signal()
# Who else says their `phone` or `email` is asked for; with `delete` it goes. Each receiver returns
# a list of `core.forgetting.Mention`.
mentions_asked_for = Signal()
# All that is kept of `customer` is asked for: each receiver returns {section: data}.
data_asked_for = Signal()
