import { Group, Stack, Text } from "@mantine/core";

import type { DevicePipeline } from "../api/types";
import { phaseTone } from "../text/status";
import { Mark } from "./Mark";

/** The pipelines of a device, each with the model version that runs. */
export function Runs({ pipelines }: { pipelines: DevicePipeline[] }) {
  if (pipelines.length === 0) {
    return (
      <Text c="dimmed" size="sm">
        nothing
      </Text>
    );
  }
  return (
    <Stack gap={2}>
      {pipelines.map(({ pipeline, model, version, variant, state, reason }) => (
        <Group key={pipeline} gap={8} wrap="nowrap">
          <Text size="sm">
            {pipeline}{" "}
            <Text span c="dimmed" size="sm">
              → {model} v{version} · {variant}
            </Text>
          </Text>
          {state !== "running" && (
            <Mark tone={phaseTone(state)} text={state} title={reason ?? undefined} />
          )}
        </Group>
      ))}
    </Stack>
  );
}
