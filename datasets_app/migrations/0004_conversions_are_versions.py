"""On its own, since PostgreSQL changes no table in a transaction that has changed its rows."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('datasets_app', '0003_versions'),
    ]

    operations = [
        migrations.RemoveField(model_name='dataset', name='conversion'),
    ]
