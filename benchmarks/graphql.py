"""CPU of a page of products: REST, GraphQL as it is, and what it would cost otherwise."""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import patch

# Does so many requests.
Way = Callable[[int], object]
ROUNDS = 9
REQUESTS = 20
ROWS = 100
FIELDS = """
    slug name price
    category { slug }
    variants { sku name price stock }
    images { url alt }
"""


def main() -> None:
    """Fill a shop in a temporary database, measure in alternation, print a table."""
    with tempfile.TemporaryDirectory(prefix="duka-bench-") as folder:
        os.environ |= {"DUKA_VAR": folder, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        import django

        django.setup()
        from django.test.utils import setup_databases, teardown_databases

        old = setup_databases(verbosity=0, interactive=False)
        try:
            _fill()
            _measure()
        finally:
            teardown_databases(old, verbosity=0)


def _fill() -> None:
    from catalog.models import Category, ProductImage
    from catalog.services import NewVariant, create_product

    shelf = Category.objects.create(name="Drinks", slug="drinks")
    for number in range(ROWS):
        variants = [
            NewVariant(sku=f"{number}-{size}", price=Decimal("12.50"), stock=5) for size in "SML"
        ]
        product = create_product(name=f"Tea {number}", category=shelf, variants=variants)
        for _ in range(2):
            ProductImage.objects.create(product=product, image=f"products/{number}.webp")


def _measure() -> None:
    ways = {
        "REST, 100 products": _rest(),
        "GraphQL": _graphql(),
        "GraphQL, document not kept": _graphql(forget=True),
        "executed alone: look-ahead, as it is": _bare(),
        "executed alone: graphene-django's own fields": _stock(),
        "executed alone: DataLoaders in an event loop": _loaders(),
    }
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name, call in ways.items():
            before = time.process_time()
            call(REQUESTS)
            # The first round warms caches and connections.
            if number:
                costs[name].append((time.process_time() - before) / REQUESTS * 1000)
    least = statistics.median(costs["GraphQL"])
    print("| way | statements | CPU, ms (median, min–max) | × GraphQL |")
    print("| --- | --- | --- | --- |")
    for name, each in costs.items():
        middle = statistics.median(each)
        spread = f"{middle:.1f} ({min(each):.1f}–{max(each):.1f})"
        print(f"| {name} | {_statements(ways[name])} | {spread} | {middle / least:.2f} |")


def _statements(call: Way) -> int:
    from django.db.backends.utils import CursorWrapper

    # Of all connections: in an event loop there is another one.
    really = CursorWrapper.execute
    with patch.object(CursorWrapper, "execute", autospec=True, side_effect=really) as executed:
        call(1)
    return executed.call_count


def _rest() -> Way:
    from django.test import Client

    client = Client()
    return _again(lambda: _ok(client.get(f"/api/v1/products/?page_size={ROWS}")))


def _graphql(*, forget: bool = False) -> Way:
    from django.test import Client

    from core.graphql.documents import recent

    client = Client()
    body = json.dumps({"query": f"{{ products(first: {ROWS}) {{ nodes {{ {FIELDS} }} }} }}"})

    def call() -> Any:
        if forget:
            recent.clear()
        return _ok(client.post("/graphql/", body, content_type="application/json"))

    return _again(call)


def _again(call: Callable[[], object]) -> Way:
    def many(times: int) -> None:
        for _ in range(times):
            call()

    return many


def _ok(response: Any) -> Any:
    if response.status_code != 200:
        raise SystemExit(response.content)
    return response


def _bare() -> Way:
    """Without HTTP, signing in, limits and JSON, which the two below lack too."""
    from django.contrib.auth.models import AnonymousUser
    from django.test import RequestFactory

    from config.schema import schema

    request: Any = RequestFactory().get("/")
    request.user = AnonymousUser()
    text = f"{{ products(first: {ROWS}) {{ nodes {{ {FIELDS} }} }} }}"
    return _again(lambda: _executed(schema.execute(text, context=request)))


def _stock() -> Way:
    """Types as graphene-django makes them of the models, without anything brought along."""
    import graphene
    from graphene_django import DjangoObjectType
    from graphene_django.registry import Registry

    from catalog.models import Category, Product, ProductImage, Variant

    registry = Registry()

    def kind(model: Any, *fields: str) -> Any:
        meta = {"model": model, "fields": fields, "registry": registry}
        more: dict[str, Any] = {}
        if model is ProductImage:
            more = {"url": graphene.String(), "resolve_url": lambda self, info: self.image.url}
        return type(
            f"S{model.__name__}", (DjangoObjectType,), {"Meta": type("Meta", (), meta), **more}
        )

    kind(Category, "slug")
    kind(Variant, "sku", "name", "price", "stock")
    kind(ProductImage, "alt")
    product = kind(Product, "slug", "name", "price", "category", "variants", "images")
    products = graphene.NonNull(graphene.List(graphene.NonNull(product)))
    query = type(
        "Query",
        (graphene.ObjectType,),
        {
            "products": graphene.Field(products),
            "resolve_products": lambda root, info: Product.objects.order_by("pk")[:ROWS],
        },
    )
    schema = graphene.Schema(query=query)
    return _again(lambda: _executed(schema.execute(f"{{ products {{ {FIELDS} }} }}")))


class Loader:
    """Collects keys until all that can run has run, as aiodataloader does."""

    def __init__(self, read: Callable[[list[Any]], dict[Any, Any]], empty: Any) -> None:
        self.read, self.empty = read, empty
        self.waiting: dict[Any, asyncio.Future[Any]] = {}

    def load(self, key: Any) -> Any:
        loop = asyncio.get_running_loop()
        if not self.waiting:
            # Twice, so that siblings resolved in this turn come along.
            loop.call_soon(loop.call_soon, self.send)
        return self.waiting.setdefault(key, loop.create_future())

    def send(self) -> None:
        waiting, self.waiting = self.waiting, {}
        found = self.read(list(waiting))
        for key, future in waiting.items():
            future.set_result(found.get(key, self.empty))


def _of_product(model: Any) -> Callable[[list[Any]], dict[Any, Any]]:
    def read(keys: list[Any]) -> dict[Any, Any]:
        found: dict[Any, list[Any]] = {}
        for each in model.objects.filter(product__in=keys):
            found.setdefault(each.product_id, []).append(each)
        return found

    return read


def _loaders() -> Way:
    """The same types with a loader for each relation; they need an event loop."""
    import graphene
    from django.db import connections

    from catalog.models import Category, Product, ProductImage, Variant

    class LCategory(graphene.ObjectType):
        slug = graphene.String()

    class LVariant(graphene.ObjectType):
        sku = graphene.String()
        name = graphene.String()
        price = graphene.Decimal()
        stock = graphene.Int()

    class LImage(graphene.ObjectType):
        url = graphene.String(resolver=lambda self, info: self.image.url)
        alt = graphene.String()

    class LProduct(graphene.ObjectType):
        slug = graphene.String()
        name = graphene.String()
        price = graphene.Decimal()
        category = graphene.Field(
            LCategory, resolver=lambda self, info: info.context["category"].load(self.category_id)
        )
        variants = graphene.List(
            LVariant, resolver=lambda self, info: info.context["variants"].load(self.pk)
        )
        images = graphene.List(
            LImage, resolver=lambda self, info: info.context["images"].load(self.pk)
        )

    class Query(graphene.ObjectType):
        products = graphene.List(
            LProduct, resolver=lambda root, info: list(Product.objects.order_by("pk")[:ROWS])
        )

    schema = graphene.Schema(query=Query)

    async def run(times: int) -> None:
        for _ in range(times):
            context = {
                "category": Loader(Category.objects.in_bulk, None),
                "variants": Loader(_of_product(Variant), []),
                "images": Loader(_of_product(ProductImage), []),
            }
            _executed(await schema.execute_async(f"{{ products {{ {FIELDS} }} }}", context=context))
        connections.close_all()

    return lambda times: asyncio.run(run(times))


def _executed(result: Any) -> Any:
    if result.errors:
        raise SystemExit(result.errors)
    return result


if __name__ == "__main__":
    main()
