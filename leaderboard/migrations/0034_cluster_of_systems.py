from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0033_why_unreliable")]

    operations = [
        migrations.AddField(
            model_name="systemresult",
            name="cluster",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Those of one name are alike (a material, a trajectory) and drawn "
                "together.",
                max_length=200,
            ),
        ),
    ]
