import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Device } from "../api/types";
import { Ago } from "../parts/Ago";
import { Empty } from "../parts/Empty";
import { Mark, Presence } from "../parts/Mark";
import { Runs } from "../parts/Runs";
import { SortHeader } from "../parts/SortHeader";
import { phaseTone } from "../text/status";

interface Props {
  devices: Device[];
  filtered: boolean;
  sort: string | undefined;
  changeSort: (sort: string) => void;
}

function Row({ device }: { device: Device }) {
  const { update } = device;
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={`/devices/${device.id}`} fw={550} size="sm">
          {device.name}
        </Anchor>
        {device.name !== device.id && (
          <Text size="xs" c="dimmed">
            {device.id}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        {device.revoked ? (
          <Mark tone="bad" text="revoked" />
        ) : (
          <Presence
            status={device.status}
            sinceMs={device.status_since_ms}
            because={device.unknown_because}
          />
        )}
      </Table.Td>
      <Table.Td className="whole">{device.site}</Table.Td>
      <Table.Td>
        <Runs pipelines={device.pipelines} />
      </Table.Td>
      <Table.Td>
        {update ? (
          <Mark
            tone={phaseTone(update.phase)}
            text={update.phase}
            title={update.reason ?? undefined}
          />
        ) : (
          <Text c="dimmed">—</Text>
        )}
      </Table.Td>
      <Table.Td>
        <Text size="sm" c="dimmed" className="whole">
          <Ago ms={device.last_seen_ms} />
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}

/** The table of devices. */
export function DeviceTable({ devices, filtered, sort, changeSort }: Props) {
  if (devices.length === 0) {
    return filtered ? (
      <Empty text="No device matches.">Loosen the search or the filters.</Empty>
    ) : (
      <Empty text="No device has joined yet.">
        <Anchor component={Link} to="/enrolment" size="sm">
          Make an enrolment token
        </Anchor>{" "}
        and run the command it shows on the device.
      </Empty>
    );
  }
  return (
    <Table highlightOnHover aria-label="Devices">
      <Table.Thead>
        <Table.Tr>
          <SortHeader text="Device" by="name" sort={sort ?? "name"} change={changeSort} />
          <Table.Th>Status</Table.Th>
          <Table.Th>Site</Table.Th>
          <Table.Th>Runs</Table.Th>
          <Table.Th>Update</Table.Th>
          <SortHeader text="Last seen" by="last_seen" sort={sort} change={changeSort} />
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {devices.map((device) => (
          <Row key={device.id} device={device} />
        ))}
      </Table.Tbody>
    </Table>
  );
}
