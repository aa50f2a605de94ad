"""Who may see and change customers; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_customers = staff_with("customers.view_customer", "customers.manage_customers")
can_manage_customers = staff_with("customers.manage_customers")
