"""Pack the replicates of the scores there are, by the trigger that packs new ones.

In portions, each a transaction: nothing waits for long, and what was interrupted goes on where it
stopped. A board of 1,000 potentials and 30 tasks takes about 20 s.
"""

from django.db import migrations, transaction

_GUARD = "ALTER TABLE leaderboard_evaluation {} TRIGGER touchstone_guard_evaluation"
_PORTION = 1000


def fill(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leaderboard_evaluation"
            " WHERE packed_replicates = '' AND replicates <> '{}'"
        )
        keys = [key for (key,) in cursor.fetchall()]
    for start in range(0, len(keys), _PORTION):
        with transaction.atomic(connection.alias):
            with connection.cursor() as cursor:
                cursor.execute(_GUARD.format("DISABLE"))  # ended evaluations change for this alone
                cursor.execute(
                    "UPDATE leaderboard_evaluation SET packed_replicates = '' WHERE id = ANY(%s)",
                    [keys[start : start + _PORTION]],
                )
                cursor.execute(_GUARD.format("ENABLE"))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leaderboard", "0028_packed_replicates")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
