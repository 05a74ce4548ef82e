import { Stack, Text } from "@mantine/core";

import { useDeviceEvents } from "../../api/devices";
import { Ago } from "../../parts/Ago";
import { Answer } from "../../parts/Answer";
import { Panel } from "../../parts/Panel";

/** The newest events. */
export function DeviceEvents({ device }: { device: string }) {
  return (
    <Panel title="Events">
      <Answer query={useDeviceEvents(device)} waiting="Fetching the events">
        {({ items }) => (
          <Stack gap="xs">
            {items.length === 0 && (
              <Text size="sm" c="dimmed">
                Nothing has happened.
              </Text>
            )}
            {items.map((event) => (
              <div key={event.id}>
                <Text size="sm">{event.message}</Text>
                <Text size="xs" c="dimmed">
                  {event.kind} · <Ago ms={event.at_ms} />
                </Text>
              </div>
            ))}
          </Stack>
        )}
      </Answer>
    </Panel>
  );
}
