"""A conversion becomes one kind of version. What was converted before keeps its origin and gets its number."""

import django.db.models.deletion
from django.db import migrations, models


def number_versions(apps, schema_editor):
    """Parents are older than what was made from them, so their versions are known when those of children are asked."""
    Dataset = apps.get_model("datasets_app", "Dataset")
    first_of, newest = {}, {}
    for dataset in Dataset.objects.order_by("pk").only("pk", "parent", "conversion").iterator():
        first = first_of[dataset.pk] = first_of.get(dataset.parent_id, dataset.pk)
        newest[first] = version = newest.get(first, 0) + 1
        change = {"kind": "conversion", "options": {"to": dataset.conversion}} if dataset.conversion else {}
        if change or first != dataset.pk:
            original = None if first == dataset.pk else first
            Dataset.objects.filter(pk=dataset.pk).update(original=original, version=version, change=change)


class Migration(migrations.Migration):

    dependencies = [
        ('datasets_app', '0002_telling_rows'),
    ]

    operations = [
        migrations.RenameField(model_name='dataset', old_name='converted_from', new_name='parent'),
        migrations.AlterField(
            model_name='dataset',
            name='parent',
            field=models.ForeignKey(blank=True, help_text='The version from which it was made; empty when it was uploaded or that one was deleted.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='datasets_app.dataset'),
        ),
        migrations.AddField(
            model_name='dataset',
            name='original',
            field=models.ForeignKey(blank=True, help_text='The first version; of that one itself empty.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='versions', to='datasets_app.dataset'),
        ),
        migrations.AddField(
            model_name='dataset',
            name='version',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='dataset',
            name='change',
            field=models.JSONField(default=dict, help_text='How it was made: kind and options; empty when it was uploaded.'),
        ),
        migrations.AddField(
            model_name='dataset',
            name='report',
            field=models.JSONField(default=dict, help_text='What making it did: rows written, left out and changed.'),
        ),
        migrations.AlterField(
            model_name='dataset',
            name='notes',
            field=models.JSONField(default=list, help_text='Sentences saying what making it left out.'),
        ),
        migrations.RunPython(number_versions, migrations.RunPython.noop),
    ]
