import { Group, Table, Text } from "@mantine/core";

import { useDeviceResults } from "../../api/devices";
import { useMay } from "../../api/session";
import { Answer } from "../../parts/Answer";
import { Empty } from "../../parts/Empty";
import { Panel } from "../../parts/Panel";
import { dateTime, percent, timeOfDay } from "../../text/format";
import { ResultLabel } from "./ResultLabel";
import { ResultWhy } from "./ResultWhy";

interface Props {
  device: string;
  /** Pipelines that can say why. */
  explaining: string[];
  /** Pipelines that learn from labels. */
  learning: string[];
}

/** The newest stored results. */
export function DeviceResults({ device, explaining, learning }: Props) {
  const mayAsk = useMay("operate") && explaining.length > 0;
  return (
    <Panel title="Recent results" flush>
      <Answer query={useDeviceResults(device)} waiting="Fetching the results">
        {({ items }) =>
          items.length === 0 ? (
            <Empty text="No result has been stored yet." />
          ) : (
            <Table aria-label="Recent results">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Time</Table.Th>
                  <Table.Th>Label</Table.Th>
                  <Table.Th ta="right">Score</Table.Th>
                  <Table.Th>Model</Table.Th>
                  {mayAsk && <Table.Th aria-label="Why" />}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {items.map((result) => (
                  <Table.Tr key={result.id}>
                    <Table.Td title={dateTime(result.at_ms)}>{timeOfDay(result.at_ms)}</Table.Td>
                    <Table.Td>{result.label}</Table.Td>
                    <Table.Td ta="right">{percent(result.score)}</Table.Td>
                    <Table.Td>
                      <Text size="sm" c="dimmed" title={result.variant}>
                        {result.model} v{result.version}
                      </Text>
                    </Table.Td>
                    {mayAsk && (
                      <Table.Td ta="right">
                        <Group gap={6} justify="flex-end" wrap="nowrap">
                          {learning.includes(result.pipeline) && <ResultLabel result={result} />}
                          {explaining.includes(result.pipeline) && <ResultWhy result={result} />}
                        </Group>
                      </Table.Td>
                    )}
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )
        }
      </Answer>
    </Panel>
  );
}
