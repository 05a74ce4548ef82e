import { Button, Modal, Table, Text } from "@mantine/core";

import { useExplain, type Explanation } from "../../api/explanation";
import type { ResultRow } from "../../api/types";
import { ProblemAlert } from "../../parts/ProblemAlert";

/** Terms that are shown one by one. */
const shown = 12;

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(4)}`;
}

function Line({ name, value, strong = false }: { name: string; value: number; strong?: boolean }) {
  const weight = strong ? 600 : 400;
  return (
    <Table.Tr>
      <Table.Td fw={weight}>{name}</Table.Td>
      <Table.Td ta="right" fw={weight}>
        {signed(value)}
      </Table.Td>
    </Table.Tr>
  );
}

function Terms({ explanation }: { explanation: Explanation }) {
  const { label, score, terms, rest } = explanation;
  const others = terms.slice(shown);
  const count = others.length + rest.count;
  const value = others.reduce((sum, term) => sum + term.value, rest.value);
  return (
    <Table aria-label="Terms of the score">
      <Table.Tbody>
        {terms.slice(0, shown).map((term) => (
          <Line key={term.name} name={term.name} value={term.value} />
        ))}
        {count > 0 && <Line name={`${count} others together`} value={value} />}
        <Line name={`score of ${label}`} value={score} strong />
      </Table.Tbody>
    </Table>
  );
}

/** A button that asks the device why it answered so, and what it says. */
export function ResultWhy({ result }: { result: ResultRow }) {
  const explain = useExplain(result.device);
  return (
    <>
      <Button
        size="compact-xs"
        variant="default"
        loading={explain.isPending}
        aria-label={`Why ${result.label}?`}
        onClick={() => explain.mutate(result.id)}
      >
        Why?
      </Button>
      <Modal
        opened={explain.isSuccess || explain.isError}
        onClose={explain.reset}
        title={`Why ${result.label}?`}
      >
        <ProblemAlert error={explain.error} />
        {explain.data && (
          <>
            <Text size="sm" c="dimmed" mb="xs">
              What each part of the input added, by {result.model} version {result.version}. The
              terms sum to the score, in the model's own units.
            </Text>
            <Terms explanation={explain.data} />
          </>
        )}
      </Modal>
    </>
  );
}
