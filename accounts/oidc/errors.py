"""Why a caller is not let in."""


class InvalidTokenError(Exception):
    """The token proves nothing; the sentence says why, for the caller's developer (401)."""


class ProviderUnavailableError(Exception):
    """The provider cannot be asked now, so nobody can say whether the token is good (503)."""
