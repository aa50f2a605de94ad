"""Filters of the lists of accounts."""

import django_filters

from accounts.models import AuditEntry, Invitation, Machine, Membership
from accounts.states import Action, Role, Source


class EmployeeFilter(django_filters.FilterSet):
    role = django_filters.ChoiceFilter(choices=Role.choices)
    source = django_filters.ChoiceFilter(choices=Source.choices)
    suspended = django_filters.BooleanFilter(
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
    revoked = django_filters.BooleanFilter(
        field_name="revoked_at", lookup_expr="isnull", exclude=True, help_text="Already revoked."
    )

    class Meta:
        model = Machine
        fields = ()


class AuditFilter(django_filters.FilterSet):
    action = django_filters.ChoiceFilter(choices=Action.choices)
    actor = django_filters.UUIDFilter(field_name="actor_subject", help_text="Subject of who did it.")
    after = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gt")
    before = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = AuditEntry
        fields = ()
