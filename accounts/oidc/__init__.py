"""OpenID Connect: who says so (discovery, keys), and what a token must hold to be believed."""
