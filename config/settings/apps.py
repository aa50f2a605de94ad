"""Installed apps, middleware, templates, entry points."""

from .env import BASE_DIR

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
SILENCED_SYSTEM_CHECKS: list[str] = []

# Each app's api/urls.py, where it has one, is mounted under /api/v1/ (config.urls).
DUKA_APPS = [
    "core",
    "accounts",
    "catalog",
    "customers",
    "orders",
    "bookings",
    "shipping",
    "repairs",
    "conversations",
    "uploads",
    "notifications",
]

INSTALLED_APPS = [
    # Before allauth: its pages look like ours by our templates.
    "accounts",
    # Before django.contrib.admin: unfold overrides its templates.
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.idp.oidc",
    "mozilla_django_oidc",
    "graphene_django",
    "graphene_django_graphiql_static",
    "django_tasks",
    "django_tasks_db",
    *(app for app in DUKA_APPS if app != "accounts"),
]

MIDDLEWARE = [
    # Outside all others, so that it counts what is answered, whoever answers.
    "core.counting.CountingMiddleware",
    # First, so that every answer and every log line has the request's id.
    "core.middleware.RequestIdMiddleware",
    "core.middleware.HeadersMiddleware",
    # Outside all that may refuse a request: a wrong host, a plain 404, a missing CSRF token.
    "core.middleware.ProblemMiddleware",
    "core.middleware.OddInputMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "core.middleware.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.RefusalMiddleware",
    "accounts.middleware.FormTargetsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "core.middleware.ShopTimeMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.templating.shop",
            ],
        },
    },
]
