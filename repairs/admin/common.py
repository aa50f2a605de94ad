"""What the admin pages of repairs share."""

from datetime import datetime

from django.contrib.admin.utils import display_for_value


def shown(moment: datetime | None) -> str:
    """Return a time as the admin writes it: of what a method returns it shows the plain value."""
    return str(display_for_value(moment, "-"))
