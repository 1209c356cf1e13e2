from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("leaderboard", "0024_disguise_secret"),
    ]

    operations = [
        migrations.AddField(
            model_name='apitoken',
            name='revoked_why',
            field=models.CharField(blank=True, choices=[('asked', 'when it was asked for'), ('password', 'when the password changed'), ('closed', 'when the account was closed'), ('second-factor', 'when the second factor was taken away')], db_default='', default='', help_text='By its owner or the staff, or with something else that ended.', max_length=16),
        ),
        migrations.AlterField(
            model_name='apitoken',
            name='revoked_at',
            field=models.DateTimeField(blank=True, help_text='Refused from then on.', null=True),
        ),
    ]
