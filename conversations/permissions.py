"""Who may see and write conversations; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_conversations = staff_with(
    "conversations.view_interaction", "conversations.handle_interaction"
)
can_handle_conversations = staff_with("conversations.handle_interaction")
