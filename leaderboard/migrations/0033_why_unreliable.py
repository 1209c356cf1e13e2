from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0032_reference_upload_convention")]

    operations = [
        migrations.AddField(
            model_name="evaluation",
            name="why_unreliable",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of a timed task: why its times are not ranked; they are repeated later.",
                max_length=300,
            ),
        ),
    ]
