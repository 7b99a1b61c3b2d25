// The quality of a reading: an OPC UA StatusCode, whose two top bits say good, uncertain or bad (Part 4, 7.39).

import { t } from "../core/i18n.js";

const KINDS = ["good", "uncertain", "bad", "bad"];

// the codes that the gateway gives itself (docs/messages.md)
const NAMES = {
  0x00000000: "Good",
  0x40900000: "UncertainLastUsableValue",
  0x40940000: "UncertainEngineeringUnitsExceeded",
  0x800a0000: "BadTimeout",
  0x80230000: "BadInvalidTimestamp",
  0x80320000: "BadWaitingForInitialData",
  0x803c0000: "BadOutOfRange",
  0x80890000: "BadConfigurationError",
  0x808a0000: "BadNotConnected",
  0x808b0000: "BadDeviceFailure",
};

/** good, uncertain or bad. */
export function kindOf(status) {
  return KINDS[status >>> 30];
}

/** The name of a status, or its number where it is a device's own. */
export function qualityName(status) {
  return NAMES[status] ?? `0x${status.toString(16).padStart(8, "0").toUpperCase()}`;
}

/** What a person reads: its kind, and the name where it is not good. */
export function qualityText(status) {
  const kind = kindOf(status);
  return kind === "good" ? t("quality.good") : `${t(`quality.${kind}`)} · ${qualityName(status)}`;
}
