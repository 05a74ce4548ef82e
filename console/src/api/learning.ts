import { useMutation, useQuery } from "@tanstack/react-query";

import { answer, api } from "./client";
import { command, refusal } from "./commands";
import { fieldsOf, listOf, numberOf, textOf } from "./read";
import type { ResultRow } from "./types";

/** What came of a label. */
export interface Lesson {
  /** Whether the model had answered so. */
  right: boolean;
  /** Whether its drift detector alarmed. */
  drift: boolean;
  /** Samples learned since the release. */
  samples: number;
}

/** A device's reply to a label; null if it is none. */
export function readLesson(text: string): Lesson | null {
  let fields;
  try {
    fields = fieldsOf(JSON.parse(text));
  } catch {
    return null;
  }
  const samples = numberOf(fields?.["samples"]);
  if (!fields || samples === null) return null;
  return { right: fields["right"] === 1, drift: fields["drift"] === true, samples };
}

/** Tells a device what is true of a result. */
export function useLabel(result: ResultRow) {
  return useMutation({
    mutationFn: async (label: string) => {
      const body = { kind: "label", labels: [{ result: result.id, label }] };
      const lesson = readLesson(await command(result.device, body));
      if (!lesson) throw refusal("The device's answer can't be read", "Upgrade the console.");
      return lesson;
    },
  });
}

/** The slugs of a model version's labels. */
export function useLabels(model: string, version: number, wanted: boolean) {
  return useQuery({
    queryKey: ["labels", model, version],
    enabled: wanted,
    staleTime: Infinity,
    queryFn: async () => {
      const params = { path: { model, version } };
      const manifest = fieldsOf(
        await answer(api.GET("/api/v1/models/{model}/versions/{version}/manifest", { params })),
      );
      const task = fieldsOf(fieldsOf(manifest?.["task"])?.["classification"]);
      return listOf(task?.["labels"], (item) => textOf(fieldsOf(item)?.["slug"]) || null);
    },
  });
}
