"""What surrounds the data path: clock, files, logs, metrics, health, supervision, systemd."""
