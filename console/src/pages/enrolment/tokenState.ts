import type { EnrolmentToken } from "../../api/types";

type Known = Pick<EnrolmentToken, "revoked" | "used" | "uses" | "expires_ms">;

/** Whether a token still lets somebody join, or why not. */
export function tokenState(token: Known, nowMs: number): "open" | "revoked" | "used" | "expired" {
  if (token.revoked) return "revoked";
  if (token.used >= token.uses) return "used";
  return token.expires_ms <= nowMs ? "expired" : "open";
}
