import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Compression } from "../../api/types";
import { Ago } from "../../parts/Ago";
import { Empty } from "../../parts/Empty";
import { Mark } from "../../parts/Mark";
import { counted } from "../../text/format";
import { compressionTone } from "../../text/status";

function Row({ order }: { order: Compression }) {
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={`/compressions/${order.id}`} fw={550} size="sm">
          {order.model}
        </Anchor>
        {order.version && (
          <Text size="xs" c="dimmed">
            version {order.version}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Mark
          tone={compressionTone(order.state)}
          text={order.state}
          title={order.reason ?? undefined}
        />
      </Table.Td>
      <Table.Td>{counted(order.photos, "picture")}</Table.Td>
      <Table.Td>
        <Ago ms={order.created_ms} />
      </Table.Td>
      <Table.Td>{order.created_by}</Table.Td>
    </Table.Tr>
  );
}

/** Orders to compress models. */
export function CompressionTable({ orders }: { orders: Compression[] }) {
  if (orders.length === 0) {
    return (
      <Empty text="Nothing has been compressed here yet.">
        Upload a float model with <code>noroshi model compress</code>.
      </Empty>
    );
  }
  return (
    <Table highlightOnHover aria-label="Compressions">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Model</Table.Th>
          <Table.Th>State</Table.Th>
          <Table.Th>Calibrated with</Table.Th>
          <Table.Th>Ordered</Table.Th>
          <Table.Th>By</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {orders.map((order) => (
          <Row key={order.id} order={order} />
        ))}
      </Table.Tbody>
    </Table>
  );
}
