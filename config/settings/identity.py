"""OpenID Connect: whose tokens the API believes."""

from .env import env

# The issuer's URL, exactly as it stands in its tokens; empty: no bearer tokens.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
# What a token must name in `aud` to be meant for this API: never a client's id.
OIDC_AUDIENCE = env.str("OIDC_AUDIENCE", default="duka-api")
# Client ids whose tokens are taken; empty: any client's that name the audience.
OIDC_ACCEPTED_CLIENTS = env.list("OIDC_ACCEPTED_CLIENTS", default=[])
# Seconds to wait for an answer of the provider.
OIDC_TIMEOUT = env.float("OIDC_TIMEOUT", default=5)
# Seconds after which the provider's keys are fetched anew, and the least between two fetches.
OIDC_KEYS_SECONDS = env.float("OIDC_KEYS_SECONDS", default=300)
OIDC_KEYS_COOLDOWN_SECONDS = env.float("OIDC_KEYS_COOLDOWN_SECONDS", default=10)
