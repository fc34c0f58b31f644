"""What a database may raise, under a name for those who do not speak to psycopg themselves."""

from __future__ import annotations

import psycopg

from pgflow.errors import DatabaseUnavailableError

StoreError = psycopg.Error
FAULTS = (DatabaseUnavailableError, psycopg.Error)
"""Any failure of a statement: the database does not answer, or refuses."""
