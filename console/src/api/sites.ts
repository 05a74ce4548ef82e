import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answer, api } from "./client";

export const sitesKey = ["sites"] as const;

export function useSites() {
  return useQuery({
    queryKey: sitesKey,
    queryFn: async () =>
      (await answer(api.GET("/api/v1/sites", { params: { query: { limit: 500 } } }))).items,
    refetchInterval: 5_000,
  });
}

export function useCreateSite() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => answer(api.POST("/api/v1/sites", { body: { name } })),
    onSuccess: () => client.invalidateQueries({ queryKey: sitesKey }),
  });
}
