"""What the process of the gateway may take before it is told of."""

from pydantic import Field

from gateway.sdk.config import Duration, Size, Table


class LimitsConfig(Table):
    """Bounds of the gateway's own process; beyond one, health, an event and the log say so."""

    memory: Size = Field(default=512 * 2**20, ge=64 * 2**20)
    """Resident memory; where it grows beyond, the plugin that leaks is looked for and set aside."""
    descriptors: int = Field(default=4096, ge=64, le=1_000_000)
    """Open files and sockets."""
    tasks: int = Field(default=5000, ge=100, le=1_000_000)
    """Tasks of the event loop."""
    threads: int = Field(default=100, ge=20, le=10_000)
    """Threads."""
    hold: Duration = Field(default=1.0, ge=0.2, le=10)
    """How long code may hold the event loop; a plugin that does so three times within an hour is set aside."""

    def bounds(self) -> dict[str, int]:
        """By name of the metric."""
        return {
            "process_resident_bytes": self.memory,
            "process_descriptors": self.descriptors,
            "process_tasks": self.tasks,
            "process_threads": self.threads,
        }
