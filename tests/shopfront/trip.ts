// A shopper's trip: `node built/trip.js URL TOKEN` fills a cart as a stranger, orders it as whoever
// the token says, and prints what was seen, and what was sent for it, as JSON.

import {
  type AnyVariables,
  Client,
  CombinedError,
  fetchExchange,
  type TypedDocumentNode,
} from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";

import {
  AddToCartDocument,
  BrowseDocument,
  CancelOrderDocument,
  CartDocument,
  MyOrdersDocument,
  OrderDocument,
  PlaceCartDocument,
  ProductDocument,
  SetCartQuantityDocument,
} from "./generated/documents.js";

const [url = "", token = ""] = process.argv.slice(2);
const headers: Record<string, string> = {};
// Of each request: how it was sent, what of its document, and how that was answered.
const sent: [method: string, document: string, status: number][] = [];

const client = new Client({
  url: `${url}/graphql/`,
  preferGetMethod: "within-url-limit",
  exchanges: [persistedExchange({ enableForMutation: true }), fetchExchange],
  fetchOptions: () => ({ headers }),
  fetch: async (address, options) => {
    const response = await fetch(address, options);
    const asked = new URL(String(address)).search + String(options?.body ?? "");
    const parts = [/sha256Hash/, /[?&]query=|"query":/].map((part) => part.test(asked));
    const document = parts[0] ? (parts[1] ? "hash and text" : "hash") : "text";
    sent.push([options?.method ?? "GET", document, response.status]);
    return response;
  },
});

async function ask<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const isMutation = document.definitions.some(
    (each) => each.kind === "OperationDefinition" && each.operation === "mutation",
  );
  const { data, error } = await (isMutation
    ? client.mutation(document, variables)
    : client.query(document, variables));
  if (error) throw error;
  if (!data) throw new Error("No data, and no error.");
  return data;
}

async function refusal(asked: Promise<unknown>) {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof CombinedError)) throw error;
    const codes = error.graphQLErrors.map((each) => each.extensions["code"]);
    return { codes, status: error.response.status };
  }
  throw new Error("It was answered.");
}

// A field of the query itself is null where it failed; then `ask` has thrown.
function there<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("It is not there.");
  return value;
}

const shelf = { category: "groceries", ordering: "NAME", first: 3 } as const;
const products = there((await ask(BrowseDocument, shelf)).products);
const after = products.pageInfo.endCursor ?? null;
const next = there((await ask(BrowseDocument, { ...shelf, after })).products);
const { product } = await ask(ProductDocument, { slug: products.nodes[1]?.slug ?? "" });
const sku = product?.variants[0]?.sku ?? "";

const added = there((await ask(AddToCartDocument, { input: { sku, quantity: 2 } })).addToCart);
headers["X-Cart-Token"] = added.token ?? "";
const tooMany = await ask(SetCartQuantityDocument, { input: { sku, quantity: 900 } });
const cart = there((await ask(CartDocument, {})).cart);
const stranger = await refusal(ask(MyOrdersDocument, { first: 10 }));

headers["Authorization"] = `Bearer ${token}`;
const placed = await ask(PlaceCartDocument, { input: { note: "After 5, please." } });
delete headers["X-Cart-Token"];
const again = await ask(PlaceCartDocument, { input: {} });
const orders = there((await ask(MyOrdersDocument, { first: 10 })).orders);
const order = there(placed.placeCart).order;
const cancelled = await ask(CancelOrderDocument, { id: order?.id ?? "" });
const shown = await ask(OrderDocument, { number: order?.number ?? "" });

console.log(
  JSON.stringify({
    browsed: [...products.nodes, ...next.nodes].map((each) => each.slug),
    sku,
    cart: { total: cart.total, lines: cart.lines.map(({ sku, quantity }) => [sku, quantity]) },
    tooMany: there(tooMany.setCartQuantity).errors.map(({ field, code }) => [field, code]),
    stranger,
    placed: { status: order?.status, total: order?.total },
    again: there(again.placeCart).errors.map(({ field, code }) => [field, code]),
    orders: orders.nodes.map((each) => each.number),
    number: order?.number,
    cancelled: there(cancelled.cancelOrder).order?.status,
    history: shown.order?.history.map((each) => each.verb),
    sent,
  }),
);
