"""Django settings. What differs between installations comes from environment.py."""

from __future__ import annotations

import os
from datetime import timedelta

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF

from jobs.warm.client import SOCKET

from .environment import ROOT, read_environment
from .home import prepare_home
from .secret_key import secret_key

django_stubs_ext.monkeypatch()
ENVIRONMENT = read_environment()

# Where things lie
HOME = ENVIRONMENT.home.resolve()
prepare_home(HOME)
DATASETS_DIR, RUNS_DIR, LOGS_DIR = HOME / "datasets", HOME / "runs", HOME / "logs"
HUB_CACHE_DIR = (ENVIRONMENT.hub_cache or HOME / "hub").resolve()
LOCAL_ROOTS = [root.resolve() for root in ENVIRONMENT.local_roots or (HOME / "models",)]
MACHINE_NAME = ENVIRONMENT.machine_name
os.environ[SOCKET] = str(HOME / "warm" / "socket")  # read by whatever asks the warm process, with Django or without

# The application
DEBUG = ENVIRONMENT.debug
SECRET_KEY = secret_key(HOME / "secret_key")
ROOT_URLCONF = "finetune_site.urls"
ASGI_APPLICATION = "finetune_site.asgi.application"
INSTALLED_APPS = [
    "finetune_site",
    "models_catalog",
    "datasets_app",
    "jobs",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_filters",
    "django_tables2",
    "csp",
    "axes",
    "import_export",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "finetune_site.middleware.permissions_policy",
    "finetune_site.middleware.RefuseUnread",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "finetune_site.middleware.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["lucide.templatetags.lucide", "finetune_site.templatetags.sizes"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
USE_TZ, TIME_ZONE = True, ENVIRONMENT.time_zone

# Database. DEFERRED transactions that read before they write fail with "database is locked" under load; IMMEDIATE
# ones wait. Connections are not kept: under ASGI each request may run in a thread of its own.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": HOME / "foretune.sqlite3",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}
DATABASES = {"default": dj_database_url.parse(ENVIRONMENT.database_url) if ENVIRONMENT.database_url else SQLITE}

# People
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "login", "home", "login"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = ENVIRONMENT.login_failures
AXES_COOLOFF_TIME = timedelta(minutes=ENVIRONMENT.login_lock_minutes)
AXES_LOCKOUT_CALLABLE = "finetune_site.accounts.lockout.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

# What browsers may do with our pages
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.trusted_origins)
CSRF_FAILURE_VIEW = "finetune_site.error_pages.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENVIRONMENT.tls
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if ENVIRONMENT.tls else 0
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# Static files come straight from the packages and the source tree: nothing to collect before the first start
STATIC_URL = "/static/"
STATICFILES_FINDERS = [
    "finetune_site.static_files.BootstrapFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG

# The API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "finetune_site.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["finetune_site.api.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "finetune_site.api.Pages",
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.SearchFilter",
        "finetune_site.api.Ordering",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.UserRateThrottle",
        "rest_framework.throttling.AnonRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "user": ENVIRONMENT.api_rate,
        "anon": ENVIRONMENT.anonymous_rate,
        "login": ENVIRONMENT.login_rate,
        "rehearse": "60/min",  # each takes a processor for seconds
    },
    "EXCEPTION_HANDLER": "finetune_site.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,  # all answers are JSON; ?format= filters datasets
    "NUM_PROXIES": 0,  # uvicorn has put the believed address into REMOTE_ADDR; headers are not read again
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
KNOX_TOKEN_MODEL = "finetune_site.ApiToken"  # noqa: S105
MIGRATION_MODULES = {"knox": None}  # they would make a table for its own tokens, which nothing uses
SPECTACULAR_SETTINGS = {
    "ENUM_NAME_OVERRIDES": {
        "DownloadStateEnum": "models_catalog.models.Download.State",
        "JobStateEnum": "jobs.models.State",
    },
    "TITLE": "Foretune",
    "DESCRIPTION": "Check, start, follow and fetch fine-tuning jobs. Every error has `message` and `findings`.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "finetune_site.api_schema.add_errors",
    ],
}

# Work that is not done in a request: tasks on three queues of one database (docs/operations.md, "The queues")
TRAIN_QUEUE = f"train-{MACHINE_NAME}"
CHECK_QUEUE = "checks"  # what somebody waits for; downloads and whole datasets are in nobody's way in "portal"
Q_CLUSTER = {
    "name": "portal",  # signs the tasks: must be equal for every cluster
    "orm": "default",
    "workers": 2,
    "timeout": 3600,
    "retry": 3900,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 100,
    "poll": 0.2,
    "ALT_CLUSTERS": {
        CHECK_QUEUE: {"timeout": 900, "retry": 960, "workers": 2},
        TRAIN_QUEUE: {"timeout": 50, "retry": 60, "workers": 2, "queue_limit": 4},
    },
}

# Logs: a file in the home, and the terminal for what a person should see
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "file": {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": LOGS_DIR / "foretune.log",
            "formatter": "line",
            "delay": True,
        },
        "terminal": {"class": "logging.StreamHandler", "formatter": "line", "level": "WARNING"},
    },
    "root": {"handlers": ["file", "terminal"], "level": "INFO"},
    "loggers": {
        "django-q": {"level": "WARNING"},  # it tells of every tick
        "django.request": {"level": "ERROR"},  # 404s and the like are in the access log of whoever wants one
        "uvicorn.access": {"level": "WARNING"},
    },
}
