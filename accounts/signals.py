"""What accounts announce."""

from django.dispatch import Signal

from core.events import Event

invited = Event(
    "account.invited",
    texts={
        "en": "{shop} invites you to work with it. Open {link} and sign in to accept.",
        "sw": "{shop} inakualika kufanya kazi nayo. Fungua {link} na uingie ili kukubali.",
    },
    variables={"shop": "Duka", "link": "https://shop.example/invitations/k3Jx/"},
    secret=True,
    answer=True,
)
# The first time that somebody has a verified account: `user`, inside the transaction.
registered = Signal()
# Their name or verified e-mail address is another now: `user`, inside the transaction.
changed = Signal()
# Somebody asks for all that is kept of them: each receiver returns {section: data} for `user`.
data_asked_for = Signal()
# Somebody leaves: each receiver forgets who `user` was, inside the transaction, and returns what it
# did, a list of `core.forgetting.Erasure`.
leaving = Signal()
