"""From events to the broker: outbox, publisher, payloads."""
