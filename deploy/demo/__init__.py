"""The whole service on one machine, for a first look: ``make demo``.

Starts PostgreSQL, a worker, the reaper and the web server, then behaves as users do: everything
after the set-up goes through the REST API.
"""
