"""Who may see messages and what belongs to them; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_messages = staff_with("notifications.view_message")
can_handle_messages = staff_with("notifications.handle_message")
can_manage_templates = staff_with("notifications.manage_templates")
can_see_consents = staff_with("notifications.view_message", "notifications.change_consents")
can_change_consents = staff_with("notifications.change_consents")
