import { Group, Loader, Text } from "@mantine/core";
import { useState } from "react";

import { useNow } from "./useNow";

/** Something is on its way; counts the seconds when it takes long. */
export function Waiting({ text }: { text: string }) {
  const now = useNow();
  const [since] = useState(now);
  const seconds = Math.round((now - since) / 1000);
  return (
    <Group gap="sm" p="md" role="status">
      <Loader size="sm" />
      <Text c="dimmed">
        {text}
        {seconds >= 3 ? ` (${seconds} s)` : "…"}
      </Text>
    </Group>
  );
}
