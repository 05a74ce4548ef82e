import { List, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";

import type { Compatibility } from "../../api/types";
import { Answer } from "../../parts/Answer";
import { counted } from "../../text/format";

function byVariant(items: Compatibility[]): [variant: string, devices: number][] {
  const counts = new Map<string, number>();
  for (const { variant } of items) {
    if (variant) counts.set(variant, (counts.get(variant) ?? 0) + 1);
  }
  return [...counts];
}

interface Props {
  query: UseQueryResult<Compatibility[]>;
  /** The devices that run the model now: a rollout is for them only. */
  running: ReadonlySet<string>;
}

/** Before anything is sent: which devices get which variant, and which can't run it. */
export function WillItRun({ query, running }: Props) {
  if (query.fetchStatus === "idle" && query.data === undefined && !query.error) {
    return (
      <Text size="sm" c="dimmed">
        Choose at least one device.
      </Text>
    );
  }
  return (
    <Answer query={query} waiting="Comparing the model with the devices">
      {(selected) => {
        const items = selected.filter(({ device }) => running.has(device));
        const others = selected.length - items.length;
        const refused = items.filter(({ variant }) => !variant);
        return (
          <Stack gap="xs">
            {selected.length === 0 && <Text size="sm">No device is selected by this.</Text>}
            {others > 0 && (
              <Text size="sm">
                {counted(others, "device")} {others === 1 ? "runs" : "run"} no pipeline of this
                model and {others === 1 ? "is" : "are"} left out
              </Text>
            )}
            {byVariant(items).map(([variant, devices]) => (
              <Text key={variant} size="sm">
                {counted(devices, "device")} will run <strong>{variant}</strong>
              </Text>
            ))}
            {refused.length > 0 && (
              <>
                <Text size="sm">{counted(refused.length, "device")} can't run it:</Text>
                <List size="sm" spacing={4}>
                  {refused.slice(0, 20).map(({ device, name, obstacles }) => (
                    <List.Item key={device}>
                      {name}: {obstacles.join("; ")}
                    </List.Item>
                  ))}
                </List>
              </>
            )}
          </Stack>
        );
      }}
    </Answer>
  );
}
