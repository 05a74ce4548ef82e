import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { rolloutIsOpen } from "../text/status";
import { answer, api } from "./client";
import type { NewRollout, Selection } from "./types";

const listKey = ["rollouts"] as const;
const oneKey = (rollout: string) => ["rollout", rollout] as const;

export function useRollouts(query: { state?: string; cursor?: string }) {
  return useQuery({
    queryKey: [...listKey, query],
    queryFn: () => answer(api.GET("/api/v1/rollouts", { params: { query } })),
    refetchInterval: 3_000,
  });
}

/** One rollout, looked at every second while it moves. */
export function useRollout(rollout: string) {
  return useQuery({
    queryKey: oneKey(rollout),
    queryFn: () => answer(api.GET("/api/v1/rollouts/{rollout}", { params: { path: { rollout } } })),
    refetchInterval: ({ state }) =>
      !state.data || rolloutIsOpen(state.data.state) ? 1_000 : 15_000,
  });
}

export function useCreateRollout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: NewRollout) => answer(api.POST("/api/v1/rollouts", { body })),
    onSuccess: (rollout) => {
      client.setQueryData(oneKey(rollout.id), rollout);
      return client.invalidateQueries({ queryKey: listKey });
    },
  });
}

export type RolloutAction = "pause" | "resume" | "revert";

function act(rollout: string, action: RolloutAction) {
  const options = { params: { path: { rollout } } };
  switch (action) {
    case "pause":
      return answer(api.POST("/api/v1/rollouts/{rollout}/pause", options));
    case "resume":
      return answer(api.POST("/api/v1/rollouts/{rollout}/resume", options));
    case "revert":
      return answer(api.POST("/api/v1/rollouts/{rollout}/revert", options));
  }
}

export function useRolloutAction(rollout: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (action: RolloutAction) => act(rollout, action),
    onSuccess: (answered) => {
      client.setQueryData(oneKey(rollout), answered);
      return client.invalidateQueries({ queryKey: listKey });
    },
  });
}

/** "Will it run?" for each device of a selection, before anything is sent. */
export function useCompatibility(model: string, version: number, selection: Selection | null) {
  return useQuery({
    queryKey: ["compatibility", model, version, selection],
    enabled: selection !== null,
    queryFn: async () => {
      const params = {
        path: { model, version },
        query: {
          devices: selection?.devices?.join(","),
          sites: selection?.sites?.join(","),
          pipelines: selection?.pipelines?.join(","),
        },
      };
      return (
        await answer(api.GET("/api/v1/models/{model}/versions/{version}/compatibility", { params }))
      ).items;
    },
  });
}
