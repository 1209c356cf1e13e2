from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0031_slugs_of_private_potentials")]

    operations = [
        migrations.AddField(
            model_name="referenceupload",
            name="convention",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text="Names and units of the file's values, as given.",
            ),
        ),
        migrations.AlterField(
            model_name="referenceupload",
            name="sha256",
            field=models.CharField(
                blank=True, help_text="Of the canonical extended XYZ file.", max_length=64
            ),
        ),
    ]
