#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finetune_site.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as problem:
        sys.exit(str(problem))
    except ModuleNotFoundError as missing:
        sys.exit(f"The package {missing.name} is not installed here. Run: make install  (and use .venv/bin/python)")


if __name__ == "__main__":
    main()
