"""From adapters to the image: registry, runner, image."""
