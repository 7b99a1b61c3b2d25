"""The small durable state: alarms and calibrations, in SQLite."""
