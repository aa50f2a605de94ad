"""Passwords, cookies and headers that hold everywhere."""

from .env import checked, env

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Last: for secrets that the shop made itself, which nobody can guess. Passwords use the first.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "accounts.hashers.GeneratedSecretHasher",
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
# An old key, or several, while the shop goes over to another: what it signed still counts.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# A request's body without its files; uploads have limits of their own.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
# Seconds that one statement of a web server's may take in the database; 0: as long as it likes.
# It holds behind PgBouncer, too. Workers, migrations and the like have no such limit.
DATABASE_STATEMENT_SECONDS = checked(
    "DATABASE_STATEMENT_SECONDS",
    env.float("DATABASE_STATEMENT_SECONDS", default=30),
    fits=lambda seconds: 0 <= seconds <= 3600,
    must="0 to 3600",
)
