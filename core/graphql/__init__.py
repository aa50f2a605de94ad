"""`/graphql/`: the shop-front's API, on the declarations, services and errors of REST.

`limits` and `documents` look at what is asked before anything is executed, `relations` and
`lists` fetch it in a fixed number of statements, `inputs` and `mutations` change things by REST's
forms and the apps' services, `view` answers. Each app has its types in its `schema.py`, and
`config.schema` puts them together.
"""
