import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answer, api } from "./client";
import { problemOf } from "./problem";
import { sessionKey } from "./queries";
import type { Caller } from "./types";

async function currentCaller(): Promise<Caller | null> {
  try {
    return await answer(api.GET("/api/v1/sessions/current"));
  } catch (error) {
    if (problemOf(error).status === 401) return null;
    throw error;
  }
}

/** Who is signed in; null is nobody. */
export function useSession() {
  return useQuery({ queryKey: sessionKey, queryFn: currentCaller, staleTime: Infinity });
}

export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { username: string; password: string }) =>
      answer(api.POST("/api/v1/sessions", { body })),
    onSuccess: (caller) => client.setQueryData(sessionKey, caller),
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => answer(api.DELETE("/api/v1/sessions/current")),
    onSuccess: () => {
      client.setQueryData(sessionKey, null);
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionKey[0] });
    },
  });
}

/** Gives the signed-in user another password. Its sessions end, this one with them. */
export function useChangePassword(name: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { password: string; current: string }) =>
      answer(api.PUT("/api/v1/users/{name}/password", { params: { path: { name } }, body })),
    // The secrets leave the memory with the form.
    gcTime: 0,
    onSuccess: () => client.setQueryData(sessionKey, null),
  });
}

/** Whether the signed-in caller may do what `needed` stands for. */
export function useMay(needed: "operate" | "admin"): boolean {
  const scope = useSession().data?.scope;
  return scope === "admin" || scope === needed;
}
