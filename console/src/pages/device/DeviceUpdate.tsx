import { Group, Progress, Stack, Text } from "@mantine/core";

import type { DeviceUpdate } from "../../api/types";
import { Mark } from "../../parts/Mark";
import { Panel } from "../../parts/Panel";
import { bytes } from "../../text/format";
import { phaseTone } from "../../text/status";

/** Where the device's update is, why it ended so, and how much is fetched. */
export function DeviceUpdatePanel({ update }: { update: DeviceUpdate }) {
  const { phase, reason, fetched, total } = update;
  const fetching = phase === "downloading" && total > 0;
  return (
    <Panel title="Update" aside={<Mark tone={phaseTone(phase)} text={phase} />}>
      <Stack gap="xs">
        {reason && <Text size="sm">{reason}</Text>}
        {fetching && (
          <Progress value={Math.min(100, (fetched / total) * 100)} aria-label="Fetched" />
        )}
        <Group justify="space-between">
          <Text size="xs" c="dimmed">
            plan {update.plan}
          </Text>
          <Text size="xs" c="dimmed">
            {fetching ? `${bytes(fetched)} of ${bytes(total)}` : bytes(fetched)} fetched
          </Text>
        </Group>
      </Stack>
    </Panel>
  );
}
