"""What the API says and takes. Names, slugs and UUIDs; never a primary key."""
