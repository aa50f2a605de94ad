"use strict";
// Sends queries to the page's own address, as whoever is signed in here.
(function () {
  const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]*)/);
  const fetcher = GraphiQL.createFetcher({
    url: location.pathname,
    headers: cookie ? { "X-CSRFToken": decodeURIComponent(cookie[1]) } : {},
  });
  const first = `# What is for sale. Ctrl-Enter runs it; the book on the left tells what else there is.
{
  shop { name currency }
  products(first: 10) {
    nodes { slug name variants { sku name price stock } }
  }
}
`;
  ReactDOM.createRoot(document.getElementById("graphiql")).render(
    React.createElement(GraphiQL, { fetcher, defaultQuery: first, isHeadersEditorEnabled: true }),
  );
})();
