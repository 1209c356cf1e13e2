from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0038_help_of_failed"),
    ]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="runtimes",
            field=models.JSONField(
                blank=True,
                help_text="Runtimes that it offers, by name: state, calculator kinds, digest, packages. "
                "Empty for a worker that does not tell them: it takes all kinds.",
                null=True,
            ),
        ),
    ]
