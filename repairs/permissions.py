"""Who may see and handle repair jobs; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_repairs = staff_with("repairs.view_job", "repairs.handle_job")
can_handle_repairs = staff_with("repairs.handle_job")
can_manage_sources = staff_with("repairs.manage_sources")
# How each source does is shown to those who wait for its jobs, too.
can_see_sources = staff_with("repairs.view_job", "repairs.handle_job", "repairs.manage_sources")
