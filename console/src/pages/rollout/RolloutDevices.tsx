import { Anchor, Progress, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Rollout } from "../../api/types";
import { Empty } from "../../parts/Empty";
import { Mark } from "../../parts/Mark";
import { Panel } from "../../parts/Panel";
import { bytes } from "../../text/format";
import { phaseTone } from "../../text/status";

function Row({ device }: { device: Rollout["devices"][number] }) {
  const { fetched, total } = device;
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={`/devices/${device.device}`} size="sm" fw={550}>
          {device.name}
        </Anchor>
      </Table.Td>
      <Table.Td className="whole">{device.site}</Table.Td>
      <Table.Td>{device.wave}</Table.Td>
      <Table.Td>{device.variant}</Table.Td>
      <Table.Td>
        <Mark tone={phaseTone(device.phase)} text={device.phase} />
        {device.reason && (
          <Text size="xs" c="dimmed">
            {device.reason}
          </Text>
        )}
      </Table.Td>
      <Table.Td w={180}>
        {device.phase === "downloading" && total > 0 && (
          <Progress
            value={Math.min(100, (100 * fetched) / total)}
            size="sm"
            aria-label={`Fetched by ${device.name}`}
          />
        )}
        {total > 0 && (
          <Text size="xs" c="dimmed">
            {device.phase === "downloading"
              ? `${bytes(fetched)} of ${bytes(total)}`
              : bytes(fetched)}
          </Text>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

/** Each device of a rollout with its phase and the reason. */
export function RolloutDevices({ devices }: { devices: Rollout["devices"] }) {
  return (
    <Panel title="Devices" flush>
      {devices.length === 0 ? (
        <Empty text="No device takes part." />
      ) : (
        <Table aria-label="Devices of the rollout">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Device</Table.Th>
              <Table.Th>Site</Table.Th>
              <Table.Th>Wave</Table.Th>
              <Table.Th>Variant</Table.Th>
              <Table.Th>Phase</Table.Th>
              <Table.Th>Fetched</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {devices.map((device) => (
              <Row key={device.device} device={device} />
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Panel>
  );
}

/** Devices that were left out before anything was sent, and why. */
export function RefusedDevices({ refused }: { refused: Rollout["refused"] }) {
  if (refused.length === 0) return null;
  return (
    <Panel title="Left out" flush>
      <Table aria-label="Devices left out">
        <Table.Tbody>
          {refused.map(({ device, reasons }) => (
            <Table.Tr key={device}>
              <Table.Td fw={550}>{device}</Table.Td>
              <Table.Td>{reasons.join("; ")}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Panel>
  );
}
