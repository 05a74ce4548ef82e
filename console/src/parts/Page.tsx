import { Anchor, Group, Stack, Text, Title } from "@mantine/core";
import { useEffect, type ReactNode } from "react";
import { Link } from "react-router";

interface Props {
  title: string;
  /** Beside the title: a status. */
  mark?: ReactNode;
  about?: ReactNode;
  /** The list that this page belongs to. */
  parent?: { to: string; text: string };
  actions?: ReactNode;
  children: ReactNode;
}

/** One page: its title (also the window's), its actions and its content. */
export function Page({ title, mark, about, parent, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Noroshi`;
  }, [title]);
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-end" gap="md">
        <div>
          {parent && (
            <Anchor component={Link} to={parent.to} size="sm">
              ← {parent.text}
            </Anchor>
          )}
          <Group gap="sm" align="center">
            <Title order={1} size="h2">
              {title}
            </Title>
            {mark}
          </Group>
          {about && (
            <Text c="dimmed" mt={2}>
              {about}
            </Text>
          )}
        </div>
        {actions && <Group gap="sm">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
