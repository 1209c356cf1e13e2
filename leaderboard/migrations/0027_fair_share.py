"""Whose share an evaluation comes out of, and what the parties' evaluations took of the workers.

One trigger fills in the parties of rows that name none, those of the previous release among them;
another counts an attempt's time when it ends, whatever statement ends it.
"""

from typing import ClassVar

import django.contrib.postgres.fields
from django.db import migrations, models

PARTIES = """
CREATE FUNCTION touchstone_parties_of(asked_submission uuid) RETURNS varchar[] LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN potential.team_id IS NULL
        THEN ARRAY['user ' || potential.owner_id]
        ELSE ARRAY['team ' || potential.team_id, 'user ' || submission.submitted_by_id]
    END::varchar[]
    FROM leaderboard_submission submission
    JOIN leaderboard_potential potential ON potential.id = submission.potential_id
    WHERE submission.id = asked_submission
$$;
CREATE FUNCTION touchstone_fill_in_parties() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.parties := coalesce(touchstone_parties_of(NEW.submission_id), '{}');
    RETURN NEW;
END $$;
CREATE TRIGGER touchstone_parties BEFORE INSERT ON leaderboard_evaluation
    FOR EACH ROW WHEN (NEW.parties = '{}') EXECUTE FUNCTION touchstone_fill_in_parties();
UPDATE leaderboard_evaluation SET parties = CASE
    WHEN priority < 0 THEN '{staff}' ELSE coalesce(touchstone_parties_of(submission_id), '{}')
END WHERE state IN ('queued', 'running');
"""
NO_PARTIES = """
DROP TRIGGER touchstone_parties ON leaderboard_evaluation;
DROP FUNCTION touchstone_fill_in_parties();
DROP FUNCTION touchstone_parties_of(uuid);
"""

TIME = """
CREATE FUNCTION touchstone_count_worker_time() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Nobody worked on it after its lease had run out: an outage is no load.
    took float8 := greatest(0, extract(epoch FROM
        least(clock_timestamp(), coalesce(OLD.lease_expires_at, clock_timestamp()))
        - OLD.started_at
    ));
    is_smoke boolean := EXISTS (
        SELECT 1 FROM leaderboard_taskversion version
        JOIN leaderboard_task task ON task.id = version.task_id
        WHERE version.id = OLD.task_version_id AND task.slug = 'smoke'
    );
    is_paid boolean := NEW.state <> 'queued'
        AND NEW.verdict NOT IN ('infrastructure_error', 'infrastructure_lost');
BEGIN
    IF took IS NULL THEN
        RETURN NULL;
    END IF;
    -- In one order, so that two that end at the same time never wait for each other.
    INSERT INTO leaderboard_workertime AS known (party, hour, seconds, smoke_seconds, paid_seconds)
    SELECT party, date_trunc('hour', clock_timestamp()), took,
        CASE WHEN is_smoke THEN took ELSE 0 END,
        CASE WHEN is_paid AND party = OLD.parties[1] THEN took ELSE 0 END
    FROM (SELECT DISTINCT unnest(OLD.parties) AS party ORDER BY 1) AS concerned
    ON CONFLICT (party, hour) DO UPDATE SET
        seconds = known.seconds + EXCLUDED.seconds,
        smoke_seconds = known.smoke_seconds + EXCLUDED.smoke_seconds,
        paid_seconds = known.paid_seconds + EXCLUDED.paid_seconds;
    RETURN NULL;
END $$;
CREATE TRIGGER touchstone_worker_time AFTER UPDATE OF state ON leaderboard_evaluation
    FOR EACH ROW WHEN (OLD.state = 'running' AND NEW.state <> 'running')
    EXECUTE FUNCTION touchstone_count_worker_time();
"""
NO_TIME = """
DROP TRIGGER touchstone_worker_time ON leaderboard_evaluation;
DROP FUNCTION touchstone_count_worker_time();
"""


def _limit(name, help_text):
    field = models.PositiveIntegerField(blank=True, help_text=help_text, null=True)
    return migrations.AddField("quotaoverride", name, field)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("leaderboard", "0026_names")]

    operations: ClassVar = [
        migrations.AlterField(
            "evaluation",
            "priority",
            models.SmallIntegerField(
                default=0,
                help_text="Higher is claimed first within a party, and earlier among parties.",
            ),
        ),
        migrations.AddField(
            "evaluation",
            "parties",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32),
                blank=True,
                db_default=[],
                default=list,
                help_text="Whose shares of the workers it comes out of; the first one pays.",
                size=None,
            ),
        ),
        _limit("worker_seconds_per_day", "Time of workers in a day (UTC), in seconds."),
        _limit(
            "worker_seconds_per_week", "Time of workers in a week that begins on Monday (UTC)."
        ),
        _limit("potentials", "Potentials that are registered."),
        _limit("stored_MiB", "Files of submissions and uploads, in MiB."),
        migrations.CreateModel(
            "WorkerTime",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("party", models.CharField(help_text="user N, team N, or staff.", max_length=32)),
                ("hour", models.DateTimeField(help_text="Begin of the hour.")),
                (
                    "seconds",
                    models.FloatField(help_text="Of all attempts that ended in the hour."),
                ),
                ("smoke_seconds", models.FloatField(help_text="Of these, smoke tests.")),
                (
                    "paid_seconds",
                    models.FloatField(
                        help_text="Of these, what the party pays for: no faults of ours, no "
                        "other's potentials."
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["hour"], name="worker_time_age")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("party", "hour"), name="one_worker_time_per_hour"
                    )
                ],
            },
        ),
        migrations.RunSQL(PARTIES, NO_PARTIES),
        migrations.RunSQL(TIME, NO_TIME),
    ]
