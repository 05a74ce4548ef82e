import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import type { PipelineReport, Report } from "../../api/report";
import type { Device } from "../../api/types";
import { Empty } from "../../parts/Empty";
import { Mark } from "../../parts/Mark";
import { Panel } from "../../parts/Panel";
import { bytes, integer, milliseconds } from "../../text/format";
import { phaseTone } from "../../text/status";

function Row({ pipeline }: { pipeline: PipelineReport }) {
  const { cpuUsMedian, memory } = pipeline;
  return (
    <Table.Tr>
      <Table.Td fw={550}>{pipeline.pipeline}</Table.Td>
      <Table.Td>
        <Anchor component={Link} to={`/models/${pipeline.model}`} size="sm">
          {pipeline.model} v{pipeline.version}
        </Anchor>
        <Text size="xs" c="dimmed">
          {pipeline.variant}
        </Text>
      </Table.Td>
      <Table.Td>
        <Mark tone={phaseTone(pipeline.state.word)} text={pipeline.state.word} />
        {pipeline.state.reason && (
          <Text size="xs" c="dimmed">
            {pipeline.state.reason}
          </Text>
        )}
      </Table.Td>
      <Table.Td ta="right">{integer(pipeline.frames)}</Table.Td>
      <Table.Td ta="right">{integer(pipeline.skipped)}</Table.Td>
      <Table.Td ta="right">{cpuUsMedian ? milliseconds(cpuUsMedian / 1000) : "—"}</Table.Td>
      <Table.Td ta="right">{memory ? bytes(memory) : "—"}</Table.Td>
      <Table.Td ta="right">{integer(pipeline.crashes)}</Table.Td>
    </Table.Tr>
  );
}

interface Props {
  assigned: Device["pipelines"];
  report: Report | null;
}

/** The pipelines as the device reports them, with its figures. */
export function DevicePipelines({ assigned, report }: Props) {
  const pipelines = report?.pipelines ?? [];
  const awaited = assigned.filter(
    ({ pipeline }) => !pipelines.some((reported) => reported.pipeline === pipeline),
  );
  return (
    <Panel title="Pipelines" flush>
      {pipelines.length === 0 && awaited.length === 0 && (
        <Empty text="No pipeline is assigned.">
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
      {awaited.map(({ pipeline, model, version }) => (
        <Text key={pipeline} size="sm" c="dimmed" p="md">
          {pipeline} should run {model} v{version}; the device has not reported it yet.
        </Text>
      ))}
    </Panel>
  );
}
