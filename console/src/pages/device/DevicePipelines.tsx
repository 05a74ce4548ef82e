import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import type { DevicePipeline, LearnedOn } from "../../api/types";
import { Empty } from "../../parts/Empty";
import { Mark } from "../../parts/Mark";
import { Panel } from "../../parts/Panel";
import { bytes, counted, integer, milliseconds } from "../../text/format";
import { phaseTone } from "../../text/status";

function learned({ state, samples }: LearnedOn): string {
  return state === 0 ? "as released" : `state ${state}, ${counted(samples, "sample")} learned here`;
}

function Row({ pipeline }: { pipeline: DevicePipeline }) {
  const { state, cpu_us_p50, memory } = pipeline;
  return (
    <Table.Tr>
      <Table.Td fw={550}>{pipeline.pipeline}</Table.Td>
      <Table.Td>
        <Anchor component={Link} to={`/models/${pipeline.model}`} size="sm">
          {pipeline.model} v{pipeline.version}
        </Anchor>
        <Text size="xs" c="dimmed">
          {pipeline.variant}
          {pipeline.learned && ` · ${learned(pipeline.learned)}`}
        </Text>
      </Table.Td>
      <Table.Td>
        <Mark tone={phaseTone(state)} text={state} />
        {pipeline.reason && (
          <Text size="xs" c="dimmed">
            {pipeline.reason}
          </Text>
        )}
      </Table.Td>
      <Table.Td ta="right">{integer(pipeline.frames)}</Table.Td>
      <Table.Td ta="right">{integer(pipeline.skipped)}</Table.Td>
      <Table.Td ta="right">{cpu_us_p50 ? milliseconds(cpu_us_p50 / 1000) : "—"}</Table.Td>
      <Table.Td ta="right">{memory ? bytes(memory) : "—"}</Table.Td>
      <Table.Td ta="right">{integer(pipeline.crashes)}</Table.Td>
    </Table.Tr>
  );
}

/** The pipelines as the device reports them, with its figures. */
export function DevicePipelines({ pipelines }: { pipelines: DevicePipeline[] }) {
  return (
    <Panel title="Pipelines" flush>
      {pipelines.length === 0 && (
        <Empty text="The device runs no pipeline.">
          Assign one with <code>noroshi pipeline apply</code>.
        </Empty>
      )}
      {pipelines.length > 0 && (
        <Table aria-label="Pipelines">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Pipeline</Table.Th>
              <Table.Th>Model</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th ta="right">Frames</Table.Th>
              <Table.Th ta="right">Skipped</Table.Th>
              <Table.Th ta="right">CPU a frame</Table.Th>
              <Table.Th ta="right">Memory</Table.Th>
              <Table.Th ta="right">Crashes</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {pipelines.map((pipeline) => (
              <Row key={pipeline.pipeline} pipeline={pipeline} />
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Panel>
  );
}
