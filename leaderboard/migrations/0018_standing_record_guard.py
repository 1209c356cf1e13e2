"""Where something stood is never edited; a history that is written anew is removed first."""

from typing import ClassVar

from django.db import migrations

FORWARD = """
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_standingrecord
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
"""
BACKWARD = "DROP TRIGGER touchstone_never_edited ON leaderboard_standingrecord;"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("leaderboard", "0017_standing_records")]
    operations: ClassVar = [migrations.RunSQL(FORWARD, BACKWARD)]
