import { Group, Stack, Text } from "@mantine/core";

import { wordedOf } from "../api/read";
import type { Device } from "../api/types";
import { phaseTone } from "../text/status";
import { Mark } from "./Mark";

type Pipelines = Device["pipelines"];

/** The pipelines of a device, each with the model version that runs. */
export function Runs({ pipelines }: { pipelines: Pipelines }) {
  if (pipelines.length === 0) {
    return (
      <Text c="dimmed" size="sm">
        nothing assigned
      </Text>
    );
  }
  return (
    <Stack gap={2}>
      {pipelines.map((pipeline) => {
        const state = wordedOf(pipeline.state);
        return (
          <Group key={pipeline.pipeline} gap={8} wrap="nowrap">
            <Text size="sm">
              {pipeline.pipeline}{" "}
              <Text span c="dimmed" size="sm">
                → {pipeline.model} v{pipeline.version} · {pipeline.variant}
              </Text>
            </Text>
            {state && state.word !== "running" && (
              <Mark
                tone={phaseTone(state.word)}
                text={state.word}
                title={state.reason ?? undefined}
              />
            )}
          </Group>
        );
      })}
    </Stack>
  );
}
