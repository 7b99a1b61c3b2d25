"""Metrics for Prometheus, read from the parts' own counters when somebody scrapes: nothing is done for them before.

Labelled by device, connection and asset, never by tag: ten thousand tags must not become ten thousand series.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "fieldgate_"


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure: a name that ends in `_total` is a counter, any other a gauge."""

    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


Source = Callable[[], Iterable[Sample]]


class Metrics(Collector):
    """Gathers samples from every registered source at the time of the scrape."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def add(self, source: Source) -> None:
        """Ask `source` too, at every scrape. It is called from the scraping thread and must only read."""
        self._sources.append(source)

    def samples(self) -> list[Sample]:
        """All figures now."""
        return [sample for source in self._sources for sample in source()]

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client."""
        families: dict[str, Metric] = {}
        for sample in self.samples():
            family = families.get(sample.name)
            if family is None:
                family = families[sample.name] = _family(sample)
            family.add_metric(list(sample.labels.values()), sample.value)  # type: ignore[attr-defined]
        yield from families.values()

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


def _family(sample: Sample) -> Metric:
    text = HELP.get(sample.name, sample.name.replace("_", " "))
    kind = CounterMetricFamily if sample.name.endswith("_total") else GaugeMetricFamily
    return kind(PREFIX + sample.name, text, labels=list(sample.labels))


HELP = {
    "info": "Version of the gateway, always 1.",
    "configuration_info": "The configuration that runs: its number, and the start of its digest; always 1.",
    "configuration_since_seconds": "Unix time at which the configuration that runs took over.",
    "configuration_differs": "1 while the files on disk say something else than the configuration that runs.",
    "readings_total": "Readings that adapters delivered.",
    "readings_bad_total": "Readings of bad quality among them.",
    "readings_suppressed_total": "Readings within their dead-band, not sent.",
    "readings_not_sent_total": "Readings not sent because telemetry is off.",
    "readings_dropped_total": "Readings dropped before the pipeline because its queue was full.",
    "batches_total": "Batches that the pipeline worked on.",
    "turns_failed_total": "Turns of the pipeline that ended by a fault.",
    "rows_evaluated_total": "Rows of assets that came up for scoring: scored plus abstained.",
    "rows_scored_total": "Rows of assets that got a score.",
    "device_up": "1 while the device answers.",
    "certificate_days": "Days until a certificate that the connection uses expires; negative afterwards.",
    "connects_total": "Connections that were opened.",
    "losses_total": "Connections that were lost.",
    "faults_total": "Faults of an adapter that were no loss of connection.",
    "readings_backfilled_total": "Readings that were missed and read later from the memory of devices.",
    "gaps_filled_total": "Gaps after outages that were filled from the memory of devices.",
    "gaps_given_up_total": "Gaps that stay because the device does not tell its history.",
    "scans_failed_total": "Scans in which not one tag was usable.",
    "outbox_queued_records": "Messages in the outbox that the broker has not acknowledged.",
    "outbox_oldest_seconds": "Age of the oldest message that the broker has not acknowledged; 0 where none waits.",
    "disk_free_bytes": "Bytes that are free on the disk of the state folder.",
    "disk_bytes": "Size of the disk of the state folder.",
    "outbox_disk_bytes": "Bytes that the outbox takes on disk.",
    "outbox_queued_readings": "Readings in the outbox that the broker has not acknowledged.",
    "outbox_accepted_total": "Messages that are safe on disk.",
    "outbox_acked_readings_total": "Readings that the broker acknowledged.",
    "outbox_dropped_readings_total": "Readings dropped by the outbox, by reason.",
    "outbox_written_bytes_total": "Bytes written to disk by the outbox (flash wear).",
    "outbox_fsyncs_total": "Commits to disk.",
    "mqtt_connected": "1 while the broker is connected.",
    "model_calls_total": "Calls that a user's model has answered.",
    "model_calls_failed_total": "Calls that no version of a user's model could answer.",
    "model_calls_dropped_total": "Calls given up because too many waited for a user's model.",
    "model_calls_beside_dropped_total": "Calls that the version beside the active one was spared, being too slow.",
    "model_faults_total": "Faults of a user's model: deadlines, deaths, errors.",
    "model_starts_total": "Worker processes of a user's model that came up.",
    "model_starts_failed_total": "Worker processes of a user's model that did not.",
    "loop_lag_seconds": "How late the event loop was, at worst, in the last minute.",
    "readings_failed_total": "Readings in turns of the pipeline that ended by a fault.",
    "rows_abstained_not_operating_total": "Rows of machines that were not in the state in which they are judged.",
    "rows_abstained_calibrating_total": "Rows that an asset's detector learnt from instead of scoring them.",
    "rows_abstained_fitting_total": "Rows that came while a calibration was being computed.",
    "rows_abstained_too_few_good_total": "Rows without a score because too few tags were good.",
    "rows_abstained_model_failed_total": "Rows for which the model gave no answer.",
    "rows_abstained_pending_total": "Always 0: a row whose answer is awaited is counted when that has come.",
    "rows_abstained_filling_total": "Rows that came before the window of a user's model was full.",
    "sensor_faults_total": "Sensors that were found at fault; their tags are left out of the score.",
    "sensor_goods_total": "Sensors at fault that were found good again.",
    "alarms_stay_total": "Alarms that stayed and asked for an answer.",
    "alarms_raise_total": "Alarms that went active.",
    "alarms_return_total": "Alarms that returned.",
    "alarms_acknowledge_total": "Alarms that operators have acknowledged.",
    "alarms_shelve_total": "Alarms that operators have shelved.",
    "alarms_unshelve_total": "Alarms whose shelving has ended, by itself or by an operator.",
    "alarms_remove_total": "Alarms that operators have taken out of service.",
    "alarms_restore_total": "Alarms that operators have put back into service.",
    "alarms_hour": "Alarms that went active in the last hour.",
    "alarms_ten_minutes": "Alarms that went active in the last ten minutes; more than 10 for one operator are a flood.",
    "alarms_ten_minutes_peak": "Most alarms in ten minutes since the start.",
    "alarms_active": "Alarms that are active now.",
    "alarms_unacknowledged": "Alarms that nobody has acknowledged, returned ones included.",
    "alarms_standing": "Alarms that are active, or returned and not acknowledged.",
    "alarms_shelved": "Alarms that are shelved now.",
    "alarms_out_of_service": "Alarms that are out of service now.",
    "alarms_chattering": "Alarms that went active three times within a minute, in the last hour.",
    "console_logins_wrong_total": "Logins to the console that were wrong, or came too soon after wrong ones.",
    "console_connections": "Connections to the console that are open.",
    "console_connections_refused_total": "Connections to the console that were one too many, in all or of one address.",
    "console_pages": "Pages of the console that are open.",
    "console_pages_behind_total": "Times that a page of the console did not keep up, and was given everything anew.",
    "commands_done_total": "Operators' commands that were carried out.",
    "commands_refused_total": "Operators' commands that were not carried out, by reason.",
    "commands_dropped_total": "Operators' commands that were not looked at, because too many came at once.",
    "writes_total": "Writes that reached a device, by result: done, differs, unknown.",
    "writes_refused_total": "Commands that were refused before anything was changed, by reason.",
    "writes_waiting": "Writes and calls that wait for their device, or are under way.",
    "calls_total": "Methods that were called and conditions that were acknowledged, by result: done, unknown.",
    "calls_refused_total": "Calls and acknowledgements that were refused before anything was changed, by reason.",
    "conditions_standing": "Conditions (alarms) that stand in the devices, as their servers tell.",
    "write_seconds_total": "Time that devices took to be written and read back.",
    "write_rule_seconds_max": "Slowest write that followed an alarm: from the row that raised it to the answer.",
    "audit_records_total": "Records that were put into the audit since the start.",
    "mqtt_attempts_total": "Attempts to connect to the broker.",
    "mqtt_connects_total": "Connections to the broker that were opened.",
    "mqtt_failures_total": "Attempts to connect to the broker that failed.",
    "mqtt_losses_total": "Connections to the broker that were lost.",
    "mqtt_renewals_total": "Connections to the broker that were made anew because certificates had changed on disk.",
    "mqtt_published_total": "Messages that were sent to the broker, repeats included.",
    "mqtt_acked_total": "Messages that the broker acknowledged.",
    "mqtt_refused_total": "Messages that the broker answered with a failure; each is tried again.",
    "mqtt_sparkplug_births_total": "NBIRTH that were sent: one a connection, and those that hosts have asked for.",
    "mqtt_sparkplug_dropped_total": "Commands of Sparkplug hosts that were no payload, or too many at once.",
    "mqtt_sparkplug_refused_total": "Commands of Sparkplug hosts that were refused.",
    "mqtt_sparkplug_unknown_total": "Readings not sent because the configuration does not have their tag any more.",
    "mqtt_replies_total": "Answers to commands that came over MQTT.",
    "mqtt_dropped_total": "Messages that were given up because the broker will not have them.",
    "asset_score_ratio": "Last score of an asset as a multiple of its threshold; see metrics.assets.",
    "asset_phase": "How far an asset is, 1 for the phase it is in: rule, calibrating, fitting, scoring and others.",
    "asset_alarm_standing": "1 while the alarm of an asset is active, or returned and not acknowledged, else 0.",
    "tags_drifted": "Tags whose slow mean is more than 3 standard deviations from their calibration: `input drift`.",
    "calibrations_total": "Calibrations of the built-in detector that were computed.",
    "fits_failed_total": "Calibrations that could not be computed; the asset learns anew.",
    "state_writes_failed_total": "Attempts to keep state (alarms, calibrations) that the disk refused; tried again.",
    "state_writes_given_up_total": "Changes of state that were given up because too many waited for the disk.",
    "loop_holds_total": "Times that code has held the event loop for longer than limits.hold; the log names it.",
    "connections_set_aside": "Connections that are set aside because their plugin does harm: fieldgate quarantine.",
    "harms_blocks_total": "Times that a plugin has held the event loop.",
    "harms_floods_total": "Times that a plugin has brought more batches than its configuration can explain.",
    "harms_leaks_total": "Plugins that were found to leak memory.",
    "harms_exits_total": "Times that a plugin has ended the process, or tried to.",
    "harms_kills_total": "Times that the process was killed, or crashed, in a plugin's code.",
    "harms_stays_total": "Connections that did not end when they were told to.",
    "readings_flooded_total": "Readings dropped because their connection brought too many.",
    "process_resident_bytes": "Memory that the gateway's process takes.",
    "process_cpu_seconds_total": "Processor time that the gateway's process has taken, user and system.",
    "process_descriptors": "Open files and sockets of the process.",
    "process_tasks": "Tasks of the event loop.",
    "process_threads": "Threads of the process.",
    "clock_doubted": "1 while messages say that their times are not to be trusted (field `clock`), else 0.",
    "clock_steps_total": "Times that the wall clock was set while the gateway ran.",
    "clock_synchronized": "1 while the clock follows a time server, 0 while it does not; absent where nobody knows.",
    "otlp_sent_total": "Times that the OpenTelemetry collector took all metrics.",
    "otlp_failed_total": "Times that the OpenTelemetry collector did not take them within metrics.otlp.timeout.",
    "safe_mode": "1 in safe mode; then there is no other metric.",
    "part_restarts_total": "Times that a part of the gateway failed and was started again.",
}
