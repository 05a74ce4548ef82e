import { useMutation } from "@tanstack/react-query";

import { command, refusal } from "./commands";
import { fieldsOf, listOf, numberOf, textOf } from "./read";

/** A part of a score. */
export interface Term {
  name: string;
  value: number;
}

/** Why a device answered as it did: terms that sum to the score. */
export interface Explanation {
  label: string;
  score: number;
  terms: Term[];
  /** What the terms that are not named sum to. */
  rest: { count: number; value: number };
}

/** What a device wrote as its explanation; null if it is none. */
export function readExplanation(text: string): Explanation | null {
  let fields;
  try {
    fields = fieldsOf(JSON.parse(text));
  } catch {
    return null;
  }
  const rest = fieldsOf(fields?.["rest"]);
  const score = numberOf(fields?.["score"]);
  if (!fields || score === null) return null;
  return {
    label: textOf(fields["label"]),
    score,
    terms: listOf(fields["terms"], (item) => {
      const term = fieldsOf(item);
      const value = numberOf(term?.["value"]);
      return value === null ? null : { name: textOf(term?.["name"]), value };
    }),
    rest: { count: numberOf(rest?.["count"]) ?? 0, value: numberOf(rest?.["value"]) ?? 0 },
  };
}

/** Asks a device why it answered as it did. */
export function useExplain(device: string) {
  return useMutation({
    mutationFn: async (result: number) => {
      const text = await command(device, { kind: "explain", result });
      const explanation = readExplanation(text);
      if (!explanation) throw refusal("The device's answer can't be read", "Upgrade the console.");
      return explanation;
    },
  });
}
