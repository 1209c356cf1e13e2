from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0037_tested_systems"),
    ]

    operations = [
        migrations.AlterField(
            model_name="evaluation",
            name="n_failed",
            field=models.PositiveIntegerField(
                default=0, help_text="Failed: no skill, or the charge of the anchors."
            ),
        ),
    ]
