import { useQuery } from "@tanstack/react-query";

import { answer, api } from "./client";

/** The organisation with its counts. */
export function useOrganisation() {
  return useQuery({
    queryKey: ["organisation"],
    queryFn: () => answer(api.GET("/api/v1/organisation")),
    refetchInterval: 10_000,
  });
}
