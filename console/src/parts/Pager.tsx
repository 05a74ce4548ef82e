import { Button, Group } from "@mantine/core";

interface Props {
  cursor: string | undefined;
  next: string | null | undefined;
  go: (cursor: string | undefined) => void;
}

/** Pages of a list by cursor: the browser's back goes back one. */
export function Pager({ cursor, next, go }: Props) {
  if (!cursor && !next) return null;
  return (
    <Group justify="flex-end" gap="xs">
      <Button variant="default" size="xs" disabled={!cursor} onClick={() => go(undefined)}>
        First page
      </Button>
      <Button variant="default" size="xs" disabled={!next} onClick={() => go(next ?? undefined)}>
        Next page
      </Button>
    </Group>
  );
}
