from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0009_output_files_and_kept_systems")]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="hardware_key",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of a timed task: what it was timed on; only the same are ranked together.",
                max_length=300,
            ),
        ),
    ]
