import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0036_frame_errors"),
    ]

    operations = [
        migrations.CreateModel(
            name="TestedSystems",
            fields=[
                (
                    "task_version",
                    models.OneToOneField(
                        help_text="Of which.",
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="tested_systems",
                        serialize=False,
                        to="leaderboard.taskversion",
                    ),
                ),
                (
                    "elements",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=500),
                        help_text='Elements of each system, as "Cl-Na".',
                        size=None,
                    ),
                ),
                (
                    "clusters",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        help_text="What each system is drawn with.",
                        size=None,
                    ),
                ),
                (
                    "is_tested",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BooleanField(),
                        help_text="Whether each system tests anything.",
                        size=None,
                    ),
                ),
            ],
        ),
        migrations.RunSQL(
            """
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_testedsystems
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
""",
            "DROP TRIGGER touchstone_never_edited ON leaderboard_testedsystems;",
        ),
    ]
