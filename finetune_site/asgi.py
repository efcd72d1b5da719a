"""The web server's entry: `uvicorn finetune_site.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finetune_site.settings")
application = get_asgi_application()
