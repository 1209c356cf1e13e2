"""Triggers that note what boards show: an evaluation that comes, ends or is superseded, and names."""

from typing import ClassVar

from django.db import migrations

# What is looked up while it runs (state, progress) is read live, and noted by none of these.
FORWARD = """
CREATE FUNCTION touchstone_note_new_evaluations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO leaderboard_boardchange (task_version_id)
        SELECT DISTINCT task_version_id FROM added WHERE is_current;
    RETURN NULL;
END $$;
CREATE TRIGGER touchstone_note_board_change AFTER INSERT ON leaderboard_evaluation
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION touchstone_note_new_evaluations();

CREATE FUNCTION touchstone_note_evaluation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO leaderboard_boardchange (task_version_id) VALUES (OLD.task_version_id);
    RETURN NULL;
END $$;
CREATE TRIGGER touchstone_note_board_end AFTER UPDATE ON leaderboard_evaluation FOR EACH ROW
    WHEN (OLD.is_current IS DISTINCT FROM NEW.is_current OR (
        OLD.state IS DISTINCT FROM NEW.state
        AND NEW.state IN ('succeeded', 'failed', 'cancelled')))
    EXECUTE FUNCTION touchstone_note_evaluation();
CREATE TRIGGER touchstone_note_board_removal AFTER DELETE ON leaderboard_evaluation
    FOR EACH ROW EXECUTE FUNCTION touchstone_note_evaluation();

CREATE FUNCTION touchstone_note_all_boards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO leaderboard_boardchange (task_version_id) VALUES (NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_submission
    FOR EACH ROW EXECUTE FUNCTION touchstone_note_all_boards();
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_potential
    FOR EACH ROW EXECUTE FUNCTION touchstone_note_all_boards();
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_task
    FOR EACH ROW EXECUTE FUNCTION touchstone_note_all_boards();
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_taskversion
    FOR EACH ROW EXECUTE FUNCTION touchstone_note_all_boards();
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_referenceset
    FOR EACH ROW EXECUTE FUNCTION touchstone_note_all_boards();
CREATE TRIGGER touchstone_note_board_change AFTER INSERT OR UPDATE OR DELETE
    ON leaderboard_benchmarktask FOR EACH ROW EXECUTE FUNCTION touchstone_note_all_boards();
CREATE TRIGGER touchstone_note_board_change AFTER UPDATE ON leaderboard_worker FOR EACH ROW
    WHEN (OLD.hardware IS DISTINCT FROM NEW.hardware OR OLD.device IS DISTINCT FROM NEW.device)
    EXECUTE FUNCTION touchstone_note_all_boards();
"""

BACKWARD = """
DROP FUNCTION touchstone_note_new_evaluations, touchstone_note_evaluation,
    touchstone_note_all_boards CASCADE;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("leaderboard", "0014_board_changes_and_snapshots")]
    operations: ClassVar = [migrations.RunSQL(FORWARD, BACKWARD)]
