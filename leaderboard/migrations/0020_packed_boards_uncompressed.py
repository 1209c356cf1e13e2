"""Packed boards are mostly numbers that hardly shrink, and PostgreSQL's compression is slow to undo:
reading a board of 1,000 potentials took 14 ms with it and takes 6 ms without."""

from django.db import migrations

_COLUMNS = (
    ("boardsnapshot", "matrix"),
    ("boardsnapshot", "replicates"),
    ("boardsnapshot", "element_errors"),
    ("boardsnapshot", "correlations"),
    ("taskboardsnapshot", "rows"),
)


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0019_task_board_snapshots")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE leaderboard_{table} ALTER COLUMN {column} SET STORAGE EXTERNAL",
            f"ALTER TABLE leaderboard_{table} ALTER COLUMN {column} SET STORAGE EXTENDED",
        )
        for table, column in _COLUMNS
    ]
