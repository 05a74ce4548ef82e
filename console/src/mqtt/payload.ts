import { fieldsOf, numberOf, textOf } from "../api/read";
import { parseTopic } from "./topic";

/** A live result as it scrolls by. */
export interface LiveResult {
  site: string;
  device: string;
  pipeline: string;
  at: number;
  label: string;
  score: number | null;
  secondLabel: string;
  secondScore: number | null;
  model: string;
  version: number | null;
  sequence: number;
}

const largest = 8 << 10;

function json(payload: Uint8Array): Record<string, unknown> | null {
  if (payload.byteLength > largest) return null;
  try {
    return fieldsOf(JSON.parse(new TextDecoder().decode(payload)));
  } catch {
    return null;
  }
}

/** Reads a message on `live/<pipeline>`; null for anything else. */
export function readLive(topicText: string, payload: Uint8Array): LiveResult | null {
  const topic = parseTopic(topicText);
  const fields = json(payload);
  if (topic?.kind !== "live" || !fields) return null;
  const at = numberOf(fields["ts"]);
  const sequence = numberOf(fields["sequence"]);
  if (at === null || sequence === null) return null;
  return {
    site: topic.site,
    device: topic.device,
    pipeline: topic.name,
    at,
    label: textOf(fields["label"]),
    score: numberOf(fields["score"]),
    secondLabel: textOf(fields["label_2"]),
    secondScore: numberOf(fields["score_2"]),
    model: textOf(fields["model"]),
    version: numberOf(fields["version"]),
    sequence,
  };
}
