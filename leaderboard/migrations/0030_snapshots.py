"""One table for all that is computed once and read many times.

Its numbers hardly shrink, and PostgreSQL's compression is slow to undo: it is kept uncompressed. The
tables that were there before stay for one release, whose processes may run a moment longer; their
foreign keys go, which would hold back versions that are deleted.
"""

from django.db import migrations, models

FORWARD = """
ALTER TABLE leaderboard_snapshot ALTER COLUMN content SET STORAGE EXTERNAL;
DO $$
DECLARE found record;
BEGIN
    FOR found IN SELECT conrelid::regclass AS name, conname FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN (
            'leaderboard_boardsnapshot'::regclass, 'leaderboard_taskboardsnapshot'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.name, found.conname);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0029_fill_packed_replicates")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("BoardSnapshot"),
                migrations.DeleteModel("TaskBoardSnapshot"),
            ]
        ),
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                ("key", models.CharField(help_text="What of which board.", max_length=100, primary_key=True, serialize=False)),
                ("stamp", models.CharField(help_text="What it was made of.", max_length=200)),
                ("content", models.BinaryField(help_text="See services/boards/snapshots.py.")),
                ("made_at", models.DateTimeField(auto_now=True, help_text="When it was computed.")),
            ],
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
