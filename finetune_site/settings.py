"""Django settings. What differs between installations comes from environment.py."""

from __future__ import annotations

import socket
from pathlib import Path

import bootstrap_wrapper
import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key

from .environment import ROOT, Environment

django_stubs_ext.monkeypatch()
ENVIRONMENT = Environment()
HOME = ENVIRONMENT.home.resolve()
DATASETS_DIR, RUNS_DIR, LOGS_DIR = HOME / "datasets", HOME / "runs", HOME / "logs"
HUB_CACHE_DIR = HOME / "hub"
for folder in (DATASETS_DIR, RUNS_DIR, LOGS_DIR, HUB_CACHE_DIR, HOME / "models"):
    folder.mkdir(parents=True, exist_ok=True)
LOCAL_ROOTS = [Path(root).resolve() for root in (ENVIRONMENT.local_roots or str(HOME / "models")).split(":")]

DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts.split(",")
_key_file = HOME / "secret_key"
if not _key_file.exists():
    _key_file.touch(mode=0o600)
    _key_file.write_text(get_random_secret_key())
SECRET_KEY = _key_file.read_text().strip()

INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles", "django.contrib.humanize",
    "django_htmx", "django_filters", "django_tables2", "csp", "axes", "import_export",
    "rest_framework", "knox", "drf_spectacular", "drf_spectacular_sidecar", "django_q",
    "finetune_site", "models_catalog", "datasets_app", "jobs",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "finetune_site.urls"
ASGI_APPLICATION = "finetune_site.asgi.application"
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": [ROOT / "templates"], "APP_DIRS": True,
    "OPTIONS": {
        "builtins": ["lucide.templatetags.lucide"],
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ],
    },
}]

if ENVIRONMENT.database_url:
    DATABASES = {"default": dj_database_url.parse(ENVIRONMENT.database_url, conn_max_age=60)}
else:
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": HOME / "foretune.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"},
    }}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "login", "home", "login"
USE_TZ = True
STATIC_URL, STATIC_ROOT = "/static/", HOME / "static"
BOOTSTRAP = Path(bootstrap_wrapper.__file__).parent.parent / "bootstrap"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {
    "default-src": [NONE], "script-src": [SELF], "style-src": [SELF], "img-src": [SELF, "data:"], "font-src": [SELF],
    "connect-src": [SELF], "form-action": [SELF], "frame-ancestors": [NONE], "base-uri": [NONE],
}}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["knox.auth.TokenAuthentication", "rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
MACHINE_NAME = socket.gethostname()
Q_CLUSTER = {
    "name": "foretune", "orm": "default", "workers": 2, "timeout": 3600, "retry": 3900, "poll": 0.2, "catch_up": False,
    "max_attempts": 1, "ack_failures": True, "save_limit": 100, "ALT_CLUSTERS": {},
}
