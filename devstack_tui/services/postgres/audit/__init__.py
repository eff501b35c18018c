"""Who gets into PostgreSQL, and what he may do there: the checks of suite `auth`."""
