"""A team always has an owner; counts of requests skip the log; staff's tokens keep their reach."""

from typing import ClassVar

from django.db import migrations

OWNER = """
CREATE FUNCTION leaderboard_team_has_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Locks the team, so that two owners who leave at the same time meet here; gone: nothing to do.
    PERFORM 1 FROM leaderboard_team WHERE id = OLD.team_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM leaderboard_membership WHERE team_id = OLD.team_id AND role = 'owner'
    ) THEN
        RAISE EXCEPTION 'team % would have no owner', OLD.team_id USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER team_has_owner
    AFTER UPDATE OR DELETE ON leaderboard_membership
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION leaderboard_team_has_owner();
"""
NO_OWNER = """
DROP TRIGGER team_has_owner ON leaderboard_membership;
DROP FUNCTION leaderboard_team_has_owner();
"""
REACH = """
UPDATE leaderboard_apitoken SET scopes = '{admin,read,submit}'
FROM auth_user WHERE auth_user.id = user_id AND auth_user.is_staff;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("leaderboard", "0005_teams_scopes_quotas")]
    operations: ClassVar = [
        migrations.RunSQL(OWNER, NO_OWNER),
        migrations.RunSQL(
            "ALTER TABLE leaderboard_requestcount SET UNLOGGED",
            "ALTER TABLE leaderboard_requestcount SET LOGGED",
        ),
        migrations.RunSQL(REACH, migrations.RunSQL.noop),
    ]
