from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("datasets_app", "0005_container")]

    operations = [
        migrations.AddField(
            "dataset",
            "layout",
            models.CharField(
                blank=True,
                default="",
                help_text="How the file writes that format; empty when it was read before layouts.",
                max_length=20,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "dataset",
            "mixture",
            models.JSONField(
                default=list,
                help_text="Where rows look different: each layout with its rows and the lines of the first.",
            ),
        ),
        migrations.AlterField(
            "dataset",
            "format",
            models.CharField(
                choices=[
                    ("messages", "Chat (messages)"),
                    ("text", "Text"),
                    ("preference", "Preference (prompt, chosen, rejected)"),
                    ("prompt_completion", "Prompt and completion"),
                    ("unpaired_preference", "Answers judged good or bad"),
                    ("unknown", "Unknown"),
                ],
                default="unknown",
                max_length=20,
            ),
        ),
    ]
