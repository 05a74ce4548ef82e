import { Alert, Button, Text } from "@mantine/core";

import { problemOf } from "../api/problem";

/** An error where the user looks: what went wrong and what to do. */
export function ProblemAlert({ error, retry }: { error: unknown; retry?: () => void }) {
  if (!error) return null;
  const problem = problemOf(error);
  return (
    <Alert color="red" title={problem.title} role="alert">
      <Text size="sm">{problem.detail}</Text>
      {retry && (
        <Button size="compact-sm" variant="default" mt="xs" onClick={retry}>
          Try again
        </Button>
      )}
    </Alert>
  );
}
