"""A slug belongs to a potential for everybody once a version of it was public; see the model.

Who holds a slug is written by a trigger, so that no code, and no process of the release before,
makes a version public without it. What is private at this moment gets an address with a tail.
"""

import django.contrib.postgres.functions
import django.core.validators
import django.db.models.functions
from django.conf import settings
from django.db import migrations, models

FILL = """
UPDATE leaderboard_potential SET holds_slug = true WHERE id IN (
    SELECT potential_id FROM leaderboard_submission WHERE visibility = 'public');
-- The foreign keys of rows that were rewritten above are checked now: the table changes once more.
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""
TRIGGER = """
CREATE FUNCTION touchstone_hold_slug() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leaderboard_potential SET holds_slug = true
        WHERE id = NEW.potential_id AND NOT holds_slug;
    RETURN NULL;
END $$;
CREATE TRIGGER touchstone_hold_slug AFTER INSERT OR UPDATE OF visibility
    ON leaderboard_submission FOR EACH ROW WHEN (NEW.visibility = 'public')
    EXECUTE FUNCTION touchstone_hold_slug();

-- No board shows a potential before it holds its slug.
DROP TRIGGER touchstone_note_board_change ON leaderboard_potential;
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_potential FOR EACH ROW
    WHEN (OLD.holds_slug = NEW.holds_slug)
    EXECUTE FUNCTION touchstone_note_all_boards();
"""
BACK = """
DROP TRIGGER touchstone_note_board_change ON leaderboard_potential;
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_potential FOR EACH ROW
    EXECUTE FUNCTION touchstone_note_all_boards();
DROP TRIGGER touchstone_hold_slug ON leaderboard_submission;
DROP FUNCTION touchstone_hold_slug();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("leaderboard", "0030_snapshots"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "potential",
            "holds_slug",
            models.BooleanField(db_default=False, default=False, editable=False, help_text="A version of it was public: the slug is its own for everybody."),
        ),
        migrations.AddField(
            "potential",
            "tail",
            models.CharField(
                db_default=django.db.models.functions.Left(
                    django.db.models.functions.Cast(django.contrib.postgres.functions.RandomUUID(), models.CharField()), 8
                ),
                editable=False, help_text="Of the address, while the slug is not held.", max_length=8,
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            "potential",
            "slug",
            models.CharField(
                db_index=True, help_text="Name, e.g. mace-mp-0. Never changes once a version of it was public.", max_length=64,
                validators=[django.core.validators.RegexValidator("^[a-z0-9]+(?:[.-][a-z0-9]+)*\\Z", "Use small letters, digits, and single dots or hyphens between them.")],
            ),
        ),
        migrations.AddField(
            "potential",
            "address",
            models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(holds_slug=True, then=models.F("slug")),
                    default=django.db.models.functions.Concat(models.F("slug"), models.Value("~"), models.F("tail")),
                ),
                help_text="Name in addresses: the slug, with a tail until a version of it was public.",
                output_field=models.CharField(max_length=73),
                unique=True,
            ),
        ),
        migrations.AddConstraint(
            "potential",
            models.UniqueConstraint(condition=models.Q(("team__isnull", True)), fields=("owner", "slug"), name="one_potential_of_a_person_per_slug"),
        ),
        migrations.AddConstraint(
            "potential",
            models.UniqueConstraint(fields=("team", "slug"), name="one_potential_of_a_team_per_slug"),
        ),
        migrations.RunSQL(TRIGGER, BACK),
    ]
