import type { UseQueryResult } from "@tanstack/react-query";
import { Stack } from "@mantine/core";
import type { ReactNode } from "react";

import { ProblemAlert } from "./ProblemAlert";
import { Waiting } from "./Waiting";

interface Props<Data> {
  query: UseQueryResult<Data>;
  waiting: string;
  children: (data: Data) => ReactNode;
}

/** What a query brought. A later failure is shown above what was there before. */
export function Answer<Data>({ query, waiting, children }: Props<Data>) {
  const problem = query.error && (
    <ProblemAlert error={query.error} retry={() => void query.refetch()} />
  );
  if (query.data === undefined) return problem ?? <Waiting text={waiting} />;
  if (!problem) return children(query.data);
  return (
    <Stack>
      {problem}
      {children(query.data)}
    </Stack>
  );
}
