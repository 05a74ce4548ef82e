import { Stack, Text } from "@mantine/core";

import { useEvents } from "../api/events";
import { Ago } from "./Ago";
import { Answer } from "./Answer";
import { Panel } from "./Panel";

/** The newest events: of a device, or of everybody with who it was. */
export function Events({ device }: { device?: string }) {
  return (
    <Panel title="Events">
      <Answer query={useEvents(device)} waiting="Fetching the events">
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
                  {device ? "" : `${event.device} · `}
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
