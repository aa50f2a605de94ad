"""Who signs in."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person or machine that signs in.

    `subject` is what other systems know them by (the `sub` of OpenID
    Connect): it never changes and says nothing about them.
    """

    subject = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
