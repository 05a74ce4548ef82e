import { Stack, Text } from "@mantine/core";
import { useParams } from "react-router";

import { useDevice } from "../api/devices";
import { readCapabilities, readReport } from "../api/report";
import type { DeviceDetail, DevicePipeline } from "../api/types";
import { Answer } from "../parts/Answer";
import { Columns } from "../parts/Columns";
import { Events } from "../parts/Events";
import { Mark, Presence } from "../parts/Mark";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { DeviceCapabilities, DeviceRecord } from "./device/DeviceFacts";
import { DeviceLive } from "./device/DeviceLive";
import { DevicePipelines } from "./device/DevicePipelines";
import { DeviceResults } from "./device/DeviceResults";
import { DeviceUpdatePanel } from "./device/DeviceUpdate";

const parent = { to: "/devices", text: "Devices" };

function Status({ device }: { device: DeviceDetail }) {
  if (device.revoked) return <Mark tone="bad" text="revoked" />;
  return (
    <Presence
      status={device.status}
      sinceMs={device.status_since_ms}
      because={device.unknown_because}
    />
  );
}

/** The pipelines of which something holds. */
function named(device: DeviceDetail, holds: (pipeline: DevicePipeline) => boolean): string[] {
  return device.pipelines.filter(holds).map(({ pipeline }) => pipeline);
}

function Content({ device }: { device: DeviceDetail }) {
  const report = readReport(device.reported);
  return (
    <Page
      title={device.name}
      parent={parent}
      mark={<Status device={device} />}
      about={`${device.id} at site ${device.site}`}
    >
      <Panel title="Why">
        <Text size="sm">{device.why}</Text>
        {device.unknown_because && (
          <Text size="sm" mt={4}>
            Nobody can say how it is now: {device.unknown_because}.
          </Text>
        )}
      </Panel>
      {device.update && <DeviceUpdatePanel update={device.update} />}
      <DevicePipelines pipelines={device.pipelines} />
      <Columns>
        <Stack gap="lg">
          <DeviceLive site={device.site} device={device.id} />
          <DeviceResults
            device={device.id}
            explaining={named(device, ({ explains }) => explains)}
            learning={named(device, ({ learned }) => learned !== null)}
          />
        </Stack>
        <Stack gap="lg">
          <DeviceRecord device={device} report={report} />
          <DeviceCapabilities capabilities={readCapabilities(device.capabilities)} />
          <Events device={device.id} />
        </Stack>
      </Columns>
    </Page>
  );
}

/** Everything about one device. */
export function DevicePage() {
  const id = useParams()["device"] ?? "";
  const query = useDevice(id);
  if (query.data) return <Content device={query.data} />;
  return (
    <Page title={id} parent={parent}>
      <Answer query={query} waiting="Fetching the device">
        {() => null}
      </Answer>
    </Page>
  );
}
