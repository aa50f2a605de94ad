"""Kinds and words of accounts."""

from django.db import models


class Role(models.TextChoices):
    """What somebody is in the shop; the values are those of the roles claim."""

    EMPLOYEE = "shop-employee", "Employee"
    SHOPKEEPER = "shop-owner", "Shopkeeper"


class Source(models.TextChoices):
    """Who decides on a membership: the shop itself, or the sign-in provider's claims."""

    LOCAL = "local", "This shop"
    OIDC = "oidc", "Sign-in provider"


class Standing(models.TextChoices):
    """Whether what somebody was given holds now; `allowed` says what may follow."""

    OPEN = "open", "Open"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"
    ACCEPTED = "accepted", "Accepted"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"

    @property
    def allowed(self) -> frozenset["Standing"]:
        """What a person may make of it."""
        return _ALLOWED.get(self, frozenset())


_ALLOWED = {
    Standing.OPEN: frozenset({Standing.REVOKED}),
    Standing.ACTIVE: frozenset({Standing.SUSPENDED, Standing.REVOKED}),
    Standing.SUSPENDED: frozenset({Standing.ACTIVE}),
    Standing.EXPIRED: frozenset({Standing.REVOKED}),
}


class Action(models.TextChoices):
    """What the audit log tells of."""

    SIGNED_IN = "signed_in", "Signed in"
    SIGNED_OUT = "signed_out", "Signed out"
    REFUSED = "refused", "Was refused"
    REGISTERED = "registered", "Registered"
    RENAMED = "renamed", "Changed their name"
    NEW_PASSWORD = "new_password", "Changed the password"
    NEW_EMAIL = "new_email", "Changed the e-mail address"
    SECOND_STEP = "second_step", "Changed the second step of sign-in"
    LEFT = "left", "Deleted the account"
    DATA_TAKEN = "data_taken", "Downloaded their data"
    INVITED = "invited", "Invited"
    INVITATION_REVOKED = "invitation_revoked", "Revoked an invitation"
    INVITATION_ACCEPTED = "invitation_accepted", "Accepted an invitation"
    GRANTED = "granted", "Changed rights"
    SUSPENDED = "suspended", "Suspended"
    RESUMED = "resumed", "Lifted a suspension"
    REMOVED = "removed", "Removed from the shop"
    MACHINE_MADE = "machine_made", "Made a machine's access"
    MACHINE_CHANGED = "machine_changed", "Changed a machine's access"
    MACHINE_REVOKED = "machine_revoked", "Revoked a machine's access"
    KEYS_ROTATED = "keys_rotated", "Rotated the signing keys"
