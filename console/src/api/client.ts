import createClient from "openapi-fetch";

import { ApiError, readProblem } from "./problem";
import type { paths } from "./schema";

/** The typed API. Every call goes to the origin that the page came from. */
export const api = createClient<paths>({
  baseUrl: typeof location === "undefined" ? "" : location.origin,
  credentials: "same-origin",
  // Looked up at each call, so that nothing keeps the one of an earlier moment.
  fetch: (request) => globalThis.fetch(request),
});

interface Reply<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

/** The body of a good answer; throws {@link ApiError} for any other. */
export async function answer<Data>(call: Promise<Reply<Data>>): Promise<Data> {
  const { data, error, response } = await call;
  if (!response.ok) throw new ApiError(readProblem(response.status, error));
  return data as Data;
}
