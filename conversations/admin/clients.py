"""The admin pages of clients and their engagements."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from conversations import services
from conversations.models import Client, Engagement
from conversations.permissions import can_handle_conversations, can_see_conversations
from core.admin import DukaModelAdmin, become


class _Kept(DukaModelAdmin):
    """For what other rows belong to: the service refuses to delete it then."""

    can_see = can_see_conversations
    can_manage = can_handle_conversations

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Django would read all that belongs to them, a million interactions, to list it.
        return [str(each) for each in objs], {}, set(), []


@admin.register(Client)
class ClientAdmin(_Kept):
    list_display = ("name", "nick_name", "shop")
    search_fields = ("name", "nick_name")
    search_help_text = "A name or a nick name"
    fields = ("name", "nick_name")

    @display(description="the shop itself", boolean=True)
    def shop(self, client: Client) -> bool:
        return client.is_shop

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_client(client_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_client(**form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: Client) -> None:
        services.delete_client(client_id=obj.pk)


@admin.register(Engagement)
class EngagementAdmin(_Kept):
    list_display = ("name", "client_shown", "own")
    search_fields = ("name", "client__name", "client__nick_name")
    search_help_text = "A channel or a client"
    list_select_related = ("client",)
    autocomplete_fields = ("client",)
    fields = ("client", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # It stays with its client, as its interactions do.
        return ("client_shown",) if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("client_shown", "name") if obj else ("client", "name")

    @display(description="client", ordering="client__name")
    def client_shown(self, engagement: Engagement) -> str:
        return str(engagement.client)

    @display(description="the shop's own", boolean=True)
    def own(self, engagement: Engagement) -> bool:
        return engagement.channel is not None

    def save_model(self, request: HttpRequest, obj: Engagement, form: Any, change: bool) -> None:
        data = form.cleaned_data
        if change:
            become(obj, services.update_engagement(engagement_id=obj.pk, **self.changed(form)))
        else:
            made = services.create_engagement(client_id=data["client"].pk, name=data["name"])
            become(obj, made)

    def delete_model(self, request: HttpRequest, obj: Engagement) -> None:
        services.delete_engagement(engagement_id=obj.pk)
