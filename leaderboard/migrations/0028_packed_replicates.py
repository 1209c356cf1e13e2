"""Replicates of scores as bytes of single precision: a third of what arrays take, and quick to read.

The array stays for one release, which the previous one may still write while the service is
upgraded: a trigger packs what it writes. The next migration packs what there is.
"""

from django.db import migrations, models

# Bytes of a number come from the server the highest first, and are kept the lowest first. Rounded,
# as evaluators report them: what lies below single precision would be refused.
FORWARD = """
ALTER TABLE leaderboard_evaluation ALTER COLUMN replicates SET DEFAULT '{}';
CREATE FUNCTION touchstone_pack_replicates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.packed_replicates = (
        SELECT string_agg(
            substring(f FROM 4 FOR 1) || substring(f FROM 3 FOR 1)
            || substring(f FROM 2 FOR 1) || substring(f FROM 1 FOR 1), ''::bytea ORDER BY n)
        FROM (
            SELECT float4send((round(v * 1e6::float8) / 1e6::float8)::real) AS f, n
            FROM unnest(NEW.replicates) WITH ORDINALITY AS number(v, n)) AS sent);
    RETURN NEW;
END $$;
CREATE TRIGGER touchstone_pack_replicates BEFORE INSERT OR UPDATE ON leaderboard_evaluation
    FOR EACH ROW WHEN (
        NEW.packed_replicates = '' AND NEW.replicates <> '{}'
        AND 1e30 > ALL (NEW.replicates) AND -1e30 < ALL (NEW.replicates))
    EXECUTE FUNCTION touchstone_pack_replicates();
"""
BACKWARD = """
DROP FUNCTION touchstone_pack_replicates CASCADE;
ALTER TABLE leaderboard_evaluation ALTER COLUMN replicates DROP DEFAULT;
"""

class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0027_fair_share")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("evaluation", "replicates")]
        ),
        migrations.AddField(
            model_name="evaluation",
            name="replicates",
            field=models.BinaryField(
                db_column="packed_replicates",
                default=b"",
                db_default=b"",
                help_text="Bootstrap replicates of the task score, packed by "
                "services/evaluations/metric_replicates.py; comparable between submissions.",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
