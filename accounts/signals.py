"""What accounts announce."""

from django.dispatch import Signal

from core.events import Event

invited = Event(
    "account.invited",
    text="{shop} invites you to work with it. Open {link} and sign in to accept.",
    variables=("shop", "link"),
    secret=True,
)
# The first time that somebody has a verified account: `user`, inside the transaction.
registered = Signal()
# Their name or verified e-mail address is another now: `user`, inside the transaction.
changed = Signal()
# Somebody asks for all that is kept of them: each receiver returns {section: data} for `user`.
data_asked_for = Signal()
# Somebody leaves: each receiver forgets who `user` was, inside the transaction.
leaving = Signal()
