"""Who may see and change the catalogue; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

# All who work here: each right brings it along (SHOP_RIGHTS).
can_see_catalogue = staff_with("catalog.view_product", "catalog.manage_catalogue")
can_manage_catalogue = staff_with("catalog.manage_catalogue")
