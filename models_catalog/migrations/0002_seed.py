"""Fill an empty catalogue from the tables of seed.py."""

from django.db import migrations

from models_catalog.seed import FAMILIES, MODELS


def load(apps, schema_editor):
    family_rows = apps.get_model("models_catalog", "ModelFamily").objects
    model_rows = apps.get_model("models_catalog", "BaseModel").objects
    families = family_rows.bulk_create(family_rows.model(**family.row()) for family in FAMILIES)
    by_name = {family.name: family for family in families}
    model_rows.bulk_create(
        model_rows.model(**{**model.row(), "family": by_name[model.family]}) for model in MODELS
    )


class Migration(migrations.Migration):
    dependencies = [("models_catalog", "0001_initial")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
