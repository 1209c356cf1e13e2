"""Triggers that protect what must never happen: see DESIGN of each in its comment."""

from django.db import migrations

FORWARD = """
-- A terminal evaluation never changes, except that a re-evaluation may supersede it.
CREATE FUNCTION touchstone_guard_evaluation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('succeeded', 'failed', 'cancelled') THEN
        IF OLD.is_current AND NOT NEW.is_current
           AND to_jsonb(NEW) - 'is_current' = to_jsonb(OLD) - 'is_current' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'evaluation % has ended and cannot change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.fencing_token < OLD.fencing_token THEN
        RAISE EXCEPTION 'the fencing token of evaluation % cannot go back', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER touchstone_guard_evaluation BEFORE UPDATE ON leaderboard_evaluation
    FOR EACH ROW EXECUTE FUNCTION touchstone_guard_evaluation();

-- A score, a system's record, an event and an artifact are never edited.
CREATE FUNCTION touchstone_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never edited', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_score
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_systemresult
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_event
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();
CREATE TRIGGER touchstone_never_edited BEFORE UPDATE ON leaderboard_artifact
    FOR EACH ROW EXECUTE FUNCTION touchstone_refuse_update();

-- A published version can only be retired; a retired one never changes.
CREATE FUNCTION touchstone_guard_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.state = 'retired'
       AND to_jsonb(NEW) - 'state' = to_jsonb(OLD) - 'state' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'version % of % is published and cannot change', OLD.number, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER touchstone_guard_version BEFORE UPDATE OR DELETE ON leaderboard_taskversion
    FOR EACH ROW EXECUTE FUNCTION touchstone_guard_version();
CREATE TRIGGER touchstone_guard_version BEFORE UPDATE OR DELETE ON leaderboard_benchmarkversion
    FOR EACH ROW EXECUTE FUNCTION touchstone_guard_version();

-- The entries of a published benchmark version are frozen with it.
CREATE FUNCTION touchstone_guard_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE version_id bigint;
BEGIN
    FOREACH version_id IN ARRAY ARRAY[
        CASE WHEN TG_OP <> 'INSERT' THEN OLD.benchmark_version_id END,
        CASE WHEN TG_OP <> 'DELETE' THEN NEW.benchmark_version_id END
    ] LOOP
        IF EXISTS (SELECT 1 FROM leaderboard_benchmarkversion
                   WHERE id = version_id AND state <> 'draft') THEN
            RAISE EXCEPTION 'benchmark version % is published and cannot change', version_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER touchstone_guard_entry BEFORE INSERT OR UPDATE OR DELETE
    ON leaderboard_benchmarktask FOR EACH ROW EXECUTE FUNCTION touchstone_guard_entry();

-- What defines a submission never changes; only visibility and withdrawal may.
CREATE FUNCTION touchstone_guard_submission() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'visibility' - 'withdrawn_at'
       <> to_jsonb(OLD) - 'visibility' - 'withdrawn_at' THEN
        RAISE EXCEPTION 'submission % is immutable', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER touchstone_guard_submission BEFORE UPDATE ON leaderboard_submission
    FOR EACH ROW EXECUTE FUNCTION touchstone_guard_submission();

-- A reference set that a published task version uses is frozen, but for being hidden or shown.
CREATE FUNCTION touchstone_guard_reference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM leaderboard_taskversion
               WHERE reference_set_id = OLD.id AND state <> 'draft')
       AND to_jsonb(NEW) - 'is_public' <> to_jsonb(OLD) - 'is_public' THEN
        RAISE EXCEPTION 'reference set % is in use by a published task', OLD.slug
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER touchstone_guard_reference BEFORE UPDATE ON leaderboard_referenceset
    FOR EACH ROW EXECUTE FUNCTION touchstone_guard_reference();
"""

BACKWARD = """
DROP FUNCTION touchstone_guard_evaluation, touchstone_refuse_update, touchstone_guard_version,
    touchstone_guard_entry, touchstone_guard_submission, touchstone_guard_reference CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
