/** An error answer of the API (RFC 9457): `detail` says what to do. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
  code: string;
}

/** Thrown by every call that the API refused, and by calls that never reached it. */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ApiError";
    this.problem = problem;
  }
}

const unreachable: Problem = {
  title: "The cloud can't be reached",
  status: 0,
  detail: "No answer came from the cloud. Check the connection; this page tries again by itself.",
  code: "unreachable",
};

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Reads an error body as far as it is one; a proxy in between may answer with anything. */
export function readProblem(status: number, body: unknown): Problem {
  const fields: Record<string, unknown> =
    typeof body === "object" && body !== null ? { ...body } : {};
  return {
    title: text(fields["title"]) ?? "The request failed",
    status,
    detail: text(fields["detail"]) ?? `The answer was HTTP ${status} without an explanation.`,
    code: text(fields["code"]) ?? "unknown",
  };
}

/** The problem behind anything that was thrown. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  // fetch rejects with a TypeError when there is no answer at all.
  if (error instanceof TypeError) return unreachable;
  const detail = error instanceof Error ? error.message : String(error);
  return { title: "Something went wrong", status: 0, detail, code: "internal" };
}
