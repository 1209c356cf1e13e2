"""When a submission became public may be set; those that are public have been since they came."""

from django.db import migrations

GUARD = """
CREATE OR REPLACE FUNCTION touchstone_guard_submission() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'visibility' - 'published_at' - 'withdrawn_at'
       <> to_jsonb(OLD) - 'visibility' - 'published_at' - 'withdrawn_at' THEN
        RAISE EXCEPTION 'submission % is immutable', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
DATES = """
UPDATE leaderboard_submission SET published_at = created_at WHERE visibility = 'public';
"""


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0007_uploads_webhooks_smoke")]

    operations = [
        migrations.RunSQL(GUARD, migrations.RunSQL.noop),
        migrations.RunSQL(DATES, migrations.RunSQL.noop),
    ]
