import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** Nothing is there, and what to do about it. */
export function Empty({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <Stack gap={4} align="center" p="xl" ta="center">
      <Text fw={500}>{text}</Text>
      {children && (
        <Text component="div" c="dimmed" size="sm">
          {children}
        </Text>
      )}
    </Stack>
  );
}
