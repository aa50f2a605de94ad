"""GraphQL (graphene-django)."""

# Named here, or DEBUG would bring a middleware that shows statements.
GRAPHENE = {"SCHEMA": "config.schema.schema", "MIDDLEWARE": ()}
