import { Table, Text } from "@mantine/core";

import { readMeasured, readProvenance, readRequirements, type Measured } from "../../api/manifest";
import type { Variant } from "../../api/types";
import { bytes, count, milliseconds, percent } from "../../text/format";

function Agreement({ measured }: { measured: Measured }) {
  const { agreement } = measured;
  if (!agreement) return <>—</>;
  const { same, of, low, high } = agreement;
  return (
    <>
      {percent(same / of)}
      <Text size="xs" c="dimmed">
        {same} of {of}, {percent(low, 0)} to {percent(high, 0)}
      </Text>
    </>
  );
}

function Row({ variant }: { variant: Variant }) {
  const requirements = readRequirements(variant.requirements);
  const measured = readMeasured(variant.measured);
  return (
    <Table.Tr>
      <Table.Td>
        <Text fw={550} size="sm" title={readProvenance(variant.provenance).recipe}>
          {variant.name}
        </Text>
        <Text size="xs" c="dimmed">
          {variant.precision}
        </Text>
      </Table.Td>
      <Table.Td>
        {variant.engine}
        <Text size="xs" c="dimmed">
          {requirements.opset ? `opset ${requirements.opset}` : ""}
          {requirements.ir ? `, IR ${requirements.ir}` : ""}
        </Text>
      </Table.Td>
      <Table.Td ta="right" title={`${variant.bytes} bytes, sha256 ${variant.sha256}`}>
        {bytes(variant.bytes)}
      </Table.Td>
      <Table.Td ta="right">{measured.parameters ? count(measured.parameters) : "—"}</Table.Td>
      <Table.Td ta="right">{measured.macs ? count(measured.macs) : "—"}</Table.Td>
      <Table.Td ta="right">
        {requirements.peakMemory ? bytes(requirements.peakMemory) : "—"}
      </Table.Td>
      <Table.Td ta="right">
        <Agreement measured={measured} />
      </Table.Td>
      <Table.Td ta="right">
        {measured.latency.length === 0 && "—"}
        {measured.latency.map(({ chip, cpuMs }) => (
          <div key={chip}>
            {milliseconds(cpuMs)}
            <Text size="xs" c="dimmed">
              {chip}
            </Text>
          </div>
        ))}
      </Table.Td>
    </Table.Tr>
  );
}

/** A version's variants with everything known of them. */
export function VariantTable({ variants }: { variants: Variant[] }) {
  return (
    <Table aria-label="Variants">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Variant</Table.Th>
          <Table.Th>Engine</Table.Th>
          <Table.Th ta="right">Size</Table.Th>
          <Table.Th ta="right">Parameters</Table.Th>
          <Table.Th ta="right">MACs</Table.Th>
          <Table.Th ta="right">Peak memory</Table.Th>
          <Table.Th ta="right">Agreement</Table.Th>
          <Table.Th ta="right">CPU time</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {variants.map((variant) => (
          <Row key={variant.name} variant={variant} />
        ))}
      </Table.Tbody>
    </Table>
  );
}
