import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answer, api } from "./client";

const key = ["enrolment-tokens"] as const;

/** Tokens that were made, without their secrets. */
export function useEnrolmentTokens() {
  return useQuery({
    queryKey: key,
    queryFn: async () =>
      (await answer(api.GET("/api/v1/enrolment-tokens", { params: { query: { limit: 100 } } })))
        .items,
    refetchInterval: 10_000,
  });
}

export interface NewToken {
  site: string;
  kind: "device" | "gateway";
  uses: number;
  ttl_s: number;
}

/** Makes a token; only this answer holds its secret. */
export function useCreateEnrolmentToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: NewToken) => answer(api.POST("/api/v1/enrolment-tokens", { body })),
    // The secret leaves the memory with the page that shows it.
    gcTime: 0,
    onSuccess: () => client.invalidateQueries({ queryKey: key }),
  });
}

export function useRevokeEnrolmentToken() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      answer(api.DELETE("/api/v1/enrolment-tokens/{id}", { params: { path: { id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: key }),
  });
}
