"""Who gets into MySQL or MariaDB, and what he may do there: the checks of suite `auth`."""
