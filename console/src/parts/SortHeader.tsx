import { Group, Table, UnstyledButton } from "@mantine/core";

import { Icon } from "./Icon";

interface Props {
  text: string;
  /** The API's sort key; with `-` before it, the other way round. */
  by: string;
  sort: string | undefined;
  change: (sort: string) => void;
}

/** A column's head that sorts the list. */
export function SortHeader({ text, by, sort, change }: Props) {
  const ascending = sort === by;
  const descending = sort === `-${by}`;
  const direction = ascending ? "ascending" : descending ? "descending" : "none";
  return (
    <Table.Th aria-sort={direction}>
      <UnstyledButton fw={700} fz="sm" onClick={() => change(ascending ? `-${by}` : by)}>
        <Group gap={4} wrap="nowrap">
          {text}
          {ascending && <Icon name="up" size={14} />}
          {descending && <Icon name="down" size={14} />}
        </Group>
      </UnstyledButton>
    </Table.Th>
  );
}
