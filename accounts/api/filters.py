"""Filters of the lists of accounts."""

import django_filters

from accounts.models import AuditEntry, Invitation, Machine, Membership
from accounts.states import Action, Role, Source
from core.api.filters import TimeFilter, YesNoFilter


class EmployeeFilter(django_filters.FilterSet):
    role = django_filters.ChoiceFilter(choices=Role.choices)
    source = django_filters.ChoiceFilter(choices=Source.choices)
    suspended = YesNoFilter(
        field_name="suspended_at", lookup_expr="isnull", exclude=True, help_text="Now suspended."
    )

    class Meta:
        model = Membership
        fields = ()


class InvitationFilter(django_filters.FilterSet):
    role = django_filters.ChoiceFilter(choices=Role.choices)

    class Meta:
        model = Invitation
        fields = ()


class MachineFilter(django_filters.FilterSet):
    revoked = YesNoFilter(
        field_name="revoked_at", lookup_expr="isnull", exclude=True, help_text="Already revoked."
    )

    class Meta:
        model = Machine
        fields = ()


class AuditFilter(django_filters.FilterSet):
    action = django_filters.ChoiceFilter(choices=Action.choices)
    actor = django_filters.UUIDFilter(
        field_name="actor_subject", help_text="Subject of who did it."
    )
    after = TimeFilter(field_name="at", lookup_expr="gt")
    before = TimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEntry
        fields = ()
