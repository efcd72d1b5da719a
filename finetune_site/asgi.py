"""The web server's entry: `uvicorn finetune_site.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finetune_site.settings")
django_application = get_asgi_application()

from .bodies import BodyLimit  # noqa: E402  (needs the applications to be loaded)

application = BodyLimit(django_application)
