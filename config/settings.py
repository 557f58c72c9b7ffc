"""Django settings, from `config.env`. Reference: docs/operating.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dj_database_url
import django_stubs_ext

from config.encoders import encoder_presets, read_encoders, reranker_presets
from config.env import BASE_DIR, environment
from config.logs import logging_config
from config.runtime.urls import broker_url
from config.secret_key import load_secret_key
from config.unfold import UNFOLD  # noqa: F401 - a setting

ENV = environment()

# Lets `ModelForm[Article]` be written at run time too, as the type checker wants it.
django_stubs_ext.monkeypatch()

DEBUG = ENV.debug
SECRET_KEY = load_secret_key(ENV)
ALLOWED_HOSTS = ENV.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "config",
    "chat",
    "embeddings",
    "kb",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
    "django_prometheus",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.RequestLogMiddleware",
    "config.middleware.DatabaseAwayMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
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
            ]
        },
    }
]

# --- database ---------------------------------------------------------------------------
DATABASES: dict[str, Any] = {
    "default": {
        **dj_database_url.parse(ENV.database_url, conn_health_checks=True),
        "ENGINE": "django.db.backends.postgresql",
    }
}
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"]["connect_timeout"] = 5
if ENV.database_pool:
    # Tries to connect come ever less often, for `reconnect_timeout`, then begin anew: while a
    # database that was away for long is back, no request may wait in vain for the next try.
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 0,
        "max_size": 20,
        "timeout": 10,
        "reconnect_timeout": 10,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- cache: throttle counters only; losing it loses nothing -----------------------------
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENV.redis_url,
        "KEY_PREFIX": "unabridged",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
}

# --- security ---------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENV.https
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if ENV.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
if ENV.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
SILENCED_SYSTEM_CHECKS = [] if ENV.https else ["security.W004", "security.W008", "security.W012"]

# --- language, time, files --------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = ENV.static_root
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = ENV.static_root is None
WHITENOISE_AUTOREFRESH = ENV.debug

# --- HTTP API ---------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["kb.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "kb.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["kb.api.throttling.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"key": "600/min", "questions": "120/min"},
    "EXCEPTION_HANDLER": "config.errors.handle_exception",
    "NUM_PROXIES": ENV.trusted_proxies,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Unabridged API",
    "DESCRIPTION": "Articles, retrieval and conversations. Authenticate with an API key: "
    "`Authorization: Bearer ub_…`. Errors are problem details (RFC 9457).",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# --- jobs: Redis is transport, the rows are the truth -----------------------------------
# A task stops taking new articles after EMBED_TASK_SECONDS; the visibility timeout must be
# longer than any task can run, or Redis hands the task out a second time.
CELERY_BROKER_URL = broker_url(ENV.redis_url)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "bulk"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 1800,
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "retry_on_timeout": False,
    "max_retries": 0,
}
CELERY_VISIBILITY_TIMEOUT = 1800
CELERY_TIMEZONE = "UTC"
SWEEP_SECONDS = ENV.sweep_seconds
WORKER_NICE = ENV.worker_nice
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "embeddings.sweep",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
        "options": {"queue": "interactive", "expires": SWEEP_SECONDS},
    },
    "sweep-curated": {
        "task": "chat.sweep_curated",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
        "options": {"queue": "interactive", "expires": SWEEP_SECONDS},
    },
    "sweep-evaluations": {
        "task": "chat.sweep_evaluations",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
        "options": {"queue": "interactive", "expires": SWEEP_SECONDS},
    },
    "sweep-gate": {
        "task": "chat.sweep_gate",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
        "options": {"queue": "interactive", "expires": SWEEP_SECONDS},
    },
    "deliver-webhooks": {
        "task": "kb.deliver_webhooks",
        "schedule": timedelta(seconds=SWEEP_SECONDS),
        "options": {"queue": "bulk", "expires": SWEEP_SECONDS},
    },
    "forget-deliveries": {
        "task": "kb.forget_deliveries",
        "schedule": timedelta(hours=1),
        "options": {"queue": "bulk", "expires": 3600},
    },
    "forget-traces": {
        "task": "chat.forget_traces",
        "schedule": timedelta(hours=1),
        "options": {"queue": "bulk", "expires": 3600},
    },
}
EMBED_TASK_SECONDS = 120
EMBED_LEASE_SECONDS = ENV.lease_seconds
EMBED_MAX_ATTEMPTS = 3
EXACT_SEARCH_VECTORS = ENV.exact_search_vectors
HNSW_BUILD_MEMORY_MB = ENV.hnsw_build_memory_mb
HNSW_MIN_RECALL = ENV.hnsw_min_recall
CUT_OVER_PATIENCE = 60.0  # seconds that a cut-over waits for cold processes and the last edits
INDEX_SOAK_HOURS = ENV.index_soak_hours

# --- encoders: alias -> backend and options ---------------------------------------------
ENCODERS = encoder_presets(jina_plan=ENV.jina_plan, jina_tokenizer=ENV.jina_tokenizer)
ENCODERS |= read_encoders(ENV.encoders_file)
DEFAULT_ENCODER = ENV.default_encoder
ENCODER_THREADS = ENV.encoder_threads
ENCODER_URL = ENV.encoder_url
ENCODER_API_KEY = ENV.encoder_api_key
ENCODER_CACHE_DIR = ENV.encoder_cache_dir
MODELS_DIR = ENV.models_dir
JINA_API_KEY = ENV.jina_api_key
REMOTE_API_KEY = ENV.remote_api_key
RERANKERS = reranker_presets(jina_plan=ENV.jina_plan)
LLM_BASE_URL = ENV.llm_base_url
LLM_API_KEY = ENV.llm_api_key
LLM_MODEL = ENV.llm_model

# --- knowledge base ---------------------------------------------------------------------
KB_MAX_ARTICLE_BYTES = 1_000_000
CHAT_MAX_QUESTION_CHARACTERS = 4_000

# --- webhooks ---------------------------------------------------------------------------
WEBHOOK_ALLOW_PRIVATE = ENV.webhook_allow_private
WEBHOOK_SECONDS = 10.0

# --- logs, metrics ----------------------------------------------------------------------
LOGGING_CONFIG = None
logging_config(level=ENV.log_level, json=ENV.log_json)
DJANGO_STRUCTLOG_CELERY_ENABLED = True
PROMETHEUS_EXPORT_MIGRATIONS = False
