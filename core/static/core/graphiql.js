"use strict";
// Sends queries to the page's own address, as whoever is signed in here.
(function () {
  // Read each time: signing in, in another tab, changes it.
  function token() {
    const cookie = document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]*)/);
    return cookie ? { "X-CSRFToken": decodeURIComponent(cookie[1]) } : {};
  }
  const fetcher = GraphiQL.createFetcher({
    url: location.pathname,
    fetch: (url, options) =>
      fetch(url, { ...options, headers: { ...token(), ...options.headers } }),
  });
  const first = `# What is for sale. Ctrl-Enter runs it.
# The book on the left tells what else there is.
{
  shop {
    name
    currency
  }
  products(first: 10) {
    nodes {
      slug
      name
      variants {
        sku
        name
        price
        stock
      }
    }
  }
}
`;
  // React 17, as graphene-django-graphiql-static brings it.
  ReactDOM.render(
    React.createElement(GraphiQL, { fetcher, defaultQuery: first, isHeadersEditorEnabled: true }),
    document.getElementById("graphiql"),
  );
})();
