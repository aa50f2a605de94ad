"""What uploaded files say of a person, forgotten."""

import re

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from core.forgetting import Erasure, pattern_of, saying
from customers.models import Customer
from orders.models import Order
from uploads.models import Upload, UploadChunk, UploadKey, UploadRow
from uploads.states import Format, Kind

# What rows of products say is about nobody.
_KINDS = (Kind.CUSTOMERS, Kind.ORDERS)
_UNREAD = "Files that are being taken in: what they say comes in again. Run this again after."


@transaction.atomic
def forget_customer(*, customer: Customer) -> list[Erasure]:
    """Keep of a customer's rows that they were there, not what they said."""
    orders = Order.objects.filter(customer=customer).values("number")
    theirs = (
        Q(upload__kind=Kind.CUSTOMERS, subject=customer.code)
        | Q(upload__kind=Kind.ORDERS, data__customer=customer.code)
        | Q(upload__kind=Kind.ORDERS, subject__in=orders)
    )
    others = Customer.objects.exclude(pk=customer.pk)
    phone, email = customer.phone, customer.email
    # A row with a number that somebody else has too may be about them.
    if phone and others.filter(phone=phone).exists():
        phone = ""
    if email and others.filter(email=email).exists():
        email = ""
    words = [rf"(?<![a-z0-9_.-]){re.escape(customer.code.lower())}(?![a-z0-9_.-])"]
    if not customer.forgotten_at:
        words.append(re.escape(customer.name.lower()))
    return _forget(theirs, pattern_of(phone=phone, email=email), "|".join(words))


@transaction.atomic
def forget_stranger(*, phone: str, email: str) -> list[Erasure]:
    """Forget rows that name whoever is no customer."""
    return _forget(Q(pk__in=[]), pattern_of(phone=phone, email=email))


def _forget(theirs: Q, pattern: str, words: str = "") -> list[Erasure]:
    """Empty their rows, and those in which the pattern is found.

    Args:
        words: what else names them in a file that was not read, and never will be unless somebody
            applies it.
    """
    rows = UploadRow.objects.filter(upload__kind__in=_KINDS)
    named = saying(rows, pattern, "data", "changes", "errors").values("pk")
    found = rows.filter(theirs | Q(pk__in=named)).exclude(data={}, changes={}, errors=[])
    # What they said must not be repeated says it as well.
    said = found.filter(upload=OuterRef("upload"), number=OuterRef("number"))
    keys = UploadKey.objects.filter(
        Q(Exists(said)) | Q(pk__in=saying(UploadKey.objects.all(), pattern, "key").values("pk"))
    )
    forgotten = keys.delete()[0]
    blanked = found.update(data={}, changes={}, errors=[])
    unread = UploadChunk.objects.filter(upload__kind__in=_KINDS)
    over = unread.filter(upload__in=Upload.objects.over())
    names = "|".join(filter(None, [pattern, words]))
    # In a workbook, which is packed, nobody can look for a name.
    gone = over.filter(
        Q(upload__format=Format.XLSX) | Q(pk__in=saying(over, names, "content").values("pk"))
    )
    files = set(gone.values_list("upload", flat=True))
    unread.filter(upload__in=files).delete()
    waiting = unread.exclude(upload__in=Upload.objects.over())
    return [
        Erasure(app="uploads", what="rows of files", blanked=blanked),
        Erasure(
            app="uploads",
            what="files",
            deleted=len(files),
            kept=waiting.values("upload").distinct().count(),
            reason=_UNREAD,
        ),
        Erasure(app="uploads", what="what rows may not repeat", deleted=forgotten),
    ]
