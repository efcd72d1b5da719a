"""The site: front page, accounts, static files, health, and the commands that run everything."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "finetune_site"
    verbose_name = "Site"
