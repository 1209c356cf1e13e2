"""An entry of the audit log is never edited and never removed."""

from typing import ClassVar

from django.db import migrations

FORWARD = """
CREATE FUNCTION touchstone_refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER touchstone_only_added BEFORE UPDATE OR DELETE ON leaderboard_auditentry
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_removal();
"""
BACKWARD = "DROP FUNCTION touchstone_refuse_removal CASCADE;"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("leaderboard", "0012_audit_dry_runs_reference_uploads")]
    operations: ClassVar = [migrations.RunSQL(FORWARD, BACKWARD)]
