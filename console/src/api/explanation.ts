import { useMutation } from "@tanstack/react-query";

import { answer, api } from "./client";
import { ApiError } from "./problem";
import { fieldsOf, listOf, numberOf, textOf } from "./read";
import type { NewCommand } from "./types";

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

/** Milliseconds between two looks at a command. */
const pauseMs = 300;
/** Seconds that a device may take. */
const patienceS = 30;

/** Sends a command and waits for the device's reply; its text. */
async function command(device: string, body: NewCommand): Promise<string> {
  const path = { device };
  const sent = await answer(
    api.POST("/api/v1/devices/{device}/commands", { params: { path }, body }),
  );
  for (;;) {
    const params = { path: { device, id: sent.id } };
    const now = await answer(api.GET("/api/v1/devices/{device}/commands/{id}", { params }));
    if (now.state === "done") return now.text;
    if (now.state === "expired") {
      throw refusal("The device did not answer", "It may be offline: try again when it is back.");
    }
    if (now.state !== "sent") throw refusal("The device can't do this", now.text);
    await new Promise((wake) => setTimeout(wake, pauseMs));
  }
}

function refusal(title: string, detail: string): ApiError {
  return new ApiError({ status: 0, code: "command", title, detail });
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
      const text = await command(device, { kind: "explain", result, ttl_s: patienceS });
      const explanation = readExplanation(text);
      if (!explanation) throw refusal("The device's answer can't be read", "Upgrade the console.");
      return explanation;
    },
  });
}
