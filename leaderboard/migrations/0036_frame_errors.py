import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0035_skill_tables"),
    ]

    operations = [
        migrations.CreateModel(
            name="FrameErrorTable",
            fields=[
                (
                    "evaluation",
                    models.OneToOneField(
                        help_text="Of which.",
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="frame_errors",
                        serialize=False,
                        to="leaderboard.evaluation",
                    ),
                ),
                (
                    "n_atoms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveIntegerField(),
                        help_text="Of each system of the set, in its order: atoms whose forces are kept.",
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
                    "packed",
                    models.BinaryField(
                        help_text="Errors of the energies in meV/atom, then of the forces in eV/Å; packed by evaluator/frames.py."
                    ),
                ),
            ],
        ),
        migrations.RunSQL(
            """
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_frameerrortable
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
""",
            "DROP TRIGGER touchstone_never_edited ON leaderboard_frameerrortable;",
        ),
    ]
