import { useQuery } from "@tanstack/react-query";

import { answer, api } from "./client";

const many = 500;

export function useModels(cursor?: string) {
  return useQuery({
    queryKey: ["models", cursor],
    queryFn: () => answer(api.GET("/api/v1/models", { params: { query: { cursor } } })),
    refetchInterval: 10_000,
  });
}

/** The versions of a model, newest first. */
export function useVersions(model: string) {
  return useQuery({
    queryKey: ["versions", model],
    queryFn: async () => {
      const params = { path: { model }, query: { limit: many } };
      const { items } = await answer(api.GET("/api/v1/models/{model}/versions", { params }));
      return items.sort((one, other) => other.version - one.version);
    },
    refetchInterval: 10_000,
  });
}

export function usePipelines() {
  return useQuery({
    queryKey: ["pipelines"],
    queryFn: async () =>
      (await answer(api.GET("/api/v1/pipelines", { params: { query: { limit: many } } }))).items,
  });
}
