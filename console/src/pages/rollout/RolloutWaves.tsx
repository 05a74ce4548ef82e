import { Group, Stack, Text } from "@mantine/core";

import type { Rollout } from "../../api/types";
import { Mark } from "../../parts/Mark";
import { counted } from "../../text/format";
import { waveTone } from "../../text/status";

/** The waves in order, each with its state. */
export function RolloutWaves({ rollout }: { rollout: Rollout }) {
  return (
    <Stack gap={6} component="ol" p={0} m={0} style={{ listStyle: "none" }}>
      {rollout.waves.map(({ percent, devices, succeeded, failed, state }, place) => (
        <Group key={percent} component="li" gap="md" justify="space-between">
          <Text size="sm" fw={place + 1 === rollout.wave ? 600 : 400}>
            Wave {place + 1}: up to {percent} %, {counted(devices, "device")}
          </Text>
          <Group gap="md">
            <Text size="xs" c="dimmed">
              {succeeded > 0 && `${succeeded} succeeded`}
              {succeeded > 0 && failed > 0 && ", "}
              {failed > 0 && `${failed} failed`}
            </Text>
            {devices > 0 && <Mark tone={waveTone(state)} text={state} />}
          </Group>
        </Group>
      ))}
    </Stack>
  );
}
