import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

import { ApiError, problemOf } from "./problem";

export const sessionKey = ["session"] as const;

/** A session that ended: whoever asks next is shown the sign-in page, at the same address. */
function noticeSignedOut(client: QueryClient, error: unknown): void {
  if (problemOf(error).status === 401) client.setQueryData(sessionKey, null);
}

/** The cache of everything read from the API. */
export function createQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError: (error) => noticeSignedOut(client, error) }),
    mutationCache: new MutationCache({ onError: (error) => noticeSignedOut(client, error) }),
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        // A refusal stays one; only a missing answer is worth another try.
        retry: (failures, error) => failures < 2 && !(error instanceof ApiError),
      },
      mutations: { retry: false },
    },
  });
  return client;
}
