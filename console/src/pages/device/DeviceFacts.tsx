import { Text } from "@mantine/core";

import type { Capabilities, Report } from "../../api/report";
import type { DeviceDetail } from "../../api/types";
import { Ago } from "../../parts/Ago";
import { Facts } from "../../parts/Facts";
import { Panel } from "../../parts/Panel";
import { bytes, counted, integer } from "../../text/format";

interface Props {
  device: DeviceDetail;
  report: Report | null;
}

/** What the cloud and the device know of each other. */
export function DeviceRecord({ device, report }: Props) {
  const { outbox, refused } = report ?? {};
  return (
    <Panel title="Record">
      <Facts
        facts={[
          ["Agent", device.version],
          ["Enrolled", <Ago ms={device.enrolled_ms} />],
          ["Last seen", <Ago ms={device.last_seen_ms} />],
          ["Last report", device.reported_ms ? <Ago ms={device.reported_ms} /> : "none yet"],
          ["Clock", report?.clock],
          ["Sources", device.sources.join(", ")],
          [
            "Outbox",
            outbox &&
              `${counted(outbox.held, "record")} (${bytes(outbox.bytes)}) wait, ` +
                `${integer(outbox.dropped)} dropped`,
          ],
          ["Refused", refused && `document ${refused.sequence}: ${refused.reason}`],
        ]}
      />
    </Panel>
  );
}

/** What the device can run. */
export function DeviceCapabilities({ capabilities }: { capabilities: Capabilities | null }) {
  return (
    <Panel title="Capabilities">
      {capabilities ? (
        <Facts
          facts={[
            ["Chip", capabilities.chip],
            ["Architecture", capabilities.architecture],
            ["CPU features", capabilities.cpuFeatures.join(" ")],
            ["Memory", capabilities.memory !== null && bytes(capabilities.memory)],
            ["System", capabilities.os],
            ["C library", capabilities.glibc],
            ...capabilities.runtimes.map((runtime): [string, string] => [
              runtime.engine,
              `${runtime.version}${runtime.maxOpset ? `, operator sets up to ${runtime.maxOpset}` : ""}`,
            ]),
          ]}
        />
      ) : (
        <Text size="sm" c="dimmed">
          The device has not reported yet.
        </Text>
      )}
    </Panel>
  );
}
