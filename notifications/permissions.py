"""Who may see messages; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_messages = staff_with("notifications.view_message")
