from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_places")]

    operations = [migrations.RemoveField(model_name="job", name="slot")]
