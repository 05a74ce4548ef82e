import { useQuery } from "@tanstack/react-query";

import { answer, api } from "./client";

/** The newest events: of a device, or of everybody. */
export function useEvents(device?: string) {
  return useQuery({
    queryKey: ["events", device ?? null],
    queryFn: () =>
      answer(
        api.GET("/api/v1/events", { params: { query: { limit: 20, ...(device && { device }) } } }),
      ),
    refetchInterval: 10_000,
  });
}
